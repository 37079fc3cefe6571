// One backup as a stream: into an empty place, into another repository, and refused whatever is wrong with it, leaving the target as it was.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import type { Progress } from '../../src/base/operation.ts'
import { seededRandom } from '../../src/base/random.ts'
import { exportBackup } from '../../src/repository/export/export.ts'
import { importBackup, type Imported } from '../../src/repository/export/import.ts'
import { readFrames, STREAM_HEAD } from '../../src/repository/export/stream.ts'
import { initRepository } from '../../src/repository/open.ts'
import { openStore } from '../../src/repository/stores.ts'
import type { Unlock } from '../../src/repository/unlock.ts'
import { check } from './flip.ts'
import { buildWorld, openWorld, readAll, type World } from './world.ts'

const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))
const signal = new AbortController().signal
const other: Unlock = { by: 'passphrase', passphrase: 'other', scryptCost: 1024 }
let folder: string
let world: World
let id: string
let stream: Buffer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wharf-export-'))
  world = await buildWorld(join(folder, 'one'), { encrypted: true, seed: 1 })
  id = [...world.manifests.keys()].at(-1)!
  stream = await exported(world, id)
})
after(() => rm(folder, { recursive: true, force: true }))

async function exported(of: World, backup: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  const repository = await openWorld(of)
  const sink = (bytes: Buffer): Promise<void> => Promise.resolve(void pieces.push(Buffer.from(bytes)))
  const done = await exportBackup({ repository, id: backup, sink, signal })
  await repository.close()
  const all = Buffer.concat(pieces)
  assert.deepEqual([done.backup, done.bytes], [backup, all.length])
  return all
}

async function emptyPlace(): Promise<string> {
  return await mkdtemp(join(folder, 'target-'))
}

async function imported(
  bytes: Buffer,
  path: string,
  how: { unlock?: Unlock; signal?: AbortSignal; report?: (event: Progress) => void } = {},
): Promise<Imported> {
  return await importBackup({
    // Pieces of odd sizes, as a pipe gives them.
    source: (async function* () {
      await Promise.resolve()
      for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001)
    })(),
    staging: `${path}-staging`,
    target: await openStore({ kind: 'file', path }),
    unlock: how.unlock ?? world.unlock,
    exportUnlock: world.unlock,
    clock: systemClock,
    holder: 'test',
    signal: how.signal ?? signal,
    ...(how.report ? { report: how.report } : {}),
  })
}

/** Everything of that backup reads as it was at the source, and check finds nothing. */
async function assertHolds(path: string, unlock: Unlock): Promise<void> {
  const repository = await openWorld({ path, unlock })
  const manifest = await repository.readManifest(id, signal)
  await repository.close()
  const alone = {
    ...world,
    path,
    unlock,
    backups: new Map([[id, world.backups.get(id)!]]),
    manifests: new Map([[id, manifest]]),
    wal: new Map([...world.wal].slice(0, 1)),
  }
  assert.deepEqual(await readAll(alone), [])
  const { findings, backups } = await check(alone)
  assert.deepEqual([findings, backups], [[], 1])
}

test('into an empty place: a repository with the same keys that holds that backup alone', async () => {
  const path = await emptyPlace()
  const done = await imported(stream, path)
  assert.deepEqual([done.backup, done.warehouse, done.into], [id, 'dw', 'new'])
  await assertHolds(path, world.unlock)
  // The same stream again adds nothing.
  const again = await imported(stream, path)
  assert.deepEqual([again.into, again.objects], ['same', 0])
})

test('into another repository: sealed anew with its key', async () => {
  const path = await emptyPlace()
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: other, signal })
  assert.equal((await imported(stream, path, { unlock: other })).into, 'other')
  await assertHolds(path, other)
})

test('one without encryption goes the same way', async () => {
  const plain = await buildWorld(join(folder, 'plain'), { encrypted: false, seed: 2 })
  const bytes = await exported(plain, [...plain.manifests.keys()][0]!)
  const path = await emptyPlace()
  await importBackup({
    source: (async function* () {
      await Promise.resolve()
      yield bytes
    })(),
    staging: `${path}-staging`,
    target: await openStore({ kind: 'file', path }),
    unlock: plain.unlock,
    exportUnlock: plain.unlock,
    clock: systemClock,
    holder: 'test',
    signal,
  })
  assert.equal((await check({ ...plain, path })).backups, 1)
})

test('interrupted while it is stored there is no backup yet; run again it is whole', async () => {
  const path = await emptyPlace()
  const stop = new AbortController()
  const report = (event: Progress): void => {
    if (event.phase === 'storing' && event.done! > event.total! / 3) stop.abort()
  }
  await assert.rejects(imported(stream, path, { signal: stop.signal, report }), { name: 'AbortError' })
  assert.ok((await objects(path)).length > 0)
  assert.equal(
    await openStore({ kind: 'file', path }).then((store) => store.stat(`manifests/dw/${id}`, { signal })),
    undefined,
  )
  assert.equal((await imported(stream, path)).into, 'new')
  await assertHolds(path, world.unlock)
})

