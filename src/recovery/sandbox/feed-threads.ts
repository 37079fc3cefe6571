// The threads that fetch WAL for a sandbox, seen from the main thread. They start while the files of the sandbox come, so that its server need not wait for them.
import { receiveError } from '../../base/sent-error.ts'
import { startThread, tellThread } from '../../base/thread.ts'
import type { Worker } from 'node:worker_threads'

import type { FeedAnswer, FeedOrder, FeedThreadData } from './wal-feed-thread.ts'

/** What a thread has done: `there` is false where the repository has nothing of it. */
export type Fetched = Omit<FeedAnswer, 'error'> & { readonly error: Error | undefined }

export class FeedThreads implements AsyncDisposable {
  /** Rejects when a thread dies. */
  readonly died: Promise<never>
  onFetched: (fetched: Fetched) => void = () => {}
  private readonly threads: readonly Worker[]
  private orders = 0

  constructor(data: FeedThreadData, count: number) {
    const { promise, reject } = Promise.withResolvers<never>()
    this.died = promise
    promise.catch(() => {})
    // Sources run as they are in development; compiled they have another ending, which tsc does not rewrite here.
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const entry = new URL(`./wal-feed-thread.${ending}`, import.meta.url)
    this.threads = Array.from({ length: count }, () => {
      const thread = startThread(entry, { workerData: data })
      thread.on('message', ({ error, ...answer }: FeedAnswer) =>
        this.onFetched({ ...answer, error: error && receiveError(error) }),
      )
      thread.on('error', reject)
      thread.on('exit', (code) => reject(new Error(`a thread that fetches WAL ended with exit code ${code}`)))
      return thread
    })
  }

  get count(): number {
    return this.threads.length
  }

  order(order: FeedOrder): void {
    tellThread(this.threads[this.orders++ % this.threads.length]!, order)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.threads.map((one) => one.terminate()))
  }
}
