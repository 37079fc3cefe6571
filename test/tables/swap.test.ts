// Rows put back into a warehouse that goes on: swapped in with everything that hangs on the table, merged by key, partitions and all; and nothing of it where it cannot be.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { endMerge, mergeTable } from '../../src/recovery/tables/merge.ts'
import { openWorld, type World } from '../backup/world.ts'
import type { TablesReport } from '../../src/recovery/tables/report.ts'
import { contentOf, leftOn, lsnOf, recoverDatabase, recoverTable } from './recovering.ts'

const schema = `
  create schema sales;
  create table sales.customers (id int primary key, name text);
  insert into sales.customers select n, 'c' || n from generate_series(1, 100) n;
  create table sales.orders (id int primary key, customer int references sales.customers, body text, long text);
  alter table sales.orders alter long set storage external;
  insert into sales.orders select n, 1 + n % 100, md5(n::text), repeat(md5(n::text), 100) from generate_series(1, 5000) n;
  create index orders_customer on sales.orders (customer);
  create table sales.lines (id int primary key, "order" int constraint of_order references sales.orders on delete cascade);
  insert into sales.lines select n, n from generate_series(1, 1000) n;
  create view sales.big with (security_barrier = true) as select o.id, c.name from sales.orders o join sales.customers c on c.id = o.customer where o.id > 4000;
  create publication p for table sales.orders (id, body) where (id > 10);
  create table sales.events (id int generated always as identity, day date, body text, primary key (id, day)) partition by range (day);
  create table sales.events_1 partition of sales.events for values from ('2026-01-01') to ('2026-02-01');
  create table sales.events_2 partition of sales.events for values from ('2026-02-01') to ('2026-03-01') partition by hash (id);
  create table sales.events_2a partition of sales.events_2 for values with (modulus 2, remainder 0);
  create table sales.events_2b partition of sales.events_2 for values with (modulus 2, remainder 1);
  create table sales.rest partition of sales.events default;
  create index events_body on sales.events (body);
  insert into sales.events (day, body) select date '2026-01-01' + n % 90, md5(n::text) from generate_series(1, 6000) n;
  create table sales.apart (id int) partition by range (id);
  create unlogged table sales.apart_1 partition of sales.apart for values from (0) to (10);
  create table sales.nokey as select n as id from generate_series(1, 10) n;
  create table sales.counted (id int generated always as (n * 10) stored primary key, n int, num int generated always as identity, twice int generated always as (n * 2) stored, body text);
  insert into sales.counted (n, body) select n, md5(n::text) from generate_series(1, 100) n;
  create extension file_fdw; create server files foreign data wrapper file_fdw;
  create table sales.mixed (id int) partition by range (id);
  create table sales.mixed_1 partition of sales.mixed for values from (0) to (10);
  create foreign table sales.mixed_ext partition of sales.mixed for values from (10) to (20) server files options (filename '/dev/null');
  insert into sales.mixed select generate_series(0, 9)`

const tables = [
  'sales.orders',
  'sales.lines',
  'sales.customers',
  'sales.events',
  'sales.events_1',
  'sales.big',
  'sales.counted',
  'sales.mixed',
]

/** By the key of then each of its rows would be put over all versions of now. */
async function refusesOtherKey(world: World): Promise<void> {
  await world.server
    .psql(`create schema other_key; create table other_key.then (id int primary key, body text); insert into other_key.then values (1, 'a');
    create table other_key.now (id int, body text, version int primary key); insert into other_key.now values (1, 'a', 1), (1, 'b', 2)`)
  await using session = await world.warehouse.connect({ purpose: 'test', signal: new AbortController().signal })
  await session.query('begin')
  const [row] = await session.query<{ oid: string }>(`select 'other_key.now'::regclass::oid::int8::text as oid`)
  await assert.rejects(
    mergeTable(session, 'other_key.then', { oid: Number(row!.oid), schema: 'other_key', name: 'now' }),
    {
      code: 'recovery.other-key',
      message: 'other_key.now has another primary key now, (version) instead of (id): rows cannot be merged by it',
      hint: 'nothing was changed; leave the rows beside (--mode beside) and insert from there what is missing, or replace the table (--mode swap)',
    },
  )
  await session.query('rollback')
  await world.server.psql('drop schema other_key cascade')
}

