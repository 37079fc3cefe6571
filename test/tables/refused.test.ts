// What recoveries of parts refuse once they have looked at the backup and at the live server, word for word; and that nothing was changed by it.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { TierRule } from '../../src/backup/plan/tiers.ts'
import type { OperationContext } from '../../src/base/operation.ts'
import { copies } from '../../src/recovery/operations/copies.ts'
import { loads } from '../../src/recovery/operations/loads.ts'
import { when } from '../../src/recovery/operations/when.ts'
import { planAnyInput, planPart } from '../../src/recovery/operations/plan-part.ts'
import { openWorld, type World } from '../backup/world.ts'
import { heal } from '../blocks/world.ts'
import { saidOf } from '../errors/said.ts'
import { ofTheDay } from '../support/turns.ts'
import { inRecoveryOf, leftOn, lsnOf, recoverDatabase, recoverTable, recoverTablespace } from './recovering.ts'

const tiers: readonly TierRule[] = [{ match: { schema: 'public', relation: 'tmp_*' }, tier: 'scratch' }]

const schema = `
  create schema a; create schema b;
  create table a.twice (id int); create table b.twice (id int);
  create view a.seen as select 1 as one;
  create table a.dropped (id int primary key);
  create type a.mood as enum ('good', 'bad');
  create table a.moods (id int, mood a.mood);
  insert into a.moods values (1, 'good');
  create table a.parents (id int primary key);
  insert into a.parents select generate_series(1, 10);
  create table a.children (id int primary key, parent int constraint of_parent references a.parents);
  insert into a.children select n, n from generate_series(1, 10) n;
  create table tmp_big as select generate_series(1, 100) as id;
  create table a.parts (id int) partition by range (id);
  create table a.parts_1 partition of a.parts for values from (0) to (10);
  insert into a.parts values (1);
  create table a.elsewhere (id int primary key using index tablespace fast)`

/** Everything after the backup that makes a return impossible. */
const damage = `
  drop table a.dropped;
  drop table a.moods; drop type a.mood;
  delete from a.children where id > 5; delete from a.parents where id > 7`

/** For operations that start no server. */
function fromRepository(
  world: World,
  work: (given: object, context: OperationContext, signal: AbortSignal) => Promise<unknown>,
): Promise<unknown> {
  return inRecoveryOf(world, {}, ({ repositoryPath, passphraseFile }, context, signal) =>
    work({ repositoryPath, passphraseFile }, context, signal),
  )
}

async function refusesTables(world: World, lsn: string, said: (work: () => unknown) => Promise<string>): Promise<void> {
  const table = (wishes: Parameters<typeof recoverTable>[1]): Promise<string> =>
    said(() => recoverTable(world, { lsn, ...wishes }))
  assert.equal(
    await table({ tables: ['twice'] }),
    'recovery.ambiguous-table: twice is in several schemas: a.twice, b.twice | name the schema too',
  )
  assert.equal(
    await table({ tables: ['a.seen'] }),
    'recovery.not-a-table: a.seen was a view, not a table | what it is made from can be recovered: name the tables behind it',
  )
  assert.equal(
    await table({ tables: ['tmp_big'] }),
    'recovery.left-out-by-tier: tmp_big is of tier scratch: backup <backup> has left it out | nothing holds its rows; wharf recover loads runs its loads again',
  )
  assert.equal(
    await table({ tables: ['a.twice'], database: 'later' }),
    `recovery.unknown-database: there was no database later at LSN ${lsn} | name another one with --database`,
  )
  assert.equal(
    await table({ tables: ['a.twice'], database: 'nope' }),
    'recovery.no-live-database: there is no database nope on the live server | name another one with --database; one that was dropped comes back whole: wharf recover database nope',
  )
  assert.equal(
    await table({ tables: ['a.dropped'], mode: 'merge' }),
    'recovery.nothing-to-merge: a.dropped does not exist any more: there is nothing to merge into | leave --mode out: it comes back under its own name',
  )
  assert.equal(
    await table({ tables: ['a.moods'] }),
    'recovery.cannot-make: a.moods cannot be made on the live server: type "a.mood" does not exist | nothing was changed; what it needs (types, functions, extensions, rights) may be missing there now',
  )
  assert.equal(
    await table({ tables: ['a.children'], mode: 'swap' }),
    'recovery.key-violated: 3 rows of a.children would have no match for foreign key of_parent | nothing was changed; recover the other table to the same point too, or leave the rows beside (--mode beside)',
  )
}

