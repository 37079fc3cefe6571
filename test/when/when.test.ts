// What `recover when` tells against what was done: transactions by their own ids, rows as the server counted them. On 15 with wal_level = replica, on 18
// with logical; on 15 also against pg_waldump.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { promisify } from 'node:util'

import { openWorld, type World } from '../backup/world.ts'
import { recover } from '../restore/recovered.ts'
import { askWhen, transaction } from './world.ts'
import { ofTheDay } from '../support/turns.ts'

const waldump15 = '/usr/lib/postgresql/15/bin/pg_waldump'

interface Expected {
  readonly kind: string
  readonly xid: number
  readonly rows: number
  readonly load?: string
}

const schema = `
  create schema sales;
  create table sales.orders (id int primary key, day date, note text);
  insert into sales.orders select n, '2026-01-01', repeat('n', 50) from generate_series(1, 2000) n;
  create table sales.quiet (id int primary key);
  insert into sales.quiet select generate_series(1, 500);
  create table sales.swapped (id int primary key);
  insert into sales.swapped select generate_series(1, 50);
  create table sales.events (id int, day date) partition by range (day);
  create table sales.events_1 partition of sales.events for values from ('2026-01-01') to ('2026-02-01');
  create table sales.events_2 partition of sales.events for values from ('2026-02-01') to ('2026-03-01');
  insert into sales.events select n, date '2026-01-01' + n % 59 from generate_series(1, 1000) n`

/** All that happens to sales.orders. */
async function orders(world: World): Promise<Expected[]> {
  const expected: Expected[] = []
  const did = async (kind: string, rows: number, sql: string, load?: string): Promise<number> => {
    const xid = await transaction(world, sql)
    expected.push({ kind, xid, rows, ...(load === undefined ? {} : { load }) })
    return xid
  }
  const last = (): number => expected.at(-1)!.xid
  // Of the same name, but not in that schema.
  await world.server.psql(
    'create schema elsewhere; create table elsewhere.orders (id int); delete from elsewhere.orders',
  )
  await did('delete', 10, 'delete from sales.orders where id <= 10; commit')
  await did(
    'delete',
    7,
    'savepoint a; delete from sales.orders where id <= 20; rollback to a; delete from sales.orders where id between 21 and 27; commit',
  )
  await did(
    'delete',
    9,
    'delete from sales.orders where id between 31 and 33; savepoint a; delete from sales.orders where id between 34 and 37; savepoint b; delete from sales.orders where id between 38 and 39; release a; commit',
  )
  await transaction(world, 'delete from sales.orders; rollback')
  await did(
    'delete',
    20,
    "select pg_logical_emit_message(true, 'wharf.load', 'L-1'); delete from sales.orders where id between 41 and 60; commit",
    'L-1',
  )
  await did('update', 15, "update sales.orders set note = 'changed' where id between 61 and 75; commit")
  await did('delete', 5, "delete from sales.orders where id between 76 and 80; prepare transaction 'p'")
  await world.server.psql("commit prepared 'p'")
  await world.server.psql('vacuum full sales.orders')
  await did('delete', 11, 'delete from sales.orders where id between 81 and 91; commit')
  await did('rewrite', 0, 'alter table sales.orders add column r double precision default random(); commit')
  await did('truncate', 0, 'truncate sales.orders; insert into sales.orders select generate_series(1, 300); commit')
  await did('delete', 30, 'delete from sales.orders where id <= 30; commit')
  await did('drop', 0, 'drop table sales.orders; commit')
  await did(
    'create',
    0,
    'create table sales.orders (id int primary key); insert into sales.orders select generate_series(1, 70); commit',
  )
  await did('delete', 6, 'delete from sales.orders where id <= 6; commit')
  await did('rename', 0, 'alter table sales.orders rename to orders_old; commit')
  assert.ok(last() > 0)
  return expected
}

/** None of its files is dropped: another one has its name since. */
async function swapped(world: World): Promise<Expected[]> {
  const did = async (kind: string, rows: number, sql: string): Promise<Expected> => ({
    kind,
    rows,
    xid: await transaction(world, `${sql}; commit`),
  })
  return [
    await did('rename', 0, 'alter table sales.swapped rename to swapped_old'),
    await did(
      'create',
      0,
      'create table sales.other (id int primary key); insert into sales.other select generate_series(1, 40); alter table sales.other rename to swapped',
    ),
    await did('delete', 4, 'delete from sales.swapped where id <= 4'),
  ]
}

async function events(world: World): Promise<Expected[]> {
  const did = async (kind: string, rows: number, sql: string): Promise<Expected> => ({
    kind,
    rows,
    xid: await transaction(world, sql),
  })
  const [before] = await world.server.psql<{ count: number }>(
    "select count(*)::int from sales.events where day >= '2026-01-20' and day < '2026-02-10'",
  )
  return [
    await did(
      'delete',
      before!.count,
      "delete from sales.events where day >= '2026-01-20' and day < '2026-02-10'; commit",
    ),
    await did('update', 17, "update sales.events set day = '2026-02-20' where day = '2026-01-05'; commit"),
    await did('truncate', 0, 'truncate sales.events_1; commit'),
    await did('detach', 0, 'alter table sales.events detach partition sales.events_2; commit'),
    await did('drop', 0, 'drop table sales.events_1; commit'),
  ]
}