/** PostgreSQL alters no table with events that wait for the end of the transaction: neither triggers nor identity columns could be made what they were. */
async function mergesBeforeDeferredKeys(world: World): Promise<void> {
  const { server } = world
  await server.psql(`create schema waits; create table waits.then (id int primary key, peer int, num int); insert into waits.then values (1, 2, 7), (2, 1, 8);
    create table waits.now (id int primary key, peer int references waits.now deferrable initially deferred, num int generated always as identity);
    insert into waits.now (id) values (1); create function waits.refuse() returns trigger language plpgsql as $$begin raise 'it fires'; end$$;
    create trigger loud before insert or update on waits.now for each row execute function waits.refuse()`)
  {
    await using session = await world.warehouse.connect({ purpose: 'test', signal: new AbortController().signal })
    await session.query('begin')
    const [row] = await session.query<{ oid: string }>(`select 'waits.now'::regclass::oid::int8::text as oid`)
    const { undo, ...rows } = await mergeTable(session, 'waits.then', {
      oid: Number(row!.oid),
      schema: 'waits',
      name: 'now',
    })
    await endMerge(session, undo)
    await session.query('commit')
    assert.deepEqual(rows, { inserted: 1, restored: 1 })
  }
  assert.deepEqual(await server.psql('select * from waits.now order by id'), [
    { id: 1, peer: 2, num: 7 },
    { id: 2, peer: 1, num: 8 },
  ])
  const [kept] = await server.psql(
    `select attidentity as identity, tgenabled as loud from pg_attribute join pg_trigger on tgrelid = attrelid and tgname = 'loud' where attrelid = 'waits.now'::regclass and attname = 'num'`,
  )
  assert.deepEqual(kept, { identity: 'a', loud: 'O' })
  await server.psql('drop schema waits cascade')
}

/** Which is what systems have. */
async function refusesOldDump(world: World, lsn: string): Promise<void> {
  const pgDump = '/usr/lib/postgresql/15/bin/pg_dump'
  if (!existsSync(pgDump)) return
  const phases: string[] = []
  await assert.rejects(
    recoverDatabase(world, { database: 'one', lsn, pgDump }, { progress: ({ phase }) => void phases.push(phase) }),
    { code: 'recovery.old-pg-dump', message: `${pgDump} is of PostgreSQL 15, the backup of 18` },
  )
  assert.deepEqual([...new Set(phases)], ['planning'])
  const left = await world.server.psql(`select from pg_database where datname like 'wharf%'`)
  assert.deepEqual(left, [])
}

/** A partition that is a foreign table goes with the old one, and what is said brings it back. */
async function foreignPartitionIsTold(
  world: World,
  { swapped, question }: { swapped: TablesReport; question: string },
): Promise<void> {
  const kept = swapped.tables.find((one) => one.table === 'sales.mixed')!.keptAs!
  assert.ok(
    question.endsWith(`${kept.slice('sales.'.length)}, with its foreign partitions sales.mixed_ext)?`),
    question,
  )
  const ending = kept.slice('sales.mixed'.length)
  const attach = `alter table "sales"."mixed${ending}" detach partition "sales"."mixed_ext${ending}"; alter table "sales"."mixed_ext${ending}" rename to "mixed_ext"; alter table "sales"."mixed" attach partition "sales"."mixed_ext" FOR VALUES FROM (10) TO (20)`
  assert.deepEqual(
    swapped.notes.filter((one) => one.includes('foreign')),
    [
      'partitions that were foreign tables hold nothing of a backup and are not made: sales.mixed_ext',
      `partition sales.mixed_ext is a foreign table: it is not replaced, stays with the old table, and its rows are not in sales.mixed until you attach it: ${attach}`,
    ],
  )
  await world.server.psql(attach)
}