async function refusesDatabases(
  world: World,
  lsn: string,
  said: (work: () => unknown) => Promise<string>,
): Promise<void> {
  await world.server.psql('create role plain login')
  const url = new URL(world.server.url)
  url.username = 'plain'
  assert.equal(
    await said(() => recoverDatabase(world, { database: 'postgres', as: 'again', lsn }, { url: url.href })),
    'recovery.may-not-create: user plain may not make databases | nothing was changed; declare the warehouse with a superuser',
  )
  assert.equal(
    await said(() => recoverTablespace(world, { tablespace: 'fast', lsn })),
    `recovery.empty-tablespace: no table of database postgres was in tablespace fast at LSN ${lsn} | nothing but indexes, or what was not logged, was there: wharf recover table brings back a table with its indexes`,
  )
  assert.deepEqual(
    await world.server.psql(`select datname from pg_database where datname like 'wharf%' or datname = 'again'`),
    [],
  )
}

async function refusesBlocks(world: World, said: (work: () => unknown) => Promise<string>): Promise<void> {
  assert.equal(
    await said(() => heal(world, { relation: ['a.parts'], block: '0' })),
    'recovery.block-no-storage: a.parts has no file of its own | of a partitioned table or index name the partitions',
  )
  assert.equal(
    await said(() =>
      fromRepository(world, (given, context, signal) =>
        planPart(planAnyInput.parse({ ...given, block: ['a.nope:1'], latest: true }), context, signal),
      ),
    ),
    'recovery.no-relation-in-backup: backup <backup> knows no relation a.nope | schema.name of a table, an index or a TOAST table, as wharf backup inspect shows them; --database names its database',
  )
  await using holder = await world.server.connect()
  await holder.query('begin; lock table a.parents in access exclusive mode')
  assert.equal(
    await said(() => heal(world, { relation: ['a.parents'], block: '0', lockTimeout: '200ms' })),
    'recovery.block-locked: a.parents could not be locked within 200 ms | nothing was changed; somebody uses the table: run again later, or with a longer --lock-timeout',
  )
}

async function refusesTheRest(world: World, said: (work: () => unknown) => Promise<string>): Promise<void> {
  const ask = (table: string, database?: string): Promise<string> =>
    said(() =>
      fromRepository(world, (given, context, signal) =>
        when.run(when.input.parse({ ...given, table, database }), context, signal),
      ),
    )
  assert.equal(
    await ask('a.nope'),
    'recovery.unknown-relation: there is no table a.nope in other, postgres, template1: neither in backup <backup> nor in the WAL since | names are case sensitive; with an earlier --since an older backup is looked at',
  )
  assert.equal(
    await ask('a.twice', 'nope'),
    'recovery.unknown-database: backup <backup> holds no database "nope" | wharf backup show names the databases of a backup; names are case sensitive',
  )
  assert.equal(
    await ask('c.both'),
    'recovery.ambiguous-relation: table c.both is in several databases: other, postgres | name the database with --database',
  )
  const to = world.server.url
  assert.equal(
    await said(() =>
      fromRepository(world, (given, context, signal) =>
        loads.run(loads.input.parse({ ...given, warehouse: 'retail', to }), context, signal),
      ),
    ),
    'recovery.no-kept-load: repository "<folder>/repository" keeps no load of warehouse "retail" | loads are kept where their pipeline says "keep: inputs"; what others wrote has to be loaded again',
  )
  assert.equal(
    await said(() =>
      fromRepository(world, (given, context, signal) =>
        copies.run(copies.input.parse({ ...given, warehouse: 'retail', to }), context, signal),
      ),
    ),
    'recovery.no-copy: the repository has no copy of unlogged tables of warehouse "retail" | wharf backup copies shows what there is',
  )
}

test('recoveries of parts that cannot be: refused by name, with a way on, and nothing is changed', async () => {
  await using world = await openWorld({
    major: ofTheDay([15, 18] as const),
    settings: { allow_in_place_tablespaces: 'on' },
  })
  const { server } = world
  await server.psql(`create tablespace fast location ''`)
  await server.psql('create database other')
  await server.psql(schema)
  for (const database of ['postgres', 'other'])
    await server.psql('create schema c; create table c.both (id int)', database)
  const { manifest } = await world.take('full', { tiers })
  const lsn = await lsnOf(world)
  await server.psql(damage)
  await server.psql('create database later')
  await world.archiveAll()
  const said = async (work: () => unknown): Promise<string> =>
    (await saidOf(work, world.folder)).replaceAll(manifest.id, '<backup>')
  const state = async (): Promise<unknown> => [
    await server.psql('select * from a.children order by id'),
    await server.psql('select * from a.parents order by id'),
    await leftOn(world),
  ]
  const before = await state()
  await refusesTables(world, lsn, said)
  await refusesDatabases(world, lsn, said)
  await refusesBlocks(world, said)
  await refusesTheRest(world, said)
  assert.deepEqual(await state(), before)
})
