// One database comes back into a new one beside it: by pg_dump the same definitions, table by table the same rows. pg_dump of PostgreSQL 15 is the one that systems have here.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import type { OperationContext, Progress } from '../../src/base/operation.ts'
import type { DatabaseInput } from '../../src/recovery/operations/database.ts'
import { plan } from '../../src/recovery/operations/plan.ts'
import type { PlanAnyInput } from '../../src/recovery/operations/plan-part.ts'
import type { PartPlan } from '../../src/recovery/plan/parts/plan.ts'
import type { RecoveryPlan } from '../../src/recovery/plan/plan.ts'
import { plainSession } from '../../src/recovery/tables/session-settings.ts'
import { openWorld, type World } from '../backup/world.ts'
import { requestFor } from '../restore/recovered.ts'
import { testContext } from '../support/context.ts'
import { skipUnless } from '../support/requirements.ts'
import { lsnOf, recoverDatabase, type Asking } from './recovering.ts'

const PG_DUMP = '/usr/lib/postgresql/15/bin/pg_dump'

const schema = `
  create schema app; create schema "Odd;Name";
  create type app.mood as enum ('sad', 'ok'); create type app.pair as (a int, b app.mood); create domain app.positive as int check (value > 0);
  create type app.span as range (subtype = int8);
  create function app.touch() returns trigger language plpgsql as $$ begin new.note := coalesce(new.note, 'it''s; \\restrict'); return new; end $$;
  create function app.twice(n int) returns int language sql immutable begin atomic; select case when n > 0 then 2 * n else 0 end; end;
  create function app.secret() returns int language sql security definer as 'select 1';
  create table app.customers (id int generated always as identity primary key, name text not null, mood app.mood default 'ok', moods app.mood[], pair app.pair, size app.positive, span app.span, of regclass, day date, ratio float8, took interval);
  create table app.orders (id bigserial, customer int references app.customers on delete cascade, note text, long text, total int generated always as (app.twice(customer)) stored, placed date not null) partition by range (placed);
  alter table app.orders add primary key (id, placed);
  create table app.orders_1 partition of app.orders for values from ('2026-01-01') to ('2026-07-01');
  create table app.orders_2 partition of app.orders for values from ('2026-07-01') to ('2027-01-01');
  create table "Odd;Name"."T ""x""" ("a;b" int, primary key ("a;b")); create table app.nothing (); insert into app.nothing default values; create unlogged table app.quick (n int); insert into app.quick values (987654321);
  create index orders_note on app.orders (lower(note)); create index on app.customers (mood) where mood = 'ok';
  create view app.busy as select c.id, c.name, count(*) from app.customers c join app.orders o on o.customer = c.id group by c.id;
  create materialized view app.per_day as select placed, count(*) as n from app.orders group by placed; create unique index on app.per_day (placed);
  create trigger touch before insert on app.orders for each row execute function app.touch();
  create rule no_delete as on delete to "Odd;Name"."T ""x""" do also (select 1; select 2);
  create statistics app.stat on mood, name from app.customers;
  alter table app.customers enable row level security; create policy own on app.customers for select to clerk, former using (id > 3); create table app.news (day date default '2026-02-01');
  grant usage on schema app to clerk, gone; grant select on app.customers to gone with grant option; set session authorization gone; grant select on app.customers to auditor; reset session authorization; grant select on app.orders to clerk; grant update (name) on app.customers to gone; alter view app.busy owner to gone; alter function app.secret() owner to gone;
  alter default privileges for role clerk in schema app grant select on tables to auditor;
  comment on table app.orders is 'begin; it''s all here'; comment on database shop is 'ours';
  create publication news for table app.customers;
  insert into app.customers (name, mood, moods, pair, size, span, of, day, ratio, took) select 'c' || n, 'sad', '{sad,ok}', row(n, 'ok')::app.pair, n, app.span(n, n + 5), 'app.orders', date '2026-01-02' + n, n / 7.0::float8, make_interval(days => -n, hours => n) from generate_series(1, 50) n;
  insert into app.orders (customer, note, long, placed) select 1 + n % 50, case when n % 3 = 0 then 'n' || n end, repeat(md5(n::text), 20), date '2026-01-01' + n % 300 from generate_series(1, 3000) n;
  insert into "Odd;Name"."T ""x""" select generate_series(1, 100); select lo_from_bytea(4711, decode(repeat('ab01', 700000), 'hex')); select setval('app.orders_id_seq', 7777);`

