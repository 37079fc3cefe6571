// What happens beside a pruner at the worst moment: between a list and a look, between a look and a deletion.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { between } from '../support/between-store.ts'
import { TurnedClock } from '../support/turned-clock.ts'
import { DAY, HOUR, PruneWorld, signal } from './world.ts'

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
