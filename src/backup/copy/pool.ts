// The copying threads of one backup, seen from the main thread: work in, results out, stop or finish.
import type { Worker } from 'node:worker_threads'

import type { Clock } from '../../base/clock.ts'
import { receiveError } from '../../base/sent-error.ts'
import { startThread, tellThread } from '../../base/thread.ts'
import type { PackRef } from '../../repository/contract.ts'
import { backupErrors } from '../errors.ts'
import type { CopyItem, CopyResult, FromWorker, ToWorker, WorkerStart } from './messages.ts'

/** Batches given to one thread at a time: it finds the next one waiting when it has done one. */
const IN_HAND = 2
/** Young heap of a copying thread: its objects are few, its buffers lie outside. The default is several times that. */
const YOUNG_MB = 8
/** How long a thread may take to remove what it has begun. */
const ABANDON_MS = 5000

// Sources run as they are in development; compiled they have another ending, which tsc does not rewrite here.
const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

export interface PoolOptions extends Omit<WorkerStart, 'stop' | 'bytesRead' | 'bytesAudited'> {
  /** Threads to start with; they load while the caller goes on. */
  readonly workers: number
  readonly clock: Clock
  /** Called with each pack that has ended. */
  readonly onPacked?: (pack: string) => void
}

interface Thread {
  readonly worker: Worker
  inHand: number
}

export class CopyPool implements AsyncDisposable {
  private readonly threads: Thread[] = []
  private readonly start: WorkerStart
  private readonly stopFlag = new SharedArrayBuffer(4)
  private readonly readCounter = new SharedArrayBuffer(8)
  private readonly auditCounter = new SharedArrayBuffer(8)
  private readonly waiting = new Set<(event: FromWorker & { thread: Thread }) => void>()
  private failure: Error | undefined
  private readonly onFailure = new Set<(error: Error) => void>()
  private readonly clock: Clock
  private readonly onPacked: (pack: string) => void
  private ended = false

  constructor(options: PoolOptions) {
    const { workers, clock, onPacked, ...start } = options
    this.clock = clock
    this.onPacked = onPacked ?? (() => {})
    this.start = { ...start, stop: this.stopFlag, bytesRead: this.readCounter, bytesAudited: this.auditCounter }
    this.grow(workers)
  }

  /** Starts more threads, up to `workers` in all. */
  grow(workers: number): void {
    while (this.threads.length < workers) this.threads.push(this.startThread())
  }

  /** Bytes read by all threads so far. */
  get bytesRead(): number {
    return Number(Atomics.load(new BigUint64Array(this.readCounter), 0))
  }

  get bytesAudited(): number {
    return Number(Atomics.load(new BigUint64Array(this.auditCounter), 0))
  }

  /** Copies everything; results come as batches are done. Rejects with the first failure of any thread, or when the signal aborts. */
  async copy(
    batches: readonly (readonly CopyItem[])[],
    options: { signal: AbortSignal; onResult: (result: CopyResult) => void },
  ): Promise<void> {
    let next = 0
    let open = batches.length
    if (open === 0) return
    const give = (thread: Thread): void => {
      while (thread.inHand < IN_HAND && next < batches.length) {
        thread.inHand++
        this.send(thread, { type: 'copy', batch: next, items: batches[next]! })
        next++
      }
    }
    await this.until(options.signal, (done) => {
      const listener = (event: FromWorker & { thread: Thread }): void => {
        if (event.type !== 'copied') return
        event.thread.inHand--
        for (const result of event.results) options.onResult(result)
        if (--open === 0) done()
        else give(event.thread)
      }
      for (const thread of this.threads) give(thread)
      return listener
    })
  }

  /** Ends the packs of all threads. */
  async finish(signal: AbortSignal): Promise<readonly PackRef[]> {
    const packs: PackRef[] = []
    let open = this.threads.length
    await this.until(signal, (done) => {
      for (const thread of this.threads) this.send(thread, { type: 'finish' })
      return (event) => {
        if (event.type !== 'finished') return
        packs.push(...event.packs)
        if (--open === 0) done()
      }
    })
    await this.terminate()
    return packs
  }

  /** Unless finished: tells the threads to leave nothing behind, then ends them. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ended) return
    this.ended = true
    Atomics.store(new Int32Array(this.stopFlag), 0, 1)
    const gone = this.threads.map(
      ({ worker }) =>
        new Promise<void>((done) => {
          worker.on('message', (event: FromWorker) => event.type === 'abandoned' && done())
          worker.on('exit', () => done())
          post(worker, { type: 'abandon' })
        }),
    )
    const patience = new AbortController()
    await Promise.race([Promise.all(gone), this.clock.sleep(ABANDON_MS, patience.signal).catch(() => {})])
    patience.abort()
    await this.terminate()
  }

  private async terminate(): Promise<void> {
    this.ended = true
    await Promise.all(this.threads.map((thread) => thread.worker.terminate()))
  }

  private send(thread: Thread, message: ToWorker): void {
    post(thread.worker, message)
  }

  /** Listens until `start`'s listener says done; the first failure of any thread or the signal ends it too. */
  private until(
    signal: AbortSignal,
    start: (done: () => void) => (event: FromWorker & { thread: Thread }) => void,
  ): Promise<void> {
    signal.throwIfAborted()
    if (this.failure) return Promise.reject(this.failure)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    this.onFailure.add(reject)
    const listener = start(resolve)
    this.waiting.add(listener)
    return promise.finally(() => {
      signal.removeEventListener('abort', onAbort)
      this.onFailure.delete(reject)
      this.waiting.delete(listener)
    })
  }

  private startThread(): Thread {
    const worker = startThread(entry, {
      workerData: this.start,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    })
    const thread: Thread = { worker, inHand: 0 }
    worker.on('message', (event: FromWorker) => {
      if (event.type === 'failed') this.fail(receiveError(event.error))
      else if (event.type === 'packed') this.onPacked(event.pack)
      else for (const listener of this.waiting) listener({ ...event, thread })
    })
    worker.on('error', (error: Error) => this.fail(backupErrors.workerDied({ why: error.message }, { cause: error })))
    worker.on('exit', (code) => {
      if (!this.ended) this.fail(backupErrors.workerDied({ why: `exit code ${code}` }))
    })
    return thread
  }

  private fail(error: Error): void {
    this.failure ??= error
    for (const reject of this.onFailure) reject(this.failure)
  }
}

function post(worker: Worker, message: ToWorker): void {
  tellThread(worker, message)
}