async function planOf(world: World, wishes: Partial<PlanAnyInput>): Promise<RecoveryPlan | PartPlan> {
  const { repositoryPath, passphraseFile } = await requestFor(world, {})
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  const input = plan.input.parse({ warehouse: 'retail', repositoryPath, passphraseFile, ...wishes })
  const asking = { progress: () => {}, confirm: () => Promise.resolve(false), actor: 'test' }
  const operationContext: OperationContext = Object.assign(Object.create(context) as typeof context, asking)
  return await plan.run(input, operationContext, new AbortController().signal)
}

function urlOf(world: World, name: string): string {
  const url = new URL(world.server.url)
  url.pathname = `/${name}`
  return url.href
}

/** As PostgreSQL's own program tells it, rows in their order on disk put into one order. */
function dump(world: World, name: string): readonly string[] {
  const found = spawnSync(PG_DUMP, ['--create', '--no-sync', urlOf(world, name)], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  assert.equal(found.status, 0, found.stderr)
  const text = found.stdout.replaceAll(/^\\(un)?restrict .*$/gm, '').replaceAll(name, 'DATABASE')
  return text.split('\n').toSorted()
}

/** Lines of `all` that are not, or not as often, in `some`. */
function missingIn(some: readonly string[], all: readonly string[], except: RegExp): readonly string[] {
  const left = new Map<string, number>()
  for (const one of some) left.set(one, (left.get(one) ?? 0) + 1)
  return all.filter((one) => {
    const count = left.get(one) ?? 0
    left.set(one, count - 1)
    return count <= 0 && !except.test(one)
  })
}

async function databasesOf(world: World): Promise<readonly string[]> {
  const rows = await world.server.psql<{ name: string }>('select datname as name from pg_database order by 1')
  return rows.map((one) => one.name)
}

test(
  'PostgreSQL 15: a database comes back as a new one, the same by pg_dump; what cannot be leaves nothing',
  { skip: skipUnless('debian-postgres-15') },
  async () => {
    await using world = await openWorld({ major: 15, settings: { autovacuum: 'off' } })
    const { server } = world
    await server.psql('create role clerk; create role auditor; create role gone; create role former')
    await server.psql('create database shop template template0 connection limit 33')
    await server.psql("create database other template template0 encoding 'SQL_ASCII' locale 'C'")
    // Whatever changes how values and literals are written, and what a server in recovery cannot do.
    const settings = {
      datestyle: 'German, DMY',
      intervalstyle: 'sql_standard',
      extra_float_digits: '-3',
      default_transaction_isolation: 'serializable',
    }
    for (const [name, value] of Object.entries(settings))
      await server.psql(`alter database shop set ${name} to '${value}'`)
    await server.psql('alter database shop set search_path to app, "Odd;Name"')
    await server.psql('revoke connect on database shop from public')
    await server.psql('grant connect on database shop to clerk')
    await server.psql(schema, 'shop')
    await server.psql(
      "create table other_rows as select generate_series(1, 3000) as n; create table bytes as select e'\\xe4\\xff' as b",
      'other',
    )
    await world.take('full')
    await server.psql(
      "update app.orders set note = 'changed' where id % 7 = 0; delete from app.orders where id % 31 = 0; create table app.later as select 1 as one; refresh materialized view app.per_day",
      'shop',
    )
    await server.psql('vacuum full app.orders', 'shop')
    const truth = dump(world, 'shop')
    const lsn = await lsnOf(world)
    await server.psql('drop database shop')
    await server.psql('alter database other rename to shop')
    await server.psql('drop role gone; drop role former')
    await world.archiveAll()
    {
      // The session that gives the name at last is idle for hours until then.
      await using session = await server.connect()
      await session.query(`set idle_session_timeout = '1h'; ${plainSession}`)
      const { rows } = await session.query("select current_setting('idle_session_timeout') as timeout")
      assert.deepEqual(rows, [{ timeout: '0' }])
    }

    const before = await databasesOf(world)
    const refusal = async (
      wishes: Partial<DatabaseInput> & Pick<DatabaseInput, 'database'>,
      code: string,
      asking: Asking = {},
    ): Promise<string> => {
      const error = await recoverDatabase(world, { lsn, ...wishes }, asking).then(
        () => assert.fail('it was not refused'),
        (thrown: unknown) => thrown,
      )
      assert.ok(isWharfError(error, code), String(error))
      assert.deepEqual(await databasesOf(world), before)
      return error.message
    }
    assert.equal(
      await refusal({ database: 'shop', as: 'shop' }, 'recovery.database-taken'),
      'a database shop exists already',
    )
    assert.equal(
      await refusal({ database: 'template1' }, 'recovery.template-database'),
      "template1 is a template of PostgreSQL's own",
    )
    assert.equal(
      await refusal({ database: 'shp' }, 'recovery.no-such-database'),
      `there was no database shp at LSN ${lsn}`,
    )
    assert.match(
      await refusal({ database: 'shop', pgDump: '/bin/true' }, 'recovery.no-pg-dump'),
      /^\/bin\/true is no pg_dump/,
    )
    assert.equal(
      await refusal({ database: 'shop', as: 'shop_then' }, 'recovery.policy-for-nobody'),
      'policy own of app.customers is for role former, which does not exist any more',
    )
    await server.psql('create role former')
    const cancelled = new AbortController()
    const progress = ({ phase }: Progress): void => (phase === 'building indexes' ? cancelled.abort() : undefined)
    const cancelling = { progress, signal: cancelled.signal }
    await assert.rejects(recoverDatabase(world, { database: 'shop', as: 'shop_then', lsn }, cancelling))
    assert.ok(cancelled.signal.aborted)
    assert.deepEqual(await databasesOf(world), before)

    const planned = await planOf(world, { database: 'shop', lsn })
    const questions: string[] = []
    const report = await recoverDatabase(world, { database: 'shop', as: 'shop_then', lsn }, { questions })
    assert.match(questions.join('\n'), /^roles that do not exist any more had rights there \(gone\): leave/)
    assert.deepEqual(await databasesOf(world), [...before, 'shop_then'].toSorted())
    // The role that is gone is in the truth alone: its rights, and what it owned.
    const ofGone =
      /^(|--|987654321| +LANGUAGE sql)$|\bgone\b|(app\.busy|FUNCTION app\.secret\(\)) OWNER TO|Owner:|RESET SESSION|app\.customers TO auditor|SECURITY DEFINER|AS 'select 1'/
    const now = dump(world, 'shop_then')
    assert.deepEqual(missingIn(now, truth, ofGone), [])
    assert.deepEqual(missingIn(truth, now, ofGone), [])
    const [secret] = await server.psql<{ definer: boolean }>(
      "select prosecdef as definer from pg_proc where proname = 'secret'",
      'shop_then',
    )
    assert.equal(secret!.definer, false)
    // What the plan said would be read is what was read; it named what would be done, and what would not come.
    assert.ok('way' in planned && planned.way === 'database')
    const { wantedBytes, catalogBytes } = planned.size
    assert.ok(
      Math.abs(report.restoredBytes / (wantedBytes + catalogBytes) - 1) < 0.01,
      `${report.restoredBytes} of ${wantedBytes + catalogBytes}`,
    )
    assert.deepEqual(planned.live, ['a new database shop_recovered_<time> beside the others; nothing else changes'])
    assert.deepEqual(planned.lost.unlogged.relations, ['shop.app.quick'])
    assert.equal(planned.backup.id, report.backup)
    assert.equal(planned.because, `no other backup leads to the target than ${report.backup}`)

    assert.deepEqual([report.place, report.largeObjects], ['shop_then', 1])
    assert.ok(report.notes.includes('not logged, so empty: app.quick'), report.notes.join('\n'))

    // Another database has had its name since, and the new one gets a name of its own.
    const renamed = await recoverDatabase(world, { database: 'shop', latest: true })
    assert.match(renamed.place, /^shop_recovered_\d{8}_\d{6}$/)
    const [rows] = await server.psql<{ rows: number }>('select count(*)::int as rows from other_rows', renamed.place)
    assert.equal(rows!.rows, 3000)
    const [kept] = await server.psql<{ same: boolean; open: boolean }>(
      `select encode(b::bytea, 'hex') = 'e4ff' as same, has_database_privilege('clerk', current_database(), 'connect') as open from bytes`,
      renamed.place,
    )
    assert.deepEqual(kept, { same: true, open: true })
    assert.deepEqual(
      (await databasesOf(world)).filter((one) => one.startsWith('wharf')),
      [],
    )
  },
)
