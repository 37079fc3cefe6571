// Acceptance 3: full, load, increment, load, WAL; recovered to the end, a time, an LSN, a name and before a load; each equal, table by table, to
// what a client saw at that point. Without page checksums on 17; the newest and the oldest at every point, of the others one each day at half of
// them ("npm run accept -- restore" goes on at random).
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import type { Major } from '../support/postgres.ts'
import { recover, type Wishes } from './recovered.ts'
import { ofTheDay } from '../support/turns.ts'

interface Point {
  readonly what: string
  readonly wishes: Wishes
  readonly contents: Record<string, string>
}

const schema = `
  create table sales (id bigint primary key, day date, amount int, note text);
  create table part (id int, day date) partition by range (day);
  create table part_1 partition of part for values from ('2026-01-01') to ('2026-02-01');
  create table part_2 partition of part for values from ('2026-02-01') to ('2026-03-01');
  create table wide (id int primary key, body text);
  alter table wide alter body set storage external;
  create unlogged table scratch (id int primary key, body text);
  insert into scratch select n, 'x' from generate_series(1, 1000) n;
  create index on sales (day);
  create index on sales using gin (to_tsvector('simple', note));
  create sequence tickets`

const load = (k: number): string => `
  insert into sales select ${k} * 10000 + n, date '2026-01-01' + n % 50, n, 'load ${k} row ' || n from generate_series(1, 1500) n;
  update sales set amount = amount + 1 where id % 7 = ${k % 7};
  delete from sales where id % 41 = ${k};
  insert into part select n, date '2026-01-01' + n % 59 from generate_series(1, 300) n;
  insert into wide select ${k} * 100 + n, repeat(md5(n::text), 400) from generate_series(1, 20) n on conflict do nothing;
  select nextval('tickets')`

async function history(world: World): Promise<readonly Point[]> {
  const { server } = world
  const points: Point[] = []
  const remember = async (what: string, wishes: Wishes): Promise<void> => {
    points.push({ what, wishes, contents: await contentsOf(server) })
  }
  await server.psql('create database other')
  await server.psql('create table elsewhere as select n as id from generate_series(1, 500) n', 'other')
  await server.psql(schema)
  await server.psql(load(1))
  await world.take('full')
  await server.psql(load(2))
  const [between] = await server.psql<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
  await remember('an LSN before the increment', { lsn: between!.lsn })
  await server.psql(load(3))
  await world.take('incremental')
  await server.psql(load(4))
  await server.psql('update elsewhere set id = id + 1', 'other')
  const [lsn] = await server.psql<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
  await remember('an LSN', { lsn: lsn!.lsn })
  await server.psql(load(5))
  const [time] = await server.psql<{ at: string }>(
    "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || 'Z' as at",
  )
  await remember('a time', { at: time!.at })
  await systemClock.sleep(20)
  await server.psql(load(6))
  await server.psql("select pg_create_restore_point('month end')")
  await remember('a name', { name: 'month end' })
  await server.psql('truncate part_1; alter table wide add column extra int default 7')
  await server.psql('vacuum full sales')
  await remember('before a load', { beforeLoad: 'L-7' })
  await server.psql(
    `begin; select pg_logical_emit_message(true, 'wharf.load', 'L-7'); ${load(7)}; drop table wide; commit`,
  )
  await server.psql('create table after_load as select 1 as one')
  await remember('the end', { latest: true })
  await world.archiveAll()
  return points
}

const some = ['an LSN before the increment', 'before a load', 'the end']
interface Case {
  readonly major: Major
  readonly checksums: boolean
  readonly only?: readonly string[]
}

const cases: readonly Case[] = [
  ...ofTheDay<readonly Case[]>([
    [
      { major: 18, checksums: true, only: some },
      { major: 15, checksums: true },
    ],
    [
      { major: 18, checksums: true },
      { major: 15, checksums: true, only: some },
    ],
  ]),
  ofTheDay<Case>([
    { major: 17, checksums: false, only: some },
    { major: 16, checksums: true, only: some },
  ]),
]

for (const { major, checksums, only } of cases) {
  test(`PostgreSQL ${major} ${checksums ? 'with' : 'without'} checksums comes back to every kind of point`, async (t) => {
    await using world = await openWorld({ major, checksums })
    const points = await history(world)
    for (const point of points.filter(({ what }) => only?.includes(what) ?? true)) {
      await t.test(point.what, async () => {
        await using recovered = await recover(world, point.wishes)
        const { proof, plan } = recovered.report
        assert.deepEqual(await contentsOf(recovered.asServer), point.contents)
        assert.equal(proof!.pages!.checksums, checksums)
        assert.deepEqual(proof!.connections.databases, ['other', 'postgres', 'template1'])
        assert.deepEqual(proof!.connections.withoutAmcheck, [])
        assert.ok(proof!.connections.tablesChecked > 100)
        // Unlogged: named before, empty after.
        assert.deepEqual(plan.lost.unlogged.relations, ['postgres.public.scratch'])
        assert.deepEqual(await recovered.psql('select count(*)::int as count from scratch'), [{ count: 0 }])
        await assertSilent(recovered)
      })
    }
  })
}

async function assertSilent(recovered: Awaited<ReturnType<typeof recover>>): Promise<void> {
  const rows = await recovered.psql<{ name: string; setting: string }>(
    `select name, setting from pg_settings
      where name in ('archive_mode', 'max_logical_replication_workers', 'shared_preload_libraries', 'listen_addresses', 'restore_command') order by name`,
  )
  assert.deepEqual(Object.fromEntries(rows.map((row) => [row.name, row.setting])), {
    archive_mode: 'off',
    listen_addresses: '127.0.0.1',
    max_logical_replication_workers: '0',
    restore_command: '',
    shared_preload_libraries: '',
  })
}
