// What people do to a warehouse, one piece at a time: each may stand alone, in any order, any number of times. Same random numbers, same SQL.
import type { Random } from '../../src/base/random.ts'

/** Statements for one session, each in its own transaction unless it says `begin`. */
export interface Work {
  readonly what: string
  readonly statements: readonly string[]
  readonly database?: string
}

/** What works must know of what was done before. */
export interface Ledger {
  step: number
  readonly databases: string[]
  readonly spaces: string[]
  readonly prepared: string[]
}

export const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)]!

export const schema: readonly string[] = [
  'create extension bloom',
  'create extension pg_visibility',
  'create table facts (id bigint primary key, day date, amount int, note text) with (fillfactor = 70)',
  'create index facts_day on facts (day)',
  'create table part (id int, day date, body text) partition by range (day)',
  `create table part_1 partition of part for values from ('2026-01-01') to ('2026-02-01')`,
  'create table part_0 partition of part default',
  'create index on part (day)',
  'create table wide (id int primary key, body text)',
  'alter table wide alter body set storage external',
  'create table docs (id int, words int[], area box, at point, span int4range, tag int)',
  'create index docs_gin on docs using gin (words)',
  'create index docs_gist on docs using gist (area)',
  'create index docs_spgist on docs using spgist (at)',
  'create index docs_brin on docs using brin (id) with (pages_per_range = 2, autosummarize = on)',
  'create index docs_hash on docs using hash (tag)',
  'create index docs_bloom on docs using bloom (id, tag)',
  'create unlogged table notes (id int primary key, body text)',
  'create sequence tickets',
  'create materialized view seen as select day, count(*) as n from facts group by day',
]

type Maker = (random: Random, ledger: Ledger) => readonly string[]
const upTo = (random: Random, most: number): number => 1 + random.integer(most)

const writes: Readonly<Record<string, Maker>> = {
  'load facts': (random, { step }) => [
    `insert into facts select ${step * 100_000} + g, date '2026-01-01' + g % 300, g, md5(g::text) from generate_series(1, ${upTo(random, 4000)}) g on conflict do nothing`,
  ],
  'update facts': (random) => [
    `update facts set amount = amount + 1, note = reverse(note) where id % 13 = ${random.integer(13)}`,
  ],
  'delete facts': (random) => [`delete from facts where id % 29 = ${random.integer(29)}`],
  'delete the newest facts and vacuum': () => [
    'delete from facts where id > (select percentile_disc(0.6) within group (order by id) from facts)',
    'vacuum (truncate) facts',
  ],
  'truncate and fill again': (random, { step }) => [
    'truncate facts',
    `insert into facts select ${step * 100_000} + g, date '2026-01-01', g, 'anew' from generate_series(1, ${upTo(random, 900)}) g`,
  ],
  'load partitions': (random) => [
    `insert into part select g, date '2026-01-01' + g % 60, repeat('p', ${random.integer(300)}) from generate_series(1, ${upTo(random, 2500)}) g`,
  ],
  'wide rows': (random, { step }) => [
    `insert into wide select ${step * 1000} + g, repeat(md5(g::text), 300) from generate_series(1, ${upTo(random, 40)}) g on conflict do nothing`,
    `update wide set body = body || 'x' where id % 3 = ${random.integer(3)}`,
  ],
  'delete wide rows': (random) => [`delete from wide where id % 5 = ${random.integer(5)}`, 'vacuum wide'],
  'load documents': (random, { step }) => [
    `insert into docs select ${step * 10_000} + g, array[g % 7, g % 31], box(point(g, g), point(g + 5, g + 5)), point(g % 100, g / 100), int4range(g, g + 10), g % 17
       from generate_series(1, ${upTo(random, 1500)}) g`,
  ],
  'delete documents': (random) => [`delete from docs where id % 4 = ${random.integer(4)}`, 'vacuum docs'],
  'a table of its own': (random, { step }) => [
    `create table t_${step}_${random.integer(1000)} as select g as id, repeat('t', 50) as body from generate_series(1, ${upTo(random, 3000)}) g`,
  ],
  'drop tables': () => [
    `do $$ declare r record; begin for r in select oid::regclass as name from pg_class where relname like 't\\_%' and relkind = 'r' and oid::int % 2 = 0 loop
       execute 'drop table ' || r.name; end loop; end $$`,
  ],
  notes: (random) => [
    `insert into notes select g, 'n' from generate_series(1, ${upTo(random, 1000)}) g on conflict do nothing`,
  ],
  'rolled back': (random) => [
    'begin',
    `insert into part select g, date '2026-01-01', 'gone' from generate_series(1, ${upTo(random, 3000)}) g`,
    'create table never (id int)',
    'rollback',
  ],
  'subtransactions, some rolled back': (random, { step }) => [
    'begin',
    ...Array.from({ length: 70 }, (_, n) => [
      `savepoint s${n}`,
      `insert into facts values (${-(step * 1000 + n) - random.integer(1_000_000) * 100_000}, null, ${n}, 's') on conflict do nothing`,
    ]).flat(),
    'rollback to s40',
    'commit',
  ],
  'copy freeze': (random, { step }) => {
    const name = `frozen_${step}_${random.integer(100_000)}`
    const copy = `copy ${name} from program 'seq 1 ${upTo(random, 3000)}' with (freeze)`
    return ['begin', `create table ${name} (id int)`, copy, 'commit']
  },
  sequence: (random) => [`select count(nextval('tickets')) from generate_series(1, ${upTo(random, 100)})`],
  'large object': (random) => [`select lo_from_bytea(0, repeat('lo', ${upTo(random, 3000)})::bytea)`],
}

