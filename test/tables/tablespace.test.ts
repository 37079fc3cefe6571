// The tables that stood in a tablespace come back as they were, each by `recover table`; what was there and does not is named.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { openWorld } from '../backup/world.ts'
import type { Major } from '../support/postgres.ts'
import { ofTheDay } from '../support/turns.ts'
import { contentOf, lsnOf, recoverTablespace } from './recovering.ts'

const schema = `
  create schema app;
  create table app.plain (id int primary key using index tablespace "Fast Disk", body text);
  create table app.hot (id int primary key, body text) tablespace "Fast Disk";
  create table app.dropped (id int) tablespace "Fast Disk";
  create unlogged table app.quick (id int) tablespace "Fast Disk";
  create materialized view app.seen tablespace "Fast Disk" as select 1 as one;
  create table app.parts (id int) partition by range (id);
  create table app.parts_1 partition of app.parts for values from (0) to (100) tablespace "Fast Disk";
  create table app.parts_2 partition of app.parts for values from (100) to (200);
  insert into app.plain select n, md5(n::text) from generate_series(1, 500) n;
  insert into app.hot select n, md5(n::text) from generate_series(1, 500) n;
  insert into app.dropped select generate_series(1, 500);
  insert into app.parts select generate_series(0, 199)`

async function refusal(work: Promise<unknown>): Promise<readonly (string | undefined)[]> {
  const error = await work.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  )
  assert.ok(isWharfError(error), String(error))
  return [error.code, error.message, error.hint]
}

test('tables of a tablespace come back as they were, and what does not is named', async () => {
  const major = ofTheDay<Major>([15, 18])
  await using world = await openWorld({ major, settings: { allow_in_place_tablespaces: 'on' } })
  const { server } = world
  await server.psql(`create tablespace "Fast Disk" location ''`)
  await server.psql(schema)
  await world.take('full')
  await server.psql(`update app.hot set body = 'later' where id % 2 = 0; insert into app.parts values (7)`)
  const lsn = await lsnOf(world)
  const truth = new Map<string, string>()
  for (const name of ['hot', 'dropped', 'parts_1']) truth.set(name, await contentOf(world, `app.${name}`))
  await server.psql('delete from app.hot; drop table app.dropped; truncate app.parts_1')
  await world.archiveAll()

  const report = await recoverTablespace(world, { tablespace: 'Fast Disk', lsn })
  assert.deepEqual(
    report.tables.map((one) => [one.table, one.outcome]),
    [
      ['app.dropped', 'returned'],
      ['app.hot', 'beside'],
      ['app.parts_1', 'beside'],
    ],
  )
  for (const { table, place } of report.tables)
    assert.equal(await contentOf(world, place!), truth.get(table.slice('app.'.length)), table)
  assert.deepEqual(
    report.notes.filter((one) => one.includes('Fast Disk')),
    [
      'also in Fast Disk, but not logged: app.quick',
      'materialized views in Fast Disk are not recovered, refresh them: app.seen',
      'indexes in Fast Disk of tables that are elsewhere are not recovered, reindex builds them: app.plain_pkey',
    ],
  )

  assert.deepEqual(await refusal(recoverTablespace(world, { tablespace: 'pg_global', lsn })), [
    'recovery.shared-tablespace',
    'pg_global holds what all databases share',
    'that comes back with the whole only: wharf recover run',
  ])
  const [unknown, , known] = await refusal(recoverTablespace(world, { tablespace: 'fast disk', lsn }))
  assert.deepEqual([unknown, known], ['recovery.unknown-tablespace', 'there were Fast Disk'])
})
