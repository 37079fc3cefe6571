// Deletion in two phases: what is promised, by the original bytes of every backup.
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { storeErrors as errors } from '../../src/repository/store-errors.ts'
import { makePruneKey, reviveBackup, unlockPruneKey } from '../../src/repository/prune.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { DAY, GRACE, HOUR, PruneWorld, signal } from './world.ts'

for (const encrypted of [true, false])
  test(`expired, unlisted, deleted after the grace period with all that only it needed (encrypted: ${encrypted})`, async () => {
    await using world = await PruneWorld.open({ encrypted })
    const repository = await world.repository()
    const all = await world.chain(repository, 4)
    const before = await world.names()
    const marked = await world.mark(repository, all.slice(0, 2))
    assert.ok(marked.objects > 6, `${marked.objects} objects`)
    await world.assertKept(all.slice(2))
    await assert.rejects(repository.readManifest(all[0]!.id, signal), (error) => {
      assert.ok(isWharfError(error, 'repository.backup-expiring'))
      const until = '2026-01-08T00:00:00.000Z'
      assert.equal(
        error.message,
        `backup ${all[0]!.id} in ${repository.store.location} has expired and is deleted after ${until}`,
      )
      assert.equal(error.hint, `bring it back while it is there with: wharf backup restore-expired ${all[0]!.id}`)
      return true
    })
    assert.deepEqual(
      (await repository.listExpiring(signal)).map((one) => one.summary.id).toSorted(),
      [all[0]!.id, all[1]!.id].toSorted(),
    )

    world.clock.nowMs += GRACE - HOUR
    assert.equal((await world.sweep(repository)).objects, 0)
    assert.deepEqual(before.filter((name) => !world.clock.times.has(name)).length, 0)
    world.clock.nowMs += HOUR
    const swept = await world.sweep(repository)
    assert.deepEqual(swept.backups.toSorted(), [all[0]!.id, all[1]!.id].toSorted())
    assert.deepEqual(swept.left, [])
    await world.assertKept(all.slice(2))
    assert.equal((await world.names('tombstones/')).length, 0)
    assert.equal((await world.names('manifests/')).length, 2)
    // Nothing is left that no manifest names, and what the first backup stored for others is still there.
    world.clock.nowMs += 10 * DAY
    assert.equal((await world.mark(repository, [])).garbage, 0)
  })

test('brought back in time it is a backup again; too late it is refused, and goes', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 3)
  const wal = [await world.putWal(repository, 40), await world.putWal(repository, 60)]
  await world.mark(repository, all.slice(0, 2), wal)
  world.clock.nowMs += GRACE - HOUR
  await reviveBackup(repository, all[0]!.id, { by: 'me', reason: 'audit', signal })
  world.clock.nowMs += HOUR - 1000
  await assert.rejects(reviveBackup(repository, all[1]!.id, { by: 'me', reason: 'audit', signal }), (error) =>
    isWharfError(error, 'repository.too-late-to-revive'),
  )
  world.clock.nowMs += 1000
  await world.sweep(repository)
  await world.assertKept([all[0]!, all[2]!])
  // Its replay begins in segment 48.
  assert.equal(await repository.wal.segment(all[0]!.systemIdentifier, '000000010000000000000028', signal), undefined)
  assert.ok(await repository.wal.segment(all[0]!.systemIdentifier, '00000001000000000000003C', signal))
})

test('held backups and the newest are left, and it is said why', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 3)
  await world.mark(repository, all)
  const { id, warehouse } = all[1]!
  const hold = await repository.holds.place({ backup: id, warehouse, reason: 'audit', by: 'me', wal: 'own' }, signal)
  world.clock.nowMs += GRACE
  const swept = await world.sweep(repository)
  assert.deepEqual(swept.backups, [all[0]!.id])
  const why = new Map(swept.left.map((one) => [one.object, one.why]))
  assert.equal(why.get(`manifests/dw/${id}`), 'it is held: audit')
  assert.equal(why.get(`manifests/dw/${all[2]!.id}`), 'no newer backup of dw is there')
  await repository.holds.release(hold.id, signal)
  assert.deepEqual(await repository.holds.list(signal), [])
})

test('a tombstone without a signature of the repository says nothing; a key that was slipped in deletes nothing', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 2)
  await using elsewhere = await PruneWorld.open({ seed: 2 })
  const strange = await makePruneKey(
    await elsewhere.repository(),
    { by: 'passphrase', passphrase: 'x', scryptCost: 1024 },
    signal,
  )
  const key = world.key
  world.key = strange
  await world.mark(repository, [all[0]!])
  assert.equal((await repository.listBackups(signal)).length, 2)
  for (const name of await world.names('tombstones/')) await rm(join(world.path, name))
  world.key = await makePruneKey(repository, { by: 'passphrase', passphrase: 'slipped in', scryptCost: 1024 }, signal)
  await world.mark(repository, [all[0]!])
  world.clock.nowMs += GRACE + DAY
  assert.equal((await world.sweep(repository, key)).objects, 0)
  await assert.rejects(unlockPruneKey(repository, { by: 'passphrase', passphrase: 'wrong' }, signal), (error) =>
    isWharfError(error, 'repository.wrong-prune-key'),
  )
})

