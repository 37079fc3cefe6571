// A copy into a repository where the WAL that it needs has expired: it comes with its WAL, or it fails.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { copyBackup } from '../../src/repository/copy.ts'
import type { Repository } from '../../src/repository/contract.ts'
import { between } from '../support/between-store.ts'
import { GRACE, HOUR, PruneWorld, signal } from './world.ts'

/** In which the replay of every backup begins and ends. */
const SEGMENT = 16
const FILE = '000000010000000000000010'

/** A repository without backups in which that WAL is under a tombstone. */
async function targetOf(of: { expiredMs: number }): Promise<PruneWorld> {
  const target = await PruneWorld.open({ seed: 2 })
  const repository = await target.repository()
  await target.mark(repository, [], [await target.putWal(repository, SEGMENT)])
  target.clock.nowMs += of.expiredMs
  return target
}

/** The repository of the target, in which expiry runs right before the first pack is put. */
async function sweptBeside(target: PruneWorld): Promise<Repository> {
  let swept: Promise<unknown> | undefined
  return await target.repository((store) =>
    between(store, 'bucket', {
      putting: async (name) => {
        if (!name.startsWith('packs/')) return
        swept ??= target.repository().then((other) => target.sweep(other))
        await swept
      },
    }),
  )
}

test('WAL in its grace period is taken out of its tombstone', async () => {
  await using source = await PruneWorld.open()
  const from = await source.repository()
  await source.putWal(from, SEGMENT)
  const { id, systemIdentifier } = await source.take(from)
  await using target = await targetOf({ expiredMs: HOUR })
  await copyBackup({ from, to: await sweptBeside(target), id, wal: 'needed', signal })
  target.clock.nowMs += GRACE
  const repository = await target.repository()
  await target.sweep(repository)
  assert.ok(await repository.wal.segment(systemIdentifier, FILE, signal))
})

test('WAL that is being deleted is not relied on; once it is gone it is put again', async () => {
  await using source = await PruneWorld.open()
  const from = await source.repository()
  await source.putWal(from, SEGMENT)
  const { id, systemIdentifier } = await source.take(from)
  await using target = await targetOf({ expiredMs: GRACE })
  const to = await sweptBeside(target)
  const [object] = await target.names('wal/')
  await assert.rejects(copyBackup({ from, to, id, wal: 'needed', signal }), (error) => {
    assert.ok(isWharfError(error, 'repository.shared-expired'))
    assert.equal(error.message, `backup ${id} needs ${object}, which is being deleted`)
    return true
  })
  assert.deepEqual(await to.listBackups(signal), [])
  await target.sweep(to)
  assert.deepEqual(await target.names('wal/'), [])
  await copyBackup({ from, to, id, wal: 'needed', signal })
  assert.ok(await to.wal.segment(systemIdentifier, FILE, signal))
})

test('WAL that goes while the rest is copied is brought again', async () => {
  await using source = await PruneWorld.open()
  const from = await source.repository()
  await source.putWal(from, SEGMENT)
  const { id, systemIdentifier } = await source.take(from)
  await using target = await PruneWorld.open({ seed: 2 })
  const [object] = await source.names('wal/')
  const plain = await target.store()
  const to = await target.repository((store) =>
    between(store, 'bucket', {
      putting: async (name) => void (name.startsWith('maps/') && (await plain.remove(object!, { signal }))),
    }),
  )
  await copyBackup({ from, to, id, wal: 'needed', signal })
  assert.ok(await to.wal.segment(systemIdentifier, FILE, signal))
})
