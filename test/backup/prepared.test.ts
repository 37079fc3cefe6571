// A transaction is prepared, and its state file written by a checkpoint, after a backup has begun and before its files are listed. PostgreSQL 17 and 18 lose it
// from any base backup that holds that file.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { ClusterFiles } from '../../src/backup/source/cluster-files.ts'
import { diskFiles } from '../../src/backup/source/disk.ts'
import { openWorld, type World } from './world.ts'
import { ofTheDay } from '../support/turns.ts'

/** The disk, with some work done right before it is listed. */
const workBeforeListing =
  (work: () => Promise<unknown>) =>
  (directory: string): ClusterFiles => {
    const disk = diskFiles(directory)
    return {
      ...disk,
      list: async function* (options) {
        await work()
        yield* disk.list(options)
      },
    }
  }

async function prepare(world: World, name: string): Promise<void> {
  await using client = await world.server.connect()
  for (const statement of ['begin', `insert into t values ('${name}')`, `prepare transaction '${name}'`, 'checkpoint'])
    await client.query(statement)
}

for (const major of [ofTheDay([15, 18] as const)]) {
  test(`PostgreSQL ${major}: what is prepared while a backup runs is not lost, nor what was prepared before`, async () => {
    await using world = await openWorld({ major, settings: { autovacuum: 'off', max_prepared_transactions: '5' } })
    await world.server.psql('create table t (name text)')
    await prepare(world, 'before')
    // The id that comes next at the checkpoint is one that PostgreSQL treats well: it must be a later one.
    const work = async (): Promise<void> => {
      for (const name of ['first', 'second']) await world.server.psql(`insert into t values ('${name}')`)
      await prepare(world, 'while it runs')
    }
    const { manifest } = await world.take('full', { files: workBeforeListing(work) })
    await world.archiveAll()
    await using restored = await world.restore(manifest.id)
    const gids = await restored.psql<{ gid: string }>('select gid from pg_prepared_xacts order by prepared')
    assert.deepEqual(
      gids.map(({ gid }) => gid),
      ['before', 'while it runs'],
    )
    for (const { gid } of gids) await restored.psql(`commit prepared '${gid}'`)
    assert.deepEqual(
      await restored.psql('select name from t order by name'),
      ['before', 'first', 'second', 'while it runs'].map((name) => ({ name })),
    )
  })
}
