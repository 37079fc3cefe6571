// template1 made anew, as one does whose encoding was wrong: replaying that ends the session that watches the recovery, and nothing else. And template1 closed.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { contentsOf } from '../backup/truth.ts'
import { openWorld } from '../backup/world.ts'
import { ofTheDay } from '../support/turns.ts'
import { recover } from './recovered.ts'

test('a recovery goes on when the database it is watched through is dropped by what it replays', async () => {
  await using world = await openWorld({ major: ofTheDay([15, 18] as const), settings: { max_wal_size: '2GB' } })
  const { server } = world
  await server.psql("create table t as select n as id, repeat('x', 200) as body from generate_series(1, 100000) n")
  await world.take('full')
  // Long enough to be watching by then.
  for (let turn = 0; turn < 4; turn++) await server.psql('update t set id = id + 1')
  for (const sql of [
    "update pg_database set datistemplate = false where datname = 'template1'",
    'drop database template1',
    'create database template1 with template = template0 is_template = true',
    'update t set id = 0 where id = 7',
  ])
    await server.psql(sql)
  await world.archiveAll()
  const truth = await contentsOf(server)
  await using recovered = await recover(world, { latest: true })
  assert.deepEqual(await contentsOf(recovered.asServer), truth)
})

test('a recovery starts, proves and opens a cluster whose template1 lets nobody in', async () => {
  await using world = await openWorld({ major: ofTheDay([18, 15] as const) })
  const { server } = world
  await server.psql('create table t as select generate_series(1, 100) as id')
  await server.psql('alter database template1 allow_connections false')
  await world.take('full')
  await world.archiveAll()
  const truth = await contentsOf(server)
  await using recovered = await recover(world, { latest: true })
  assert.deepEqual(await contentsOf(recovered.asServer), truth)
})
