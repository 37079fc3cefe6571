// Speed of sealing extents into packs: `npm run bench -- pack [--plain-mb 512] [--workers 1]`. Pages look like those of a warehouse: about 3:1.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

import { systemClock } from '../src/base/clock.ts'
import { seededRandom } from '../src/base/random.ts'
import type { ExtentRef, PackWriterSeed } from '../src/repository/contract.ts'
import { initRepository, openRepository } from '../src/repository/open.ts'
import { openStore } from '../src/repository/stores.ts'
import type { Unlock } from '../src/repository/unlock.ts'
import { openExtentReader, openPackWriter } from '../src/repository/workers.ts'

const MIB = 1 << 20
const EXTENT_BYTES = MIB
const signal = new AbortController().signal

/** Heap pages with rows of a number, a key, a name and a random amount. */
function samplePages(seed: number): Buffer {
  const random = seededRandom(seed)
  const bytes = Buffer.alloc(8 * EXTENT_BYTES)
  for (let page = 0; page < bytes.length; page += 8192) {
    for (let at = 8192 - 72; at >= 400; at -= 72) {
      bytes.writeUInt32LE(page + at, page + at)
      bytes.writeUInt32LE(0x0008_0902, page + at + 20)
      bytes.writeUInt32LE(random.integer(5_000_000), page + at + 24)
      bytes.writeUInt32LE(random.integer(40_000), page + at + 28)
      bytes.write(`item ${random.integer(2000)}`, page + at + 32, 'latin1')
      bytes.writeDoubleLE(random.integer(100_000) / 100, page + at + 48)
      bytes.writeUInt32LE(random.integer(0x1_0000_0000), page + at + 60)
    }
  }
  return bytes
}

const blocks = Uint32Array.from({ length: 128 }, (_, at) => at)

async function seal(
  seed: PackWriterSeed,
  extents: number,
): Promise<{ seconds: number; stored: number; refs: ExtentRef[] }> {
  const pages = samplePages(1)
  const writer = await openPackWriter(seed)
  const started = systemClock.monotonic()
  const refs: ExtentRef[] = []
  for (let at = 0; at < extents; at++) {
    const offset = (at % 8) * EXTENT_BYTES
    refs.push(
      await writer.append({ file: 'base/5/16384', blocks, plain: pages.subarray(offset, offset + EXTENT_BYTES) }),
    )
  }
  const { packs } = await writer.finish()
  const seconds = (systemClock.monotonic() - started) / 1000
  return { seconds, stored: packs.reduce((sum, pack) => sum + pack.bytes, 0), refs }
}

async function read(seed: PackWriterSeed, refs: readonly ExtentRef[]): Promise<number> {
  const reader = await openExtentReader(seed)
  const started = systemClock.monotonic()
  for (const [pack, some] of Map.groupBy(refs, (ref) => ref.pack)) {
    for await (const one of reader.read(
      pack,
      some.map((ref) => ({ ref, file: 'base/5/16384' })),
      signal,
    ))
      void one
  }
  return (systemClock.monotonic() - started) / 1000
}

async function inWorker(seed: PackWriterSeed, extents: number): Promise<Awaited<ReturnType<typeof seal>>> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { seed, extents } })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

async function measure(unlock: Unlock, options: { extents: number; workers: number }): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-bench-pack-'))
  try {
    const store = await openStore({ kind: 'file', path })
    await initRepository({ store, unlock, signal })
    const repository = await openRepository({
      name: 'bench',
      store,
      unlock,
      clock: systemClock,
      holder: 'bench',
      signal,
    })
    const share = Math.ceil(options.extents / options.workers)
    const started = systemClock.monotonic()
    const all = await Promise.all(Array.from({ length: options.workers }, () => inWorker(repository.readerSeed, share)))
    const wall = (systemClock.monotonic() - started) / 1000
    const megabytes = share * options.workers
    const stored = all.reduce((sum, one) => sum + one.stored, 0)
    const perWorker = all.map((one) => (share / one.seconds).toFixed(0)).join(', ')
    console.log(
      `${unlock.by === 'none' ? 'not sealed' : 'sealed'}: ${(megabytes / wall).toFixed(0)} MB/s with ${options.workers} workers (each ${perWorker}), ratio ${((megabytes * MIB) / stored).toFixed(2)}`,
    )
    const refs = all.flatMap((one) => one.refs)
    console.log(`  read back by one thread: ${(megabytes / (await read(repository.readerSeed, refs))).toFixed(0)} MB/s`)
    await repository.close()
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

if (isMainThread) {
  const { values } = parseArgs({
    options: { 'plain-mb': { type: 'string', default: '512' }, workers: { type: 'string', default: '1' } },
  })
  const options = { extents: Number(values['plain-mb']), workers: Number(values.workers) }
  await measure({ by: 'passphrase', passphrase: 'bench', scryptCost: 1024 }, options)
  await measure({ by: 'none' }, options)
} else {
  const { seed, extents } = workerData as { seed: PackWriterSeed; extents: number }
  const port = parentPort!
  const message = await seal(seed, extents)
  port.postMessage(message)
}