const upkeep: Readonly<Record<string, Maker>> = {
  vacuum: () => ['vacuum'],
  'vacuum freeze': () => ['vacuum (freeze) facts', 'vacuum (freeze) part'],
  'vacuum full': (random) => [`vacuum full ${pick(random, ['facts', 'wide', 'docs', 'part_0'])}`],
  cluster: () => ['cluster facts using facts_day'],
  reindex: (random) => [
    `reindex table ${random.integer(2) === 0 ? 'concurrently ' : ''}${pick(random, ['facts', 'docs', 'wide'])}`,
  ],
  refresh: () => ['refresh materialized view seen'],
  checkpoint: () => ['checkpoint'],
  'switch WAL': () => ['select pg_switch_wal()'],
  analyze: () => ['analyze'],
  'logged and unlogged': () => [
    `do $$ begin if (select relpersistence from pg_class where relname = 'notes') = 'u' then alter table notes set logged;
       else alter table notes set unlogged; end if; end $$`,
  ],
  rewrite: (random) => [`alter table facts alter amount type ${pick(random, ['bigint', 'int'])}`],
  'add a column': (random, { step }) => [
    `alter table wide add column c_${step}_${random.integer(100_000)} int default ${random.integer(9)}`,
  ],
  'detach and attach': () => [
    'alter table part detach partition part_1',
    `update part_1 set body = 'detached' where id % 9 = 0`,
    `alter table part attach partition part_1 for values from ('2026-01-01') to ('2026-02-01')`,
  ],
}

/** One piece of work: mostly writes, some upkeep, now and then whole databases and tablespaces. */
export function someWork(random: Random, ledger: Ledger): Work {
  ledger.step++
  const kind = random.integer(20)
  if (kind < 2) return ofDatabases(random, ledger)
  if (kind === 2 && ledger.spaces.length > 0) return ofTablespaces(random, ledger)
  if (kind === 3) return ofPrepared(random, ledger)
  const table = kind < 13 ? writes : upkeep
  const what = pick(random, Object.keys(table))
  return { what, statements: table[what]!(random, ledger) }
}

function ofDatabases(random: Random, { databases, spaces, step }: Ledger): Work {
  const rows = `select g as id, repeat('d', 60) as body from generate_series(1, ${upTo(random, 1500)}) g`
  const name = pick(random, ['', ...databases])
  if (name === '' || databases.length < 2) {
    const made = `db_${step}_${random.integer(1000)}`
    const template = databases.length > 0 && random.integer(2) === 0 ? ` template ${pick(random, databases)}` : ''
    const space = spaces.length > 0 && random.integer(3) === 0 ? ` tablespace ${pick(random, spaces)}` : ''
    const sql = `create database ${made}${template} strategy ${pick(random, ['wal_log', 'file_copy'])}${space}`
    databases.push(made)
    return { what: sql, statements: [sql] }
  }
  const kind = random.integer(4)
  if (kind === 0) {
    databases.splice(databases.indexOf(name), 1)
    return { what: `drop ${name}`, statements: [`drop database ${name} with (force)`] }
  }
  if (kind === 1 && spaces.length > 0) {
    const space = pick(random, [...spaces, 'pg_default'])
    return { what: `move ${name}`, statements: [`alter database ${name} set tablespace ${space}`] }
  }
  const table = `in_${step}_${random.integer(100_000)}`
  return { what: `fill ${name}`, database: name, statements: [`create table ${table} as ${rows}`, 'vacuum'] }
}

function ofTablespaces(random: Random, { spaces, step }: Ledger): Work {
  const space = pick(random, [...spaces, 'pg_default'])
  const table = pick(random, ['facts', 'wide', 'docs', 'part_0'])
  const statements =
    random.integer(2) === 0
      ? [`alter table ${table} set tablespace ${space}`]
      : [
          `create table there_${step}_${random.integer(100_000)} tablespace ${space} as select g as id from generate_series(1, ${upTo(random, 2000)}) g`,
        ]
  return { what: `tablespace ${space}`, statements }
}

function ofPrepared(random: Random, { prepared, step }: Ledger): Work {
  if (prepared.length > 0 && random.integer(2) === 0) {
    const end = pick(random, ['commit', 'rollback'])
    return { what: `${end} prepared`, statements: [`${end} prepared '${prepared.shift()}'`] }
  }
  const name = `p_${step}_${random.integer(100_000)}`
  prepared.push(name)
  return {
    what: 'prepare',
    statements: [
      'begin',
      `create table of_${name} as select g as id from generate_series(1, ${upTo(random, 500)}) g`,
      `prepare transaction '${name}'`,
    ],
  }
}
