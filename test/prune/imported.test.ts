// A backup that is imported into the repository it came from, where it has expired since: it is a backup again and stays one, or the import fails.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import { exportBackup } from '../../src/repository/export/export.ts'
import { importBackup, type Imported } from '../../src/repository/export/import.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { GRACE, HOUR, PruneWorld, signal } from './world.ts'

async function exported(world: PruneWorld, id: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  const sink = (bytes: Buffer): Promise<void> => Promise.resolve(void pieces.push(Buffer.from(bytes)))
  await exportBackup({ repository: await world.repository(), id, sink, signal })
  return Buffer.concat(pieces)
}

async function imported(world: PruneWorld, bytes: Buffer): Promise<Imported> {
  return await importBackup({
    source: (async function* () {
      await Promise.resolve()
      yield bytes
    })(),
    staging: join(world.path, '.staging'),
    target: await world.store(),
    unlock: world.unlock,
    exportUnlock: world.unlock,
    clock: systemClock,
    holder: 'test',
    signal,
  })
}

/** Two backups; the first is exported and has expired. */
async function expired(world: PruneWorld) {
  const repository = await world.repository()
  // Where the replay of backups begins.
  const wal = await world.putWal(repository, 16)
  const all = await world.chain(repository, 2)
  const stream = await exported(world, all[0]!.id)
  await world.mark(repository, [all[0]!], [wal])
  return { repository, all, stream }
}

test('in its grace period it is taken out of its tombstone', async () => {
  await using world = await PruneWorld.open()
  const { repository, all, stream } = await expired(world)
  assert.equal((await imported(world, stream)).into, 'same')
  await world.assertKept(all)
  world.clock.nowMs += GRACE
  await world.sweep(repository)
  await world.assertKept(all)
})

test('while it is being deleted the import fails; afterwards it brings everything back', async () => {
  await using world = await PruneWorld.open()
  const { repository, all, stream } = await expired(world)
  world.clock.nowMs += GRACE
  // Killed when the manifest is gone and the packs are there.
  let removals = 0
  const killed = await world.repository(
    (store) =>
      new FaultyStore(store, (call, name) =>
        call === 'remove' && /^(maps|packs)/.test(name) && removals++ > 0
          ? { kind: 'error', error: new Error('killed') }
          : undefined,
      ),
  )
  await assert.rejects(world.sweep(killed), /killed/)
  await assert.rejects(imported(world, stream), (error) => {
    assert.ok(isWharfError(error, 'repository.import-expired'))
    assert.equal(error.message, `backup ${all[0]!.id} has expired in ${repository.store.location} and is being deleted`)
    assert.equal(error.hint, 'nothing was imported; let wharf backup expire finish with it, then import again')
    return true
  })
  await world.sweep(repository)
  await world.assertKept([all[1]!])
  world.clock.nowMs += HOUR
  assert.ok((await imported(world, stream)).objects > 0)
  await world.sweep(repository)
  await world.assertKept(all)
})
