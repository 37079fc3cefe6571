// The restoring threads of one recovery, seen from the main thread.
import { receiveError } from '../../base/sent-error.ts'
import { startThread, tellThread } from '../../base/thread.ts'
import type { Worker } from 'node:worker_threads'

import { recoveryErrors as errors } from '../errors.ts'
import type { FromWorker, Task, ToWorker, WorkerStart } from './messages.ts'

/** Tasks given to one thread at a time: it finds the next one waiting when it has done one. */
const IN_HAND = 2

// Sources run as they are in development; compiled they have another ending, which tsc does not rewrite here.
const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

interface Thread {
  readonly worker: Worker
  inHand: number
}

export interface PoolOptions extends Pick<WorkerStart, 'seed' | 'backup' | 'direct'> {
  readonly workers: number
}

export class RestorePool implements AsyncDisposable {
  private readonly threads: Thread[]
  private readonly stopFlag = new SharedArrayBuffer(4)
  private readonly counterBytes = new SharedArrayBuffer(24)
  private readonly failed = Promise.withResolvers<never>()
  private failure: Error | undefined
  private wake = Promise.withResolvers<void>()
  private nextId = 0
  private ended = false
  private readonly findings: string[] = []

  constructor(options: PoolOptions) {
    const { workers, ...start } = options
    this.failed.promise.catch(() => {})
    const data: WorkerStart = { ...start, stop: this.stopFlag, counters: this.counterBytes }
    this.threads = Array.from({ length: workers }, () => this.startThread(data))
  }

  /** Bytes put in place or read so far, holes among them. */
  get doneBytes(): number {
    return Number(Atomics.load(new BigUint64Array(this.counterBytes), 0))
  }

  get holeBytes(): number {
    return Number(Atomics.load(new BigUint64Array(this.counterBytes), 1))
  }

  get writtenBytes(): number {
    return Number(Atomics.load(new BigUint64Array(this.counterBytes), 2))
  }

  /**
   * Performs all tasks, taking the next one when a thread has room for it. Resolves to what was found; rejects with the first failure of
   * any thread, of the source of tasks, or when the signal aborts.
   */
  async perform(tasks: AsyncIterable<Task> | Iterable<Task>, signal: AbortSignal): Promise<readonly string[]> {
    const aborted = Promise.withResolvers<never>()
    aborted.promise.catch(() => {})
    const onAbort = (): void => aborted.reject(signal.reason as Error)
    signal.throwIfAborted()
    signal.addEventListener('abort', onAbort, { once: true })
    const stopped = Promise.race([aborted.promise, this.failed.promise])
    stopped.catch(() => {})
    try {
      for await (const task of tasks) {
        signal.throwIfAborted()
        await Promise.race([this.give(task), stopped])
      }
      await Promise.race([this.settled(), stopped])
      return this.findings.splice(0)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  private async give(task: Task): Promise<void> {
    for (;;) {
      const free = this.threads.filter((one) => one.inHand < IN_HAND).sort((a, b) => a.inHand - b.inHand)[0]
      if (free) {
        free.inHand++
        this.send(free.worker, { id: this.nextId++, task })
        return
      }
      await this.wake.promise
    }
  }

  private send(worker: Worker, message: ToWorker): void {
    tellThread(worker, message)
  }

  private async settled(): Promise<void> {
    while (this.threads.some((one) => one.inHand > 0)) await this.wake.promise
  }

  private startThread(data: WorkerStart): Thread {
    const worker = startThread(entry, { workerData: data })
    const thread: Thread = { worker, inHand: 0 }
    worker.on('message', (event: FromWorker) => {
      if (event.type === 'failed') return this.fail(receiveError(event.error))
      if (event.type !== 'done') return
      this.findings.push(...event.findings)
      thread.inHand--
      this.wake.resolve()
      this.wake = Promise.withResolvers<void>()
    })
    worker.on('error', (error: Error) => this.fail(error))
    worker.on('exit', (code) => {
      if (!this.ended)
        this.fail(errors.writeFailed({ path: 'the target', why: `a restoring thread ended with exit code ${code}` }))
    })
    return thread
  }

  private fail(error: Error): void {
    if (this.failure) return
    this.failure = error
    this.failed.reject(error)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ended) return
    this.ended = true
    this.failed.reject(new Error('the restoring threads were ended'))
    Atomics.store(new Int32Array(this.stopFlag), 0, 1)
    await Promise.all(this.threads.map((thread) => thread.worker.terminate()))
  }
}