/** A lease that is as good as renewed all along, whatever the clock does. */
const LONG = 20 * DAY

test('a backup that runs keeps what it builds on, also when that expires meanwhile', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 3)
  const other = await world.repository(undefined, LONG)
  const running = await other.beginBackup({ warehouse: 'dw', signal })
  await world.mark(repository, [all[0]!, all[1]!])
  world.clock.nowMs += GRACE + HOUR
  const swept = await world.sweep(repository)
  assert.equal(swept.objects, 0)
  assert.match(swept.left[0]!.why, /^backup \S+ by test began before it expired$/)
  await running.abandon()
  assert.deepEqual(await world.names('revived/'), [])
  world.clock.nowMs += HOUR
  await world.sweep(repository)
  await world.assertKept(all.slice(2))
})

test('a backup that shares data under a tombstone takes it out before its manifest is written', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 1)
  const newest = await world.take(repository)
  // The race: its parent expires after it was chosen.
  await world.mark(repository, all)
  const child = await world.take(repository, all[0])
  assert.equal((await world.names('revived/')).length, 1)
  world.clock.nowMs += GRACE
  await world.sweep(repository)
  await world.assertKept([newest, child])
})

test('a backup that shares what is already being deleted is not recorded', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 1)
  const newest = await world.take(repository)
  await world.mark(repository, all)
  world.clock.nowMs += GRACE
  await rm(join(world.path, 'manifests/dw', all[0]!.id))
  await assert.rejects(world.take(repository, all[0]), (error) => isWharfError(error, 'repository.shared-expired'))
  await world.sweep(repository)
  await world.assertKept([newest])
})

test('who reads has a lease, and nothing goes that was there when it began', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 2)
  const reading = await (await world.repository(undefined, LONG)).beginReading({ purpose: 'recovery of dw', signal })
  assert.equal(reading.leased, true)
  await world.mark(repository, [all[0]!])
  world.clock.nowMs += GRACE
  const swept = await world.sweep(repository)
  assert.equal(swept.objects, 0)
  assert.equal(swept.left[0]!.why, 'recovery of dw by test began before it expired')
  await reading.end()
  assert.deepEqual(await world.names('readers/'), [])
  const later = await repository.beginReading({ purpose: 'recovery of dw', signal })
  // It began after the tombstone: it never saw the backup.
  assert.deepEqual((await world.sweep(repository)).backups, [all[0]!.id])
  await later.end()
})

test('who may not write reads without a lease and is told so', async () => {
  await using world = await PruneWorld.open()
  const denied = errors.denied({ location: 'there', what: 'write readers/x' })
  const repository = await world.repository(
    (store) => new FaultyStore(store, (call) => (call === 'put' ? { kind: 'error', error: denied } : undefined)),
  )
  const reading = await repository.beginReading({ purpose: 'recovery of dw', signal })
  assert.equal(reading.leased, false)
  assert.equal(
    reading.why,
    'no lease is taken, because no right to write readers/x in there: expiry may delete what is read',
  )
  await reading.end()
})

test('with a manifest that cannot be read no data goes', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 3)
  await world.mark(repository, [all[0]!])
  const path = join(world.path, 'manifests/dw', all[1]!.id)
  const bytes = await readFile(path)
  await writeFile(path, bytes.subarray(0, bytes.length - 9))
  world.clock.nowMs += GRACE
  const swept = await world.sweep(repository)
  assert.deepEqual(swept.backups, [all[0]!.id])
  assert.ok(
    swept.left.length > 0 &&
      swept.left.every((one) => one.why === `manifests/dw/${all[1]!.id} cannot be read, and may need it`),
  )
  await writeFile(path, bytes)
  await world.sweep(repository)
  await world.assertKept(all.slice(1))
})

test('what a killed backup left goes once it is old enough; names that nobody understands stay', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const [first] = await world.chain(repository, 1)
  const killed = await repository.beginBackup({ warehouse: 'dw', signal })
  const writer = await killed.openPackWriter()
  await writer.append({ file: 'base/5/1', blocks: Uint32Array.of(0), plain: Buffer.alloc(8192, 1) })
  const { packs } = await writer.finish()
  await killed.abandon()
  const strange = ['packs/zz/1.tmp.pack', 'notes/readme', `manifests.tmp/dw/${first!.id}`]
  const store = await world.store()
  for (const name of strange) await store.put(name, [Buffer.from('x')], { signal })
  assert.equal((await world.mark(repository, [])).garbage, 0)
  world.clock.nowMs += GRACE + HOUR
  assert.equal((await world.mark(repository, [])).garbage, 1)
  world.clock.nowMs += GRACE
  assert.equal((await world.sweep(repository)).objects, 1)
  const names = await world.names()
  assert.ok(!names.some((name) => name.endsWith(packs[0]!.id)))
  for (const name of strange) assert.ok(names.includes(name), name)
})
