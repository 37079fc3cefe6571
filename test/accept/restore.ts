// Acceptance 3 over random histories: a seeded row of loads, schema changes, backups of all kinds and named moments; then recovered to some of the moments
// and compared, table by table, with what a client saw. Case n of a seed is always the same history.
import { strict as assert } from 'node:assert'

import { systemClock } from '../../src/base/clock.ts'
import { messageOf } from '../../src/base/errors.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { contentsOf } from '../backup/truth.ts'
import { makeFolder, openWorld, type World } from '../backup/world.ts'
import { recover, type Wishes } from '../restore/recovered.ts'
import { majors } from '../support/postgres.ts'

export const defaultCount = 50

interface Moment {
  readonly what: string
  readonly wishes: Wishes
  readonly contents: Record<string, string>
}

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let [passed, failed] = [0, 0]
  for (let number = options.resumeFrom; number < options.count && !options.signal.aborted; number++) {
    const started = systemClock.monotonic()
    const failure = await oneHistory(seededRandom(options.seed * 100_003 + number), number).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure === undefined) passed++
    else failed++
    options.log(`history ${number}: ${failure ?? 'equal'} (${Math.round(systemClock.monotonic() - started)} ms)`)
    options.done(number + 1, failure)
  }
  return { passed, failed }
}

const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)]!

async function oneHistory(random: Random, number: number): Promise<void> {
  const major = majors[number % majors.length]!
  const checksums = random.integer(4) > 0
  await using world = await openWorld({
    major,
    checksums,
    settings: { wal_level: pick(random, ['replica', 'logical']) },
  })
  await world.server.psql(schema)
  await world.take('full')
  const moments: Moment[] = []
  const steps = 8 + random.integer(8)
  for (let step = 0; step < steps; step++) await oneStep({ world, random, step, moments })
  moments.push(await lsnMoment(world), {
    what: 'latest',
    wishes: { latest: true },
    contents: await contentsOf(world.server),
  })
  await world.archiveAll()
  for (const moment of chosen(random, moments, 3)) {
    await using recovered = await recover(world, {
      ...moment.wishes,
      verify: random.integer(2) === 0 ? 'full' : 'checksums',
    })
    assert.deepEqual(await contentsOf(recovered.asServer), moment.contents, `PostgreSQL ${major}, ${moment.what}`)
  }
}

function chosen(random: Random, moments: readonly Moment[], count: number): readonly Moment[] {
  const left = [...moments]
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(random.integer(left.length), 1)[0]!)
}

const schema = `
  create table facts (id bigint primary key, day date, amount int, note text);
  create table part (id int, day date) partition by range (day);
  create table part_0 partition of part default;
  create unlogged table notes (id int);
  create index on facts (day)`

interface Step {
  readonly world: World
  readonly random: Random
  readonly step: number
  readonly moments: Moment[]
}

/** Work of k rows; each may stand alone in any order. */
const works: readonly ((k: number, n: number) => string)[] = [
  (k, n) =>
    `insert into facts select ${k * 100_000} + g, date '2026-01-01' + g % 300, g, md5(g::text) from generate_series(1, ${n}) g on conflict do nothing`,
  (k) => `update facts set amount = amount + 1, note = reverse(note) where id % 13 = ${k % 13}`,
  (k) => `delete from facts where id % 29 = ${k % 29}`,
  (k, n) =>
    `create table t_${k} as select g as id, repeat('t', 50) as body from generate_series(1, ${n}) g; create index on t_${k} (id)`,
  () => 'truncate facts',
  (k) => `drop table if exists t_${k - 2}`,
  (_k, n) => `insert into part select g, date '2026-01-01' + g % 30 from generate_series(1, ${n}) g`,
  () => 'vacuum facts',
  () => 'vacuum full facts',
  () => 'checkpoint',
  () => 'select pg_switch_wal()',
  (k) => `alter table facts alter note set default 'd${k}'`,
  (_k, n) => `begin; insert into part select g, date '2026-01-01' from generate_series(1, ${n}) g; rollback`,
  () => 'insert into notes values (1)',
  () => 'reindex table facts',
]

async function oneStep(parts: Step): Promise<void> {
  const { world, random, step } = parts
  const kind = random.integer(10)
  if (kind < 2) await world.take(pick(random, ['incremental', 'incremental', 'differential', 'full']))
  else if (kind < 6) await world.server.psql(pick(random, works)(step + 3, 100 + random.integer(4000)))
  else if (kind === 6 && step % 2 === 0) await newTablespace(parts)
  else parts.moments.push(await oneMoment(parts))
}

async function newTablespace({ world, step }: Step): Promise<void> {
  const folder = await makeFolder(world, `space ${step}`)
  await world.server.psql(`create tablespace "space ${step}" location '${folder}'`)
  await world.server.psql(
    `create table in_${step} tablespace "space ${step}" as select g as id from generate_series(1, 500) g`,
  )
}

async function oneMoment({ world, random, step }: Step): Promise<Moment> {
  const { server } = world
  switch (random.integer(4)) {
    case 0:
      return await lsnMoment(world)
    case 1: {
      const name = `moment ${step}`
      await server.psql(`select pg_create_restore_point('${name}')`)
      return { what: name, wishes: { name }, contents: await contentsOf(server) }
    }
    case 2: {
      const [row] = await server.psql<{ at: string }>(
        "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || 'Z' as at",
      )
      const contents = await contentsOf(server)
      await systemClock.sleep(5)
      // Something must be committed later, or the time is beyond the end.
      await server.psql(`create table later_${step} ()`)
      return { what: `time ${row!.at}`, wishes: { at: row!.at }, contents }
    }
    default: {
      const contents = await contentsOf(server)
      await server.psql(
        `begin; select pg_logical_emit_message(true, 'wharf.load', 'load-${step}'); ${works[0]!(step, 700)}; commit`,
      )
      return { what: `before load-${step}`, wishes: { beforeLoad: `load-${step}` }, contents }
    }
  }
}

async function lsnMoment({ server }: World): Promise<Moment> {
  const [row] = await server.psql<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
  return { what: `LSN ${row!.lsn}`, wishes: { lsn: row!.lsn }, contents: await contentsOf(server) }
}