test('PostgreSQL 18: swapped with views, foreign keys and publications, merged, and by partition; what cannot be exact is refused and changes nothing', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off', wal_level: 'logical' } })
  const { server } = world
  const all = async (): Promise<Record<string, string>> => {
    const found: Record<string, string> = {}
    for (const name of tables) found[name] = await contentOf(world, name)
    return found
  }
  const constraints = async (): Promise<unknown> =>
    await server.psql(
      `select conrelid::regclass::text as table, conname, pg_get_constraintdef(oid) as text from pg_constraint
        where connamespace = 'sales'::regnamespace and conrelid::regclass::text !~ '_before_' order by 1, 2, 3`,
    )
  const outside = async (): Promise<unknown> => [
    await server.psql(
      `select pg_get_viewdef('sales.big') as text, reloptions from pg_class where oid = 'sales.big'::regclass`,
    ),
    await server.psql(`select schemaname, tablename, attnames, rowfilter from pg_publication_tables`),
    await server.psql(
      `select inhrelid::regclass::text, inhparent::regclass::text from pg_inherits where inhrelid::regclass::text !~ '_before_' order by 1`,
    ),
  ]
  await server.psql(schema)
  for (const name of ['one', 'two']) {
    await server.psql(`create database ${name}`)
    await server.psql(`create table t (name text); insert into t values ('${name}')`, name)
  }
  await world.take('full')
  await server.psql('alter database one rename to three')
  await server.psql('alter database two rename to one')
  await server.psql(
    `update sales.orders set body = 'later' where id % 5 = 0; alter table sales.orders add column extra int`,
  )
  await server.psql('alter table sales.orders drop column extra; truncate sales.nokey')
  await server.psql('vacuum full sales.orders')
  const lsn = await lsnOf(world)
  const truth = { all: await all(), constraints: await constraints(), outside: await outside() }
  await server.psql(
    `delete from sales.lines where id > 500; delete from sales.orders where id between 2000 and 2999; update sales.orders set body = 'wrong' where id < 100`,
  )
  await server.psql(
    `insert into sales.orders values (90001, 1, 'new', 'new'); delete from sales.events where day < '2026-02-10'; delete from sales.customers where id > 500`,
  )
  // One of them gets another number, as it may.
  await server.psql(
    `delete from sales.counted where n between 11 and 20; update sales.counted set body = 'wrong' where n between 5 and 9; update sales.counted set num = default where n = 7; delete from sales.mixed_1`,
  )
  await world.archiveAll()

  // First what is refused. Nothing may change by it.
  const damaged = { all: await all(), constraints: await constraints(), outside: await outside() }
  const unchanged = async (): Promise<void> => {
    assert.deepEqual({ all: await all(), constraints: await constraints(), outside: await outside() }, damaged)
    assert.deepEqual(await leftOn(world), [])
  }
  await server.psql('create materialized view sales.stale as select count(*) from sales.orders')
  await assert.rejects(recoverTable(world, { tables: ['sales.orders'], lsn, mode: 'swap' }), (error: unknown) => {
    assert.ok(isWharfError(error, 'recovery.cannot-swap'), String(error))
    assert.equal(error.message, 'sales.orders cannot be replaced exactly: materialized view sales.stale depends on it')
    return true
  })
  await server.psql('drop materialized view sales.stale')
  await server.psql('create publication part for table sales.events_1')
  await assert.rejects(recoverTable(world, { tables: ['sales.events'], lsn, mode: 'swap' }), {
    code: 'recovery.cannot-swap',
    message: 'sales.events cannot be replaced exactly: publication part of a partition depends on it',
  })
  await server.psql('drop publication part')
  await refusesOtherKey(world)
  await mergesBeforeDeferredKeys(world)
  await refusesOldDump(world, lsn)
  await unchanged()
  const questions: string[] = []
  await assert.rejects(
    recoverTable(world, { tables: ['sales.orders'], lsn, mode: 'merge' }, { answer: false, questions }),
    {
      code: 'base.not-confirmed',
    },
  )
  assert.deepEqual(questions, ['put the missing and changed rows back into sales.orders?'])
  await assert.rejects(recoverTable(world, { tables: ['sales.nokey'], lsn, mode: 'merge' }), {
    code: 'recovery.no-key',
    message: 'sales.nokey has no primary key to merge by',
    hint: 'nothing was changed; leave the rows beside (--mode beside) and insert from there what is missing, or replace the table (--mode swap)',
  })
  await assert.rejects(recoverTable(world, { tables: ['sales.apart'], lsn, mode: 'swap' }), {
    code: 'recovery.not-logged',
    message: 'sales.apart_1 was not logged: no backup holds its rows',
  })
  // The first is merged already when the second is refused: live tables and staging are let go at once.
  await server.psql('alter table sales.customers rename column name to title')
  await assert.rejects(recoverTable(world, { tables: ['sales.events', 'sales.customers'], lsn, mode: 'merge' }), {
    code: 'recovery.cannot-merge',
    message: 'sales.customers cannot take the rows of then: it has no column name any more',
  })
  await server.psql('alter table sales.customers rename column title to name')
  await unchanged()
  const abort = new AbortController()
  await assert.rejects(
    recoverTable(
      world,
      { tables: ['sales.orders'], lsn, mode: 'swap' },
      {
        signal: abort.signal,
        progress: (event) => event.phase === 'building indexes' && abort.abort(new Error('enough')),
      },
    ),
  )
  await unchanged()

  // Merged: rows that came later stay.
  const merged = await recoverTable(world, {
    tables: ['sales.lines', 'sales.orders', 'sales.counted'],
    lsn,
    mode: 'merge',
  })
  assert.deepEqual(
    merged.tables.map((one) => [
      one.table,
      one.outcome,
      one.merged,
      one.diff!.missing,
      one.diff!.changed,
      one.diff!.extra,
    ]),
    [
      ['sales.lines', 'merged', { inserted: 500, restored: 0 }, 500, 0, 0],
      ['sales.orders', 'merged', { inserted: 1000, restored: 99 }, 1000, 99, 1],
      ['sales.counted', 'merged', { inserted: 10, restored: 5 }, 10, 5, 0],
    ],
  )
  assert.equal(await contentOf(world, '(select * from sales.orders where id < 90000)'), truth.all['sales.orders'])
  assert.equal(await contentOf(world, 'sales.lines'), truth.all['sales.lines'])
  assert.equal(await contentOf(world, 'sales.counted'), truth.all['sales.counted'])
  assert.deepEqual(await constraints(), truth.constraints)
  assert.deepEqual(
    await server.psql(
      `select attname from pg_attribute where attrelid = 'sales.counted'::regclass and attidentity = 'a'`,
    ),
    [{ attname: 'num' }],
  )
  assert.deepEqual(await leftOn(world), [])

  // Swapped, a partitioned table and one that others hang on.
  questions.length = 0
  const waiting: unknown[] = []
  const whenAsked = async (): Promise<void> => {
    waiting.push(
      await server.psql(
        `select conname from pg_constraint where contype = 'f' and connamespace::regnamespace::text like 'wharf%' and confrelid = 'sales.customers'::regclass`,
      ),
    )
  }
  const swapped = await recoverTable(
    world,
    { tables: ['sales.orders', 'sales.events', 'sales.mixed'], lsn, mode: 'swap' },
    { questions, whenAsked },
  )
  // Deletes of customers are not held up by who waits for an answer.
  assert.deepEqual(waiting, [[]])
  await foreignPartitionIsTold(world, { swapped, question: questions[0]! })
  assert.deepEqual(await all(), truth.all)
  assert.deepEqual(await constraints(), truth.constraints)
  assert.deepEqual(await outside(), truth.outside)
  const [orders] = swapped.tables
  assert.match(orders!.keptAs!, /^sales\.orders_before_[0-9a-f]{8}$/)
  assert.equal((await server.psql(`select from ${orders!.keptAs!}`)).length, 5001)
  // The references lead to the new one.
  await assert.rejects(server.psql('insert into sales.lines values (77777, 90001)'), /of_order/)

  // One partition alone, in the place of the live one.
  await server.psql('delete from sales.events_1')
  const partition = await recoverTable(world, { tables: ['sales.events_1'], lsn, mode: 'swap' })
  assert.equal(partition.tables[0]!.outcome, 'swapped')
  assert.deepEqual(await all(), truth.all)
  assert.deepEqual(await constraints(), truth.constraints)
  assert.deepEqual(await outside(), truth.outside)

  // A database whose name was another's when the backup was made.
  await server.psql('drop table t', 'one')
  await recoverTable(world, { tables: ['public.t'], lsn, database: 'one' })
  assert.deepEqual(await server.psql('select name from t', 'one'), [{ name: 'two' }])
})
