// Worker threads that start quickly. A thread does not inherit the compile cache of the process: without it each thread strips and compiles all of its
// modules again, which costs more CPU than a small backup (measured: 650 against 320 ms).
import { dirname } from 'node:path'
import { getCompileCacheDir } from 'node:module'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/** A thread that runs the module at `entry`; it sees the environment of the process as it is now. */
export function startThread(entry: URL, options: Omit<WorkerOptions, 'env'>): Worker {
  const cache = getCompileCacheDir()
  if (cache === undefined) return new Worker(entry, options)
  // The folder below it is named after the version of Node: the thread finds that by itself.
  return new Worker(entry, { ...options, env: { ...process.env, NODE_COMPILE_CACHE: dirname(cache) } })
}

/** Sends a message to a thread: the one place that tells the linter that a thread is no window. */
export function tellThread(worker: Worker, message: unknown): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  worker.postMessage(message)
}
