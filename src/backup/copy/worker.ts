// A copying thread: takes batches, reads, verifies and seals them with its own pack writer. Started by pool.ts.
import { parentPort, workerData } from 'node:worker_threads'

import { systemClock } from '../../base/clock.ts'
import { MIB } from '../../base/units.ts'
import type { PackWriter } from '../../repository/contract.ts'
import { openPackWriter } from '../../repository/packs.ts'
import { copyPlain } from './copy-plain.ts'
import { copySegment, type CopyTools } from './copy-segment.ts'
import type { CopyItem, CopyResult, FromWorker, ToWorker, WorkerStart } from './messages.ts'
import { sendError } from './sent-error.ts'

class Stopped extends Error {}

function makeTools(start: WorkerStart, writer: PackWriter): CopyTools {
  const stop = new Int32Array(start.stop)
  const bytesRead = new BigUint64Array(start.bytesRead)
  return {
    directory: start.directory,
    checksums: start.checksums,
    writer,
    clock: systemClock,
    buffer: Buffer.allocUnsafeSlow(MIB),
    onRead: (bytes) => Atomics.add(bytesRead, 0, BigInt(bytes)),
    throwIfStopped: () => {
      if (Atomics.load(stop, 0) !== 0) throw new Stopped('stopped')
    },
  }
}

async function copyAll(items: readonly CopyItem[], tools: CopyTools): Promise<readonly CopyResult[]> {
  const results: CopyResult[] = []
  for (const item of items) {
    tools.throwIfStopped()
    results.push(item.kind === 'segment' ? await copySegment(item, tools) : await copyPlain(item, tools))
  }
  return results
}

async function work(port: NonNullable<typeof parentPort>, start: WorkerStart): Promise<void> {
  const send = (message: FromWorker): void => port.postMessage(message)
  const writer = await openPackWriter(start.seed)
  const tools = makeTools(start, writer)
  // Batches are worked on one after the other, whenever they arrive.
  let queue = Promise.resolve()
  const handle = async (message: ToWorker): Promise<void> => {
    if (message.type === 'copy') send({ type: 'copied', batch: message.batch, results: await copyAll(message.items, tools) })
    else if (message.type === 'finish') send({ type: 'finished', packs: (await writer.finish()).packs })
    else {
      await writer.abandon()
      send({ type: 'abandoned' })
    }
  }
  port.on('message', (message: ToWorker) => {
    queue = queue.then(() => handle(message)).catch((error: unknown) => {
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
