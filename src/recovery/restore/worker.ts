// A restoring thread: fetches and verifies extents, writes them, looks at finished files. Started by pool.ts.
import { freeNow } from '../../base/freed-memory.ts'
import { sendError } from '../../base/sent-error.ts'
import { parentPort, workerData } from 'node:worker_threads'

import { BLOCK_BYTES } from '../../wal/contract.ts'
import type { ExtentRead, ExtentReader } from '../../repository/contract.ts'
import { openExtentReader } from '../../repository/workers.ts'
import type { FromWorker, SettleTask, Task, ToWorker, VerifyTask, WorkerStart, WriteTask } from './messages.ts'
import { authenticate } from '../validate/authenticate.ts'
import { settleFile, verifyFile } from './settle.ts'
import { directMode, OpenFiles, type DirectMode } from './file-io.ts'
import { ReadAhead } from './read-ahead.ts'
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

/** A task whose first extent is on its way, and what is there where its first ones go. */
interface BegunWrite {
  readonly task: WriteTask
  readonly files: OpenFiles
  readonly reads: ReadAhead
  readonly extents: AsyncIterator<ExtentRead>
  readonly first: Promise<IteratorResult<ExtentRead>>
}

/** Called as soon as a task is known, so that what it needs comes while the one before it is decompressed: a task is about one read of the store. */
function begin(task: WriteTask, tools: Tools): BegunWrite {
  const wanted = task.items.map((item) => ({ ref: item.ref, file: task.targets[item.target]!.file }))
  // Aborting is by the stop flag: a thread that decompresses would not hear a message.
  const extents = tools.reader!.read(task.pack, wanted, new AbortController().signal)[Symbol.asyncIterator]()
  const first = extents.next()
  first.catch(() => undefined)
  const files = new OpenFiles(tools.direct)
  return { task, files, reads: new ReadAhead(task, files), extents, first }
}

/** Resolves when all was given to the disk; what it resolves to when the disk has it. */
async function write(begun: BegunWrite, tools: Tools): Promise<{ readonly settled: Promise<void> }> {
  const { files } = begun
  try {
    await writeItems(begun, tools)
  } catch (error) {
    await files[Symbol.asyncDispose]()
    throw error
  }
  return { settled: settled(files) }
}

async function settled(files: OpenFiles): Promise<void> {
  await using _closed = files
  await files.settled()
}

async function writeItems({ task, files, extents, first, ...begun }: BegunWrite, tools: Tools): Promise<void> {
  await using reads = begun.reads
  let next = 0
  for (let one = await first; one.done !== true; one = await extents.next()) {
    tools.throwIfStopped()
    const { plain, blocks } = one.value
    // Extents come in the order asked.
    const item = task.items[next]!
    const ahead = await reads.take(next++)
    const parts = { item, plain, blocks, backup: tools.backup, ahead }
    const counts = await writeExtent(files, task.targets[item.target]!, parts)
    ahead?.give()
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

interface Performed {
  readonly findings: readonly string[]
  /** When the task is done; the next one may begin before. */
  readonly settled: Promise<void>
}

async function perform(task: Exclude<Task, WriteTask> | BegunWrite, tools: Tools): Promise<Performed> {
  if ('extents' in task) return { findings: [], ...(await write(task, tools)) }
  if (task.type === 'settle') settle(task, tools)
  const findings =
    task.type === 'verify'
      ? verify(task, tools)
      : task.type === 'authenticate'
        ? await authenticate(task, { ...tools, reader: tools.reader! })
        : []
  return { findings, settled: Promise.resolve() }
}

async function work(port: NonNullable<typeof parentPort>, start: WorkerStart): Promise<void> {
  const send = (message: FromWorker): void => port.postMessage(message)
  const stop = new Int32Array(start.stop)
  const counters = new BigUint64Array(start.counters)
  const tools: Tools = {
    reader:
      start.seed === undefined ? undefined : await openExtentReader(start.seed, { direct: start.direct === true }),
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
  const failed = (error: unknown): void => {
    if (!(error instanceof Stopped)) send({ type: 'failed', error: sendError(error) })
  }
  port.on('message', ({ id, task }: ToWorker) => {
    const ready = task.type === 'write' ? begin(task, tools) : task
    queue = queue.then(async () => {
      try {
        const { findings, settled } = await perform(ready, tools)
        settled.then(() => send({ type: 'done', id, findings }), failed)
      } catch (error) {
        failed(error)
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
