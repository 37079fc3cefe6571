// A copying thread: takes batches, reads, verifies and seals them with its own pack writer. Started by pool.ts.
import { platform, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'

import { systemClock } from '../../base/clock.ts'
import { MIB } from '../../base/units.ts'
import { sendError } from '../../base/sent-error.ts'
import type { ExtentReader, PackWriter } from '../../repository/contract.ts'
import { openExtentReader, openPackWriter } from '../../repository/workers.ts'
import { openReading } from '../source/reading.ts'
import { Bucket } from '../throttle/bucket.ts'
import { copyGiven, copyPlain } from './copy-plain.ts'
import { copySegment } from './copy-segment.ts'
import type { CopyItem, CopyResult, FromWorker, ToWorker, WorkerStart } from './messages.ts'
import { readStored, type StoredTools } from './read-stored.ts'

class Stopped extends Error {}

/** The pack writer has at most one extent queued beyond the one it is given. */
const BUFFERS = 3

/** Who waits for a turn looks this often whether everything must stop. */
const PATIENCE_MS = 100
/** Behind everything of the usual priority. Linux keeps it for each thread (0 means the calling one), and the schedulers of its disks that know priorities follow it. */
const LOW = 10

function lowerPriority(): void {
  // Elsewhere it would be the whole process, which also receives WAL.
  if (platform() === 'linux') setPriority(0, LOW)
}

function makeTools(start: WorkerStart, writer: PackWriter): StoredTools {
  const stop = new Int32Array(start.stop)
  const bytesRead = new BigUint64Array(start.bytesRead)
  const bytesAudited = new BigUint64Array(start.bytesAudited)
  let reader: Promise<ExtentReader> | undefined
  const buffers = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(MIB))
  const bucket = start.throttle.bucket && new Bucket(start.throttle.bucket)
  const throwIfStopped = (): void => {
    if (Atomics.load(stop, 0) !== 0) throw new Stopped('stopped')
  }
  let turn = 0
  return {
    source: openReading(start.source),
    checksums: start.checksums,
    writer,
    clock: systemClock,
    nextBuffer: () => buffers[turn++ % buffers.length]!,
    onRead: (bytes) => Atomics.add(bytesRead, 0, BigInt(bytes)),
    reader: () => (reader ??= openExtentReader(start.seed)),
    onAudited: (bytes) => Atomics.add(bytesAudited, 0, BigInt(bytes)),
    throwIfStopped,
    pace: async (bytes) => {
      let wait = bucket?.take(bytes, systemClock.monotonic()) ?? 0
      for (; wait > 0; wait -= PATIENCE_MS) {
        await systemClock.sleep(Math.min(wait, PATIENCE_MS))
        throwIfStopped()
      }
    },
  }
}

async function copyAll(items: readonly CopyItem[], tools: StoredTools): Promise<readonly CopyResult[]> {
  const results: CopyResult[] = []
  for (const item of items) {
    tools.throwIfStopped()
    results.push(await copyOne(item, tools))
  }
  return results
}

function copyOne(item: CopyItem, tools: StoredTools): Promise<CopyResult> {
  if (item.kind === 'stored') return readStored(item, tools)
  if (item.kind === 'segment') return copySegment(item, tools)
  return item.kind === 'plain' ? copyPlain(item, tools) : copyGiven(item, tools)
}

async function work(port: NonNullable<typeof parentPort>, start: WorkerStart): Promise<void> {
  const send = (message: FromWorker): void => port.postMessage(message)
  if (start.throttle.lowPriority) lowerPriority()
  const writer = await openPackWriter(start.seed, { onEnded: (pack) => send({ type: 'packed', pack }) })
  const tools = makeTools(start, writer)
  // Batches are worked on one after the other, whenever they arrive.
  let queue = Promise.resolve()
  const handle = async (message: ToWorker): Promise<void> => {
    if (message.type === 'copy')
      send({ type: 'copied', batch: message.batch, results: await copyAll(message.items, tools) })
    else if (message.type === 'finish') {
      const { packs } = await writer.finish()
      await tools.source[Symbol.asyncDispose]()
      send({ type: 'finished', packs })
    } else {
      await writer.abandon()
      await tools.source[Symbol.asyncDispose]()
      send({ type: 'abandoned' })
    }
  }
  port.on('message', (message: ToWorker) => {
    queue = queue
      .then(() => handle(message))
      .catch((error: unknown) => {
        if (!(error instanceof Stopped)) send({ type: 'failed', error: sendError(error) })
      })
  })
  send({ type: 'ready' })
}

if (parentPort) {
  const port = parentPort
  work(port, workerData as WorkerStart).catch((error: unknown) => {
    port.postMessage({ type: 'failed', error: sendError(error) } satisfies FromWorker)
  })
}
