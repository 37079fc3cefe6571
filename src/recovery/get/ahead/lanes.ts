// The threads that fetch ahead.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'

import { keepFreedMemory } from '../../../base/freed-memory.ts'
import { startThread, tellThread } from '../../../base/thread.ts'
import { openLane, type LaneAnswer, type LaneData } from './lane.ts'
import type { Laid } from './spool.ts'

/** One alone sustains some 13 segments of 16 MB a second. */
const THREADS = 2

export interface Lanes extends AsyncDisposable {
  /** Rejects where there is no room. */
  fetch(segment: string): Promise<Laid | undefined>
}

/** In this thread where the entry was bundled into one file. */
export async function openLanes(data: LaneData): Promise<Lanes> {
  keepFreedMemory()
  const entry = new URL('./lane.ts', import.meta.url)
  if (!existsSync(fileURLToPath(entry))) {
    const fetch = await openLane(data)
    return { fetch, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const threads = Array.from({ length: THREADS }, () => new Thread(startThread(entry, { workerData: data })))
  let asked = 0
  return {
    fetch: (segment) => threads[asked++ % THREADS]!.fetch(segment),
    [Symbol.asyncDispose]: async () => void (await Promise.all(threads.map((one) => one.end()))),
  }
}

class Thread {
  private readonly worker: Worker
  private readonly waiting = new Map<string, PromiseWithResolvers<Laid | undefined>>()
  private dead = false

  constructor(worker: Worker) {
    this.worker = worker
    worker.on('message', (answer: LaneAnswer) => {
      const asked = this.waiting.get(answer.segment)
      this.waiting.delete(answer.segment)
      if (answer.full === undefined) asked?.resolve(answer.laid)
      else asked?.reject(new Error(answer.full))
    })
    worker.on('error', () => this.die())
    worker.on('exit', () => this.die())
  }

  private die(): void {
    this.dead = true
    for (const asked of this.waiting.values()) asked.resolve(undefined)
    this.waiting.clear()
  }

  fetch(segment: string): Promise<Laid | undefined> {
    if (this.dead) return Promise.resolve(undefined)
    this.waiting.get(segment)?.resolve(undefined)
    const asked = Promise.withResolvers<Laid | undefined>()
    this.waiting.set(segment, asked)
    tellThread(this.worker, segment)
    return asked.promise
  }

  async end(): Promise<void> {
    await this.worker.terminate()
  }
}
