// Packs of an interrupted backup that a later one goes on with (doc/design/repository-format.md section 7c), beside expiry and trimming.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { BackupWriter, ExtentRef, Manifest, ObjectStore, Repository } from '../../src/repository/contract.ts'
import type { PackExtent } from '../../src/repository/progress-contract.ts'
import { BLOCK_BYTES } from '../../src/wal/contract.ts'
import { storeSegment, SYSTEM } from '../corruption/world.ts'
import { GRACE, HOUR, PruneWorld, signal } from './world.ts'

const FILE = 'base/5/16401'
const EXTENT_BLOCKS = 8

/** Stores the file, notes it, and is gone. Ids of its packs. */
async function interrupt(world: PruneWorld): Promise<readonly string[]> {
  const backup = await (await world.repository()).beginBackup({ warehouse: 'dw', signal })
  const writer = await backup.openPackWriter()
  await storeSegment(writer, FILE, world.cluster.segments.get(FILE)!)
  const packs = (await writer.finish()).packs.map(({ id }) => id)
  const facts = { systemIdentifier: SYSTEM, timeline: 1, startLsn: 0x100_0028n, catalogVersion: 202_506_291 }
  await backup.noteProgress({ ...facts, dataChecksums: true, packs }, signal)
  await backup.abandon()
  return packs
}

interface GoingOn {
  readonly backup: BackupWriter
  /** What there is to go on with, of the file. */
  readonly found: readonly PackExtent[]
}

async function begin(repository: Repository): Promise<GoingOn> {
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  const packs = (await repository.listInterrupted('dw', signal)).flatMap((one) => one.packs)
  const found = await Promise.all(packs.map((pack) => repository.readPackExtents(pack, signal)))
  return { backup, found: found.flat().filter(({ file }) => file === FILE) }
}

/** The backup before it, with the file as it is now: from the chosen extents of what was found, and stored anew where there is none. */
async function finish(
  world: PruneWorld,
  { backup, found }: GoingOn,
  from: { before: Manifest; choose: (block: number) => boolean; meanwhile?: () => Promise<unknown> },
): Promise<Manifest> {
  const bytes = world.cluster.segments.get(FILE)!
  const blockCount = bytes.length / BLOCK_BYTES
  const writer = await backup.openPackWriter()
  const extents: ExtentRef[] = []
  const runs = []
  const adopted = new Set<string>()
  for (let block = 0; block < blockCount; block += EXTENT_BLOCKS) {
    const count = Math.min(EXTENT_BLOCKS, blockCount - block)
    const there = from.choose(block) ? found.find((one) => one.blocks[0] === block) : undefined
    runs.push({ block, count, extent: extents.length, place: 0 })
    if (there) adopted.add(there.ref.pack)
    const plain = bytes.subarray(block * BLOCK_BYTES, (block + count) * BLOCK_BYTES)
    const blocks = Uint32Array.from({ length: count }, (_, at) => block + at)
    extents.push(there?.ref ?? (await writer.append({ file: FILE, blocks, plain })))
  }
  await backup.adoptPacks([...adopted], signal)
  const { packs } = await writer.finish()
  const [map] = await backup.writeMaps([{ file: FILE, blockCount, extents, runs }], packs, signal)
  const files = from.before.files.map((file) =>
    file.kind === 'segment' && file.path === FILE ? { ...file, map: map!, storedBy: backup.id } : file,
  )
  const all = new Set([...from.before.packs, ...packs.map(({ id }) => id), ...adopted])
  const manifest = { ...from.before, id: backup.id, parent: from.before.id, files, packs: [...all].sort() }
  await from.meanwhile?.()
  await backup.commit(manifest, signal)
  const { truth } = world.taken.get(from.before.id)!
  world.taken.set(backup.id, { manifest, truth: new Map([...truth, [FILE, Buffer.from(bytes)]]) })
  return manifest
}

const changeFile = (world: PruneWorld): void =>
  void world.random.bytes(20 * BLOCK_BYTES).copy(world.cluster.segments.get(FILE)!, BLOCK_BYTES)

/** A store whose notes cannot be removed: a host without delete rights. */
const keepsNotes = (store: ObjectStore): ObjectStore =>
  new Proxy(store, {
    get: (target, key) => {
      if (key === 'remove')
        return (name: string, options: Parameters<ObjectStore['remove']>[1]) =>
          name.startsWith('progress/') ? Promise.reject(new Error('not allowed')) : target.remove(name, options)
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })

async function expireOn(world: PruneWorld): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const repository = await world.repository()
    await world.mark(repository, [])
    await world.trim(repository)
    world.clock.nowMs += GRACE + HOUR
    await world.sweep(repository)
  }
}

for (const when of ['before', 'after'] as const)
  test(`what was trimmed away of a pack is not gone on with, though its note is still there (sweep ${when} the manifest)`, async () => {
    await using world = await PruneWorld.open()
    const first = await world.take(await world.repository())
    changeFile(world)
    const interrupted = await interrupt(world)
    const repository = await world.repository(keepsNotes)
    const second = await finish(world, await begin(repository), { before: first, choose: (block) => block >= 16 })
    assert.ok(second.packs.some((pack) => interrupted.includes(pack)))
    world.clock.nowMs += HOUR
    await world.trim(await world.repository())
    const trimmed = (await world.names('trimmed/')).map((name) => name.split('/')[2]!)
    assert.ok(
      trimmed.some((pack) => interrupted.includes(pack)),
      'of what it had stored a part is trimmed away',
    )
    world.clock.nowMs += GRACE + HOUR
    const going = await begin(repository)
    assert.ok((await world.names('progress/')).length > 0)
    const meanwhile = async () => when === 'before' && (await world.sweep(await world.repository()))
    const third = await finish(world, going, { before: second, choose: () => true, meanwhile })
    await world.sweep(await world.repository())
    await world.assertKept([first, second, third])
    await expireOn(world)
    await world.assertKept([first, second, third])
  })

test('a backup goes on with packs that expiry takes for garbage meanwhile; they stay, less what it did not use', async () => {
  await using world = await PruneWorld.open()
  const first = await world.take(await world.repository())
  changeFile(world)
  const interrupted = await interrupt(world)
  world.clock.nowMs += GRACE + HOUR
  const repository = await world.repository()
  const going = await begin(repository)
  const { garbage } = await world.mark(repository, [])
  assert.equal(garbage, interrupted.length)
  const second = await finish(world, going, { before: first, choose: (block) => block >= 16 })
  await world.assertKept([first, second])
  await expireOn(world)
  await world.assertKept([first, second])
  const trimmed = (await world.names('trimmed/')).map((name) => name.split('/')[2]!)
  assert.ok(trimmed.some((pack) => interrupted.includes(pack)))
  assert.deepEqual(await world.names('progress/'), [])
})