async function objects(path: string): Promise<string[]> {
  const names = await readdir(path, { recursive: true, withFileTypes: true })
  return names.filter((one) => one.isFile()).map((one) => one.name)
}

/** Where each object lies in the stream, its frame with head and digest. */
async function framesOf(bytes: Buffer): Promise<{ name: string; from: number; to: number }[]> {
  const found: { name: string; from: number; to: number }[] = []
  let at = STREAM_HEAD.length
  const source = (async function* () {
    await Promise.resolve()
    yield bytes
  })()
  for await (const frame of readFrames(source)) {
    for await (const _ of frame.content);
    const to = at + 2 + frame.name.length + 8 + frame.bytes + 32
    found.push({ name: frame.name, from: at, to })
    at = to
  }
  assert.equal(at, bytes.length)
  return found
}

const codes = ['repository.bad-export', 'repository.wrong-key', 'repository.damaged-object']

async function assertRefused(bytes: Buffer, what: string): Promise<void> {
  const path = await emptyPlace()
  await assert.rejects(
    imported(bytes, path),
    (error) => isWharfError(error) && codes.includes(error.code),
    `${what}, seed ${seed}`,
  )
  assert.deepEqual([await objects(path), await readdir(`${path}-staging`).catch(() => 'gone')], [[], 'gone'], what)
  await rm(path, { recursive: true })
}

test('cut anywhere, or with any byte flipped, it is refused and nothing is left of it', async () => {
  const random = seededRandom(seed)
  for (let round = 0; round < 12; round++) {
    const length = random.integer(stream.length)
    await assertRefused(stream.subarray(0, length), `cut to ${length} bytes`)
    const flipped = Buffer.from(stream)
    const at = random.integer(stream.length)
    flipped[at]! ^= 1 << random.integer(8)
    await assertRefused(flipped, `byte ${at} flipped`)
  }
  await assertRefused(Buffer.alloc(0), 'nothing')
  await assertRefused(stream.subarray(0, -1), 'the last byte is missing')
  await assertRefused(Buffer.concat([stream, Buffer.from([0])]), 'one byte more')
})

test('whoever knows the format, but not the key, can leave nothing out, add nothing and exchange nothing', async () => {
  const frames = await framesOf(stream)
  const cut = (name: string): Buffer => {
    const { from, to } = frames.find((one) => one.name.startsWith(name))!
    return stream.subarray(from, to)
  }
  const tail = frames.at(-1)!
  assert.equal(tail.name, 'contents')
  await assertRefused(stream.subarray(0, tail.from), 'without its contents')
  const wal = cut('wal/')
  const without = Buffer.concat([
    stream.subarray(0, stream.indexOf(wal)),
    stream.subarray(stream.indexOf(wal) + wal.length),
  ])
  await assertRefused(await rehashed(without), 'a chunk of WAL left out, sums made anew')
  // Another backup of the same repository under the contents of this one.
  const first = await exported(world, [...world.manifests.keys()][0]!)
  const mixed = Buffer.concat([first.subarray(0, (await framesOf(first)).at(-1)!.from), stream.subarray(tail.from)])
  await assertRefused(await rehashed(mixed), 'the contents of another stream')
})

/** The sums of a stream that was put together by hand. */
async function rehashed(bytes: Buffer): Promise<Buffer> {
  const { FrameWriter } = await import('../../src/repository/export/stream.ts')
  const pieces: Buffer[] = []
  const writer = await FrameWriter.begin((piece) => Promise.resolve(void pieces.push(Buffer.from(piece))))
  for (let at = STREAM_HEAD.length; at < bytes.length;) {
    const nameBytes = bytes.readUInt16LE(at)
    const size = Number(bytes.readBigUInt64LE(at + 2 + nameBytes))
    const from = at + 2 + nameBytes + 8
    await writer.object(
      bytes.toString('latin1', at + 2, at + 2 + nameBytes),
      size,
      one(bytes.subarray(from, from + size)),
    )
    at = from + size + 32
  }
  return Buffer.concat(pieces)
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  await Promise.resolve()
  yield bytes
}

test('a place that holds something else is left alone', async () => {
  const path = await emptyPlace()
  await mkdir(join(path, 'packs', 'ab'), { recursive: true })
  const store = await openStore({ kind: 'file', path })
  await store.put('packs/ab/strange', [Buffer.from('x')], { signal })
  await assert.rejects(imported(stream, path), { code: 'repository.not-empty' })
  assert.deepEqual(await objects(path), ['strange'])
})
