// Acceptance of table recovery over random histories: updates, deletes, truncation, VACUUM FULL, drop and make anew, rewriting ALTER TABLE, renames, TOAST, partitions and foreign
// keys, on 15 and 18, with backups in between. Then some tables as of some moment, out of a live server that has lost them, against what a client saw then; of every fifth history also
// against a full recovery to the same point. Case n of a seed is always the same history.
import { strict as assert } from 'node:assert'

import { systemClock } from '../../src/base/clock.ts'
import { messageOf } from '../../src/base/errors.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { openWorld, type World } from '../backup/world.ts'
import { recover } from '../restore/recovered.ts'
import { lsnOf, recoverTable } from '../tables/recovering.ts'
import type { TestServer } from '../support/postgres.ts'

export const defaultCount = 50

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let [passed, failed] = [0, 0]
  for (let number = options.resumeFrom; number < options.count && !options.signal.aborted; number++) {
    const started = systemClock.monotonic()
    let told = ''
    const failure = await oneHistory(seededRandom(options.seed * 100_003 + number), number).then(
      (what) => {
        told = what
        return undefined
      },
      (error: unknown) => messageOf(error),
    )
    if (failure === undefined) passed++
    else failed++
    options.log(`history ${number}: ${failure ?? told} (${Math.round(systemClock.monotonic() - started)} ms)`)
    options.done(number + 1, failure)
  }
  return { passed, failed }
}

const schema = `
  create schema sales;
  create table sales.customers (id int primary key, name text);
  create table sales.orders (id int primary key, customer int references sales.customers, amount int, note text, long text);
  alter table sales.orders alter long set storage external;
  create index orders_amount on sales.orders (amount);
  create table sales.events (id int, day date, body text, primary key (id, day)) partition by range (day);
  create table sales.events_1 partition of sales.events for values from ('2026-01-01') to ('2026-02-01');
  create table sales.events_rest partition of sales.events default;
  create table sales.plain (id serial, body text);
  insert into sales.customers select g, 'c' || g from generate_series(1, 200) g`

const tables = ['sales.customers', 'sales.orders', 'sales.events', 'sales.plain', 'sales.events_1'] as const

/** Work number k of n rows; each may stand alone in any order, and may fail where the tables are not as it wants them. */
const works: readonly ((k: number, n: number) => string)[] = [
  (k, n) =>
    `insert into sales.orders (id, customer, amount, note, long) select ${k * 100_000} + g, 1 + g % 200, g, md5(g::text), case when g % 5 = 0 then repeat(md5(g::text), 120) end from generate_series(1, ${n}) g`,
  (k) => `update sales.orders set amount = amount + 1, note = reverse(note) where id % 7 = ${k % 7}`,
  (k) => `update sales.orders set long = repeat(md5(id::text), 90) where id % 11 = ${k % 11}`,
  (k) => `delete from sales.orders where id % 5 = ${k % 5}`,
  () => 'truncate sales.orders',
  () => 'vacuum full sales.orders',
  () => 'vacuum sales.orders',
  (k) => `alter table sales.orders add column c_${k} int default ${k}`,
  () => 'alter table sales.orders alter amount type bigint using amount + 1',
  () => 'alter table sales.orders drop column if exists extra, add column extra text default md5(random()::text)',
  (_k, n) =>
    `insert into sales.events select g, date '2026-01-01' + g % 60, md5(g::text) from generate_series(1, ${n}) g on conflict do nothing`,
  (k) => `delete from sales.events where id % 6 = ${k % 6}`,
  (k) =>
    `begin; alter table sales.events detach partition sales.events_1; alter table sales.events_1 rename to events_old_${k}; create table sales.events_1 (like sales.events including all); insert into sales.events_1 select * from sales.events_old_${k} where id % 2 = 0; alter table sales.events attach partition sales.events_1 for values from ('2026-01-01') to ('2026-02-01'); drop table sales.events_old_${k}; commit`,
  () => 'truncate sales.events_1',
  (_k, n) => `insert into sales.plain (body) select md5(g::text) from generate_series(1, ${n}) g`,
  () => 'drop table sales.plain; create table sales.plain (id serial, body text)',
  (k) =>
    `begin; create table sales.plain_new as select id, body || '${k}' as body from sales.plain; drop table sales.plain; alter table sales.plain_new rename to plain; commit`,
  () => 'cluster sales.orders using orders_amount',
  (k) => `update sales.customers set name = name || '${k}' where id % 9 = 0`,
  () => 'checkpoint',
  () => 'select pg_switch_wal()',
  () => 'begin; delete from sales.orders; rollback',
  () => 'reindex table sales.orders',
]

