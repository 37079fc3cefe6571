// What happens beside a pruner at the worst moment: between a list and a look, between a look and a deletion.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { reviveBackup } from '../../src/repository/prune.ts'
import { between } from '../support/between-store.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { TurnedClock } from '../support/turned-clock.ts'
import { DAY, GRACE, HOUR, PruneWorld, signal } from './world.ts'

for (const how of ['bucket', 'folder'] as const) {
  for (const who of ['reader', 'backup'] as const)
    test(`a lease that is renewed while it is looked for is seen all the same (${who}, ${how})`, async () => {
      await using world = await PruneWorld.open()
      const repository = await world.repository()
      const all = await world.chain(repository, 2)
      const clock = new TurnedClock()
      const worker = await world.repository(undefined, DAY, clock)
      const end =
        who === 'reader'
          ? await worker.beginReading({ purpose: 'recovery', signal }).then((reading) => () => reading.end())
          : await worker.beginBackup({ warehouse: 'other', signal }).then((backup) => () => backup.abandon())
      await world.mark(repository, [all[0]!])
      for (let half = 0; half < 7; half++) {
        world.clock.nowMs += DAY / 2
        await clock.turn()
      }
      const prefix = who === 'reader' ? 'readers/' : 'leases/'
      const pruner = await world.repository((store) =>
        between(store, how, { listed: async (listed) => void (listed === prefix && (await clock.turn())) }),
      )
      assert.deepEqual((await world.sweep(pruner)).backups, [])
      await world.assertWhole(repository, all[1]!.id)
      await end()
      world.clock.nowMs += HOUR
      assert.deepEqual((await world.sweep(repository)).backups, [all[0]!.id])
    })

  test(`a lease that is renewed while another backup begins stays the one (${how})`, async () => {
    await using world = await PruneWorld.open()
    const clock = new TurnedClock()
    const backup = await (await world.repository(undefined, 60_000, clock)).beginBackup({ warehouse: 'dw', signal })
    for (let turn = 0; turn < 4; turn++) {
      world.clock.nowMs += 30_000
      await clock.turn()
    }
    const other = await world.repository((store) =>
      between(store, how, { listed: async (prefix) => void (prefix === 'leases/dw/' && (await clock.turn())) }),
    )
    await assert.rejects(other.beginBackup({ warehouse: 'dw', signal }), (error) =>
      isWharfError(error, 'repository.busy'),
    )
    await backup.abandon()
  })
}

for (const torn of ['tombstones/', 'revived/'])
  test(`what was brought back stays when an answer about ${torn} is torn once`, async () => {
    await using world = await PruneWorld.open()
    const repository = await world.repository()
    const all = await world.chain(repository, 2)
    await world.mark(repository, [all[0]!])
    await reviveBackup(repository, all[0]!.id, { by: 'me', reason: 'audit', signal })
    world.clock.nowMs += GRACE + HOUR
    const pruner = await world.repository(
      (store) =>
        new FaultyStore(store, (call, name) =>
          call === 'get' && name.startsWith(torn) ? { kind: 'short', bytes: 10 } : undefined,
        ),
    )
    const { left } = await world.sweep(pruner)
    if (torn === 'revived/') {
      const [revival] = await world.names(torn)
      assert.equal(left[0]!.why, `${revival} cannot be read, and may have brought it back`)
    }
    await world.sweep(repository)
    await world.assertKept(all)
    world.clock.nowMs += HOUR
    await world.sweep(repository)
    assert.deepEqual([await world.names('tombstones/'), await world.names('revived/')], [[], []])
  })

test('a revival that stays damaged holds up only the tombstones that it may be about', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = await world.chain(repository, 3)
  await world.mark(repository, [all[0]!])
  await reviveBackup(repository, all[0]!.id, { by: 'me', reason: 'audit', signal })
  const [revival] = await world.names('revived/')
  await writeFile(join(world.path, revival!), 'x')
  world.clock.nowMs += DAY
  await world.mark(repository, [all[1]!])
  world.clock.nowMs += GRACE
  assert.deepEqual((await world.sweep(repository)).backups, [all[1]!.id])
})

test('a backup does not rely on a dead one to keep what they share', async () => {
  await using world = await PruneWorld.open()
  const repository = await world.repository()
  const all = [await world.take(repository), await world.take(repository)]
  await world.mark(repository, [all[0]!])
  // Too late to bring anything back, too early to delete.
  world.clock.nowMs += GRACE - HOUR / 10
  const [looked, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let sweeping: Promise<unknown> = Promise.resolve()
  const pruner = await world.repository((store) =>
    between(store, 'bucket', {
      removing: async (name) => {
        if (!name.startsWith('packs/')) return
        looked.resolve()
        await ended.promise
      },
    }),
  )
  const late = await world.repository(
    (store) =>
      between(store, 'bucket', {
        putting: async (name) => {
          if (!name.startsWith('manifests/')) return
          world.clock.nowMs += HOUR / 5
          sweeping = world.sweep(pruner).finally(looked.resolve)
          await looked.promise
        },
      }),
    DAY,
  )
  await assert.rejects(world.take(late, all[0]).finally(ended.resolve), (error) =>
    isWharfError(error, 'repository.shared-expired'),
  )
  await sweeping
  await world.assertKept([all[1]!])
})
