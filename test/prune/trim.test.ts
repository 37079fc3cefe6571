// Compaction: packs lose what no backup names any more; every reference stays good.
import assert from 'node:assert/strict'
import { readFile as readBytes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { checkRepository } from '../../src/repository/check/check.ts'
import { copyBackup } from '../../src/repository/copy.ts'
import type { Manifest, Repository } from '../../src/repository/contract.ts'
import { healFindings } from '../../src/repository/heal/heal.ts'
import { liveShare } from '../../src/repository/prune/live.ts'
import { StoredRepository } from '../../src/repository/stored.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { GRACE, HOUR, PruneWorld, signal } from './world.ts'

/** Expiry as it runs, until nothing is left to do. */
async function expire(world: PruneWorld, gone: readonly Manifest[]): Promise<void> {
  const repository = await world.repository()
  await world.mark(repository, gone)
  for (let round = 0; round < 3; round++) {
    world.clock.nowMs += GRACE + HOUR
    await world.sweep(repository)
    await world.trim(repository)
  }
}

async function bytesUnder(world: PruneWorld, prefixes: readonly string[]): Promise<number> {
  const store = await world.store()
  let bytes = 0
  for (const prefix of prefixes) for await (const one of store.list(prefix, { signal })) bytes += one.bytes
  return bytes
}

async function findingsOf(world: PruneWorld, depth: 'structure' | 'all'): Promise<unknown[]> {
  const { findings } = await checkRepository({ store: await world.store(), unlock: world.unlock, depth, signal })
  return [...findings]
}

for (const encrypted of [true, false])
  test(`what no backup names goes out of packs, and the rest is read as before (encrypted: ${encrypted})`, async () => {
    await using world = await PruneWorld.open({ encrypted })
    const all = await world.chain(await world.repository(), 5)
    const before = await bytesUnder(world, ['packs/'])
    // Opened before, so that what it knows of packs grows old.
    const old = await world.repository()
    await world.assertWhole(old, all[4]!.id)
    const share = async () => (await liveShare(stored(await world.repository()).readOptions(signal)))!
    const whole = await share()
    assert.equal(whole.packBytes, before)
    await expire(world, all.slice(0, 3))
    const less = await share()
    assert.equal(less.packBytes, await bytesUnder(world, ['packs/', 'trimmed/']))
    assert.ok(less.liveBytes < whole.liveBytes && less.liveBytes > less.packBytes * 0.8, JSON.stringify([whole, less]))
    const trimmed = await world.names('trimmed/')
    assert.ok(trimmed.length > 0)
    const packs = await world.names('packs/')
    for (const name of trimmed) assert.ok(!packs.includes(name.replace('trimmed/', 'packs/').slice(0, -7)), name)
    assert.ok((await bytesUnder(world, ['packs/', 'trimmed/'])) < before * 0.7)
    assert.deepEqual(await world.names('tombstones/'), [])
    await world.assertKept(all.slice(3))
    await world.assertWhole(old, all[4]!.id)
    assert.deepEqual(await findingsOf(world, 'all'), [])
    // It is a parent like any other, and goes in the end.
    const child = await world.take(await world.repository(), all[4])
    await world.assertKept([...all.slice(3), child])
    const full = await world.take(await world.repository())
    await expire(world, [...all.slice(3), child])
    await world.assertKept([full])
    assert.deepEqual(await world.names('trimmed/'), [])
  })

test('what can still be brought back stays in its packs', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 4)
  await world.mark(repository, all.slice(0, 2))
  world.clock.nowMs += GRACE - HOUR
  // Two of them are dead, and can be brought back: what they name stays in their packs.
  assert.equal((await world.trim(repository)).packs, 0)
})

test('a trimmed pack that is damaged is found, and the whole pack comes back from another repository', async () => {
  await using world = await PruneWorld.open()
  await using other = await PruneWorld.open({ seed: 2 })
  const all = await world.chain(await world.repository(), 3)
  await world.putWal(await world.repository(), 16)
  await copy(world, other, all[2]!.id)
  await expire(world, all.slice(0, 2))
  const [name] = await world.names('trimmed/')
  const path = join(world.path, name!)
  const bytes = await readBytes(path)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(path, bytes)
  const { findings } = await checkRepository({ store: await world.store(), unlock: world.unlock, depth: 'all', signal })
  assert.ok(findings.some((one) => one.object === name && one.backups?.includes(all[2]!.id)))
  const [to, from] = [stored(await world.repository()), stored(await other.repository())]
  const healed = await healFindings(findings, { to, from, signal })
  assert.deepEqual(
    healed.map((one) => one.state),
    findings.map(() => 'healed'),
  )
  assert.deepEqual(await findingsOf(world, 'all'), [])
  await world.assertKept(all.slice(2))
})

test('a trimmed repository is copied, also into one that was trimmed elsewhere', async () => {
  await using world = await PruneWorld.open()
  await using other = await PruneWorld.open({ encrypted: false })
  const all = await world.chain(await world.repository(), 5)
  await world.putWal(await world.repository(), 16)
  await copy(world, other, all[4]!.id)
  await copy(world, other, all[1]!.id)
  // Here the first ones go, there the last but one; each holds then what the other has not.
  await expire(other, [all[1]!])
  await expire(world, [all[0]!])
  assert.ok((await other.names('trimmed/')).length > 0)
  for (const one of [all[1]!, all[2]!]) await copy(world, other, one.id)
  for (const one of [all[1]!, all[2]!, all[4]!]) other.taken.set(one.id, world.taken.get(one.id)!)
  await other.assertKept([all[1]!, all[2]!, all[4]!])
  assert.deepEqual(await findingsOf(other, 'all'), [])
  await expire(other, [])
  await other.assertKept([all[1]!, all[2]!, all[4]!])
  await expire(world, all.slice(1, 3))
  await using third = await PruneWorld.open({ seed: 3 })
  await copy(world, third, all[3]!.id)
  third.taken.set(all[3]!.id, world.taken.get(all[3]!.id)!)
  await third.assertKept([all[3]!])
})

async function copy(from: PruneWorld, to: PruneWorld, id: string): Promise<void> {
  await copyBackup({ from: await from.repository(), to: await to.repository(), id, wal: 'needed', signal })
}

function stored(repository: Repository): StoredRepository {
  assert.ok(repository instanceof StoredRepository)
  return repository
}

test('a trimmed pack that was not read back, because its writer was killed, takes the place of nothing before it is', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 5)
  await world.mark(repository, all.slice(0, 2))
  world.clock.nowMs += GRACE + HOUR
  await world.sweep(repository)
  const killed = await world.repository(
    (store) =>
      new FaultyStore(store, (call, name) =>
        call === 'get' && name.startsWith('trimmed/') ? { kind: 'error', error: new Error('killed') } : undefined,
      ),
  )
  await assert.rejects(world.trim(killed), /killed/)
  const [trimmed] = await world.names('trimmed/')
  const file = join(world.path, trimmed!)
  const bytes = await readBytes(file)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  await writeFile(file, bytes)
  await world.trim(repository)
  world.clock.nowMs += GRACE + HOUR
  await world.sweep(repository)
  const original = trimmed!.replace('trimmed/', 'packs/').slice(0, -7)
  assert.ok((await world.names('packs/')).includes(original))
  for (const { id } of all.slice(2)) await world.assertWhole(repository, id)
})