interface Moment {
  readonly lsn: string
  readonly seen: Readonly<Record<string, string>>
}

/** Of each table that is there: its rows, its columns and its indexes, as a client sees them. */
async function seenOn(server: Pick<TestServer, 'psql'>): Promise<Record<string, string>> {
  const seen: Record<string, string> = {}
  for (const table of tables) {
    const [there] = await server.psql<{ there: boolean }>(`select to_regclass('${table}') is not null as there`)
    if (there!.there) seen[table] = await seenOf(server, table)
  }
  return seen
}

async function seenOf(server: Pick<TestServer, 'psql'>, table: string): Promise<string> {
  const [row] = await server.psql<Record<'rows' | 'columns' | 'indexes', string>>(
    `select (select count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '') from ${table} t) as rows,
            (select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), ''), ', ' order by a.attnum)
               from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where a.attrelid = '${table}'::regclass and a.attnum > 0 and not a.attisdropped) as columns,
            (select string_agg(pg_get_indexdef(indexrelid), '; ' order by indexrelid::regclass::text) from pg_index where indrelid = '${table}'::regclass) as indexes`,
  )
  return `${row!.rows} (${row!.columns}) ${row!.indexes ?? ''}`
}

const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)]!

async function oneHistory(random: Random, number: number): Promise<string> {
  const major = number % 2 === 0 ? 15 : 18
  await using world = await openWorld({ major, checksums: random.integer(4) > 0, settings: { autovacuum: 'off' } })
  await world.server.psql(schema)
  for (const work of [works[0]!, works[10]!, works[14]!]) await world.server.psql(work(1, 1000 + random.integer(3000)))
  await world.take('full')
  const moments: Moment[] = []
  const steps = 10 + random.integer(10)
  for (let step = 0; step < steps; step++) {
    const kind = random.integer(10)
    if (kind === 0) await world.take(pick(random, ['incremental', 'incremental', 'full']))
    else if (kind < 8)
      await world.server.psql(pick(random, works)(step + 3, 100 + random.integer(3000))).catch(() => undefined)
    else moments.push({ lsn: await lsnOf(world), seen: await seenOn(world.server) })
  }
  moments.push({ lsn: await lsnOf(world), seen: await seenOn(world.server) })
  const told: string[] = []
  for (let round = 0; round < 2; round++) told.push(await oneRecovery({ world, random, moment: pick(random, moments) }))
  if (number % 5 === 0) {
    const { lsn, seen } = pick(random, moments)
    await using full = await recover(world, { lsn, verify: 'connect' })
    assert.deepEqual(await seenOn(full), seen, `a full recovery to ${lsn}`)
  }
  return `PostgreSQL ${major}: ${told.join('; ')}`
}

/** The live server loses the tables, or keeps them beside. */
async function oneRecovery(of: { world: World; random: Random; moment: Moment }): Promise<string> {
  const { world, random, moment } = of
  const { server } = world
  const there = Object.keys(moment.seen)
  const wanted = [pick(random, there)]
  if (random.integer(3) === 0) wanted.push(pick(random, there))
  const names = [...new Set(wanted)].filter((one) => !(one === 'sales.events_1' && wanted.includes('sales.events')))
  await world.archiveAll()
  if (random.integer(3) > 0) {
    for (const name of names) await server.psql(`drop table if exists ${name} cascade`)
    const report = await recoverTable(world, { tables: names, lsn: moment.lsn })
    for (const name of names) assert.equal(await seenOf(server, name), moment.seen[name], `${name} at ${moment.lsn}`)
    return `${report.tables.map((one) => `${one.table} ${one.outcome}`).join(', ')} at ${moment.lsn}`
  }
  const [name] = names
  const live = await server.psql<{ rows: string }>(`select count(*) as rows from ${name!}`).catch(() => undefined)
  await recoverTable(world, { tables: [name!], lsn: moment.lsn, as: 'sales.beside' })
  const rowsOf = (seen: string): string => seen.slice(0, seen.indexOf(' ('))
  assert.equal(rowsOf(await seenOf(server, 'sales.beside')), rowsOf(moment.seen[name!]!), `${name!} at ${moment.lsn}`)
  if (live) assert.deepEqual(await server.psql(`select count(*) as rows from ${name!}`), live)
  await server.psql('drop table sales.beside')
  return `${name!} beside at ${moment.lsn}`
}