function seen(report: Awaited<ReturnType<typeof askWhen>>): Expected[] {
  return report.events
    .map(({ kind, xid, rows, load }) => ({
      kind,
      xid,
      rows: kind === 'delete' ? rows.deleted : kind === 'update' ? rows.updated : 0,
      ...(load === undefined ? {} : { load }),
    }))
    .toReversed()
}

/** Heap deletes per transaction as pg_waldump counts them, in the files that the table had. */
async function dumped(world: World): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>()
  const { readdir } = await import('node:fs/promises')
  const segments = (await readdir(world.archive)).filter((one) => /^[0-9A-F]{24}$/.test(one)).sort()
  const { stdout } = await promisify(execFile)(
    waldump15,
    ['-p', world.archive, '-r', 'Heap', segments[0]!, segments.at(-1)!],
    { maxBuffer: 1 << 29 },
  ).catch((error: { stdout: string }) => error)
  for (const [, xid] of stdout.matchAll(/tx:\s*(\d+), lsn: \S+, prev \S+, desc: DELETE off/g))
    counts.set(Number(xid), (counts.get(Number(xid)) ?? 0) + 1)
  return counts
}

for (const major of [ofTheDay([18, 15] as const)]) {
  test(`PostgreSQL ${major}: every way to lose rows is found, with its transaction, and nothing that was rolled back`, async () => {
    await using world = await openWorld({
      major,
      settings: { max_prepared_transactions: '5', wal_level: major === 15 ? 'replica' : 'logical' },
    })
    const { server } = world
    await server.psql(schema)
    await world.take('full')
    const done = await orders(world)
    const partitioned = await events(world)
    const swaps = await swapped(world)
    await server.psql('delete from sales.quiet where id <= 3; select pg_switch_wal()')
    for (let k = 0; k < 4; k++)
      await server.psql(
        `insert into sales.events_2 select n, '2026-02-02' from generate_series(1, 3000) n; select pg_switch_wal()`,
      )
    await world.archiveAll()

    const report = await askWhen(world, { table: 'sales.orders' })
    const vacuumed = report.events.find((one) => one.kind === 'rewrite' && !done.some(({ xid }) => xid === one.xid))
    assert.equal(vacuumed?.detail, 'VACUUM FULL, CLUSTER or ALTER TABLE')
    assert.deepEqual(
      seen(report).filter((one) => one.xid !== vacuumed.xid),
      done,
    )
    assert.deepEqual(report.notes, [
      `nothing is known from before backup ${report.backup}: the repository holds no older one`,
    ])
    const byLoad = report.events.find((one) => one.load === 'L-1')
    assert.equal(byLoad?.undo[0], '--before-load L-1')
    assert.equal(
      report.events.find((one) => one.kind === 'truncate')?.detail,
      'then 300 rows were inserted in the same transaction',
    )

    assert.deepEqual(seen(await askWhen(world, { table: 'sales.events' })), partitioned)
    assert.deepEqual(seen(await askWhen(world, { table: 'sales.swapped' })), swaps)

    const quiet = await askWhen(world, { table: 'sales.quiet' })
    assert.deepEqual(
      quiet.events.map(({ kind, rows }) => [kind, rows.deleted]),
      [['delete', 3]],
    )
    assert.ok(quiet.wal.readBytes < quiet.wal.bytes, 'chunks that do not touch the table are not read')

    if (major === 15 && existsSync(waldump15)) {
      const counts = await dumped(world)
      // Those with savepoints stand under ids of their subtransactions.
      const saved = new Set([7, 9])
      for (const one of [...done, ...quiet.events.map(({ xid }) => ({ kind: 'delete', xid, rows: 3 }))])
        if (one.kind === 'delete' && !saved.has(one.rows))
          assert.equal(counts.get(one.xid), one.rows, `transaction ${one.xid}`)
    }

    if (major === 15) return await misuse(world)
    // The option that is shown leads to the moment before.
    const drop = report.events.find((one) => one.kind === 'drop')!
    assert.equal(drop.undo[0], `--lsn ${drop.lsn}`)
    await using copy = await recover(world, { lsn: drop.lsn })
    assert.deepEqual(await copy.psql('select count(*)::int from sales.orders'), [{ count: 270 }])
  })
}

/** Names that are not there and spans that are none. */
async function misuse(world: World): Promise<void> {
  const { backup } = await askWhen(world, { table: 'sales.quiet', since: '1h' })
  const rejected = (options: Record<string, unknown>, message: string): Promise<void> =>
    assert.rejects(askWhen(world, options), { message })
  await rejected({ table: 'a.b.c.d' }, 'not the name of a table: "a.b.c.d"')
  await rejected(
    { table: 'sales.order' },
    `there is no table sales.order in postgres, template1: neither in backup ${backup} nor in the WAL since`,
  )
  await rejected({ table: 'dwh.sales.orders' }, `backup ${backup} holds no database "dwh"`)
  await rejected({ table: 'sales.orders', since: 'yesterday' }, 'not a time: "yesterday": not understood')
  await rejected({ table: 'sales.orders', since: '1h', until: '2h' }, '--since 1h is not before --until 2h')
}
