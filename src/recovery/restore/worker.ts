// A restoring thread: fetches and verifies extents, writes them, looks at finished files. Started by pool.ts.
import { freeNow } from '../../base/freed-memory.ts'
import { sendError } from '../../base/sent-error.ts'
import { parentPort, workerData } from 'node:worker_threads'

import { BLOCK_BYTES } from '../../wal/contract.ts'
import type { ExtentReader } from '../../repository/contract.ts'
import { openExtentReader } from '../../repository/workers.ts'
import type { FromWorker, SettleTask, Task, ToWorker, VerifyTask, WorkerStart, WriteTask } from './messages.ts'
import { authenticate } from '../validate/authenticate.ts'
import { settleFile, verifyFile } from './settle.ts'
import { directMode, OpenFiles, type DirectMode } from './file-io.ts'
import { writeExtent } from './write-extents.ts'

class Stopped extends Error {}

interface Tools {
  readonly reader: ExtentReader | undefined
  readonly buffer: Buffer
  readonly backup: string
  readonly direct: DirectMode
  throwIfStopped(): void
  count(index: 0 | 1 | 2, bytes: number): void
}

async function write(task: WriteTask, tools: Tools): Promise<void> {
  const wanted = task.items.map((item) => ({ ref: item.ref, file: task.targets[item.target]!.file }))
  using files = new OpenFiles(tools.direct)
  let next = 0
  // Aborting is by the stop flag: a thread that decompresses would not hear a message.
  for await (const { plain, blocks } of tools.reader!.read(task.pack, wanted, new AbortController().signal)) {
    tools.throwIfStopped()
    // Extents come in the order asked.
    const item = task.items[next++]!
    const counts = writeExtent(files, task.targets[item.target]!, { item, plain, blocks, backup: tools.backup })
    freeNow(plain)
    tools.count(0, counts.written + counts.holes + counts.same)
    tools.count(1, counts.holes)
    tools.count(2, counts.written)
  }
}

function settle(task: SettleTask, tools: Tools): void {
  for (const one of task.files) {
    tools.throwIfStopped()
    settleFile(one, { ...tools, durable: task.durable })
  }
}

function verify(task: VerifyTask, tools: Tools): readonly string[] {
  const onRead = (bytes: number): void => {
    tools.throwIfStopped()
    tools.count(0, bytes)
  }
  return task.files.flatMap((one) => verifyFile(one, { buffer: tools.buffer, checksums: task.checksums, onRead }))
}

async function perform(task: Task, tools: Tools): Promise<readonly string[]> {
  if (task.type === 'verify') return verify(task, tools)
  if (task.type === 'authenticate') return await authenticate(task, { ...tools, reader: tools.reader! })
  if (task.type === 'settle') settle(task, tools)
  else await write(task, tools)
  return []
}

async function work(port: NonNullable<typeof parentPort>, start: WorkerStart): Promise<void> {
  const send = (message: FromWorker): void => port.postMessage(message)
  const stop = new Int32Array(start.stop)
  const counters = new BigUint64Array(start.counters)
  const tools: Tools = {
    reader: start.seed === undefined ? undefined : await openExtentReader(start.seed),
    buffer: Buffer.allocUnsafeSlow(128 * BLOCK_BYTES),
    backup: start.backup,
    direct: directMode(start.direct === true),
    throwIfStopped: () => {
      if (Atomics.load(stop, 0) !== 0) throw new Stopped('stopped')
    },
    count: (index, bytes) => Atomics.add(counters, index, BigInt(bytes)),
  }
  // Tasks are worked on one after the other, whenever they arrive.
  let queue = Promise.resolve()
  port.on('message', ({ id, task }: ToWorker) => {
    queue = queue.then(async () => {
      try {
        send({ type: 'done', id, findings: await perform(task, tools) })
      } catch (error) {
        if (!(error instanceof Stopped)) send({ type: 'failed', error: sendError(error) })
      }
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
