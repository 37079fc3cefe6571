// Critical first: the tables of that tier can be read at the target while the rest is restored, by the warehouse's own roles, and nothing else answers wrongly.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Client } from 'pg'

import type { TierRule } from '../../src/backup/plan/tiers.ts'
import { openReaders, type CriticalReaders } from '../../src/recovery/critical/readers.ts'
import { planText } from '../../src/recovery/plan/plan.ts'
import { prepareRecovery } from '../../src/recovery/plan/prepare.ts'
import { readRecords } from '../../src/recovery/rates/times.ts'
import { serverRuns } from '../../src/warehouse/servers.ts'
import { makeFolder, openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { ofTheDay } from '../support/turns.ts'
import { recover, requestFor, type Wishes } from './recovered.ts'

const signal = new AbortController().signal
const tiers: readonly TierRule[] = [
  { match: { database: 'postgres', schema: 'public', relation: 'sales*' }, tier: 'critical' },
  { match: { schema: 'public', relation: 'tmp_*' }, tier: 'scratch' },
]
const sum = 'select count(*)::int, md5(string_agg(s::text, $$,$$ order by id)) as hash from sales s'

async function fill(world: World, space: string): Promise<void> {
  await world.server.psql(`create tablespace "old space" location '${space}'`)
  await world.server.psql(`
    create role reader login password 'secret';
    create role barred login password 'secret';
    create table sales (id int, day date, body text, long text) partition by list (day);
    create table sales_1 partition of sales for values in ('2026-11-01');
    create table sales_2 partition of sales for values in ('2026-11-02') tablespace "old space";
    alter table sales_1 add primary key (id);
    alter table sales_1 alter long set storage external;
    insert into sales select n, '2026-11-01', md5(n::text), repeat('w', 3000) from generate_series(1, 500) n;
    insert into sales select n, '2026-11-02', md5(n::text), null from generate_series(501, 900) n;
    create table sales_swapped as select 1 as id;
    create table sales_gone as select 1 as id;
    create table next_swapped as select 2 as id;
    create table other (id int primary key, body text, long text);
    alter table other alter long set storage external;
    insert into other select n, md5(n::text), repeat('o', 3000) from generate_series(1, 3000) n;
    create index on other (body);
    create materialized view summary as select count(*) as n from other;
    create table empty_one (id int primary key);
    create sequence numbers;
    create view seen as select o.id from other o join sales s using (id);
    create table spaced tablespace "old space" as select n as id from generate_series(1, 2000) n;
    create table tmp_mine as select 1 as id;
    create table rewritten as select n as id from generate_series(1, 700) n;
    grant select on all tables in schema public to reader, barred`)
  await world.server.psql('vacuum other')
  await world.server.psql('create database elsewhere')
  // From PostgreSQL 16 on, in pg_hba.conf, an expression that matches `postgres`, unless it is written as one of its own.
  await world.server.psql('create database "/post"')
  await world.server.psql('create table foreigner as select 1 as id', 'elsewhere')
}

/** It says nothing of the role `reader`. */
const hba = 'local all all trust\nhost all barred all reject\nhost all postgres 127.0.0.1/32 trust\n'
const left = ['other', 'summary', 'empty_one', 'spaced', 'tmp_mine', 'numbers', 'seen', 'sales_swapped']

async function connect(
  port: number,
  as: { user: string; database?: string; password?: string },
): Promise<Client & AsyncDisposable> {
  const client = new Client({ host: '127.0.0.1', port, password: 'secret', database: 'postgres', ...as })
  client.on('error', () => {})
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

async function readers(world: World, wishes: Wishes): Promise<CriticalReaders & { readonly plan: string }> {
  const request = await requestFor(world, { verify: 'connect', criticalFirst: true, ...wishes })
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  const prepared = await prepareRecovery(request, context, signal, { read: true })
  const begun = context.clock.monotonic()
  const tools = { context, signal, begun, listMs: 1, report: () => {}, say: undefined }
  const opened = await openReaders(prepared, request, tools)
  await prepared.close()
  return Object.assign(opened, { plan: planText(prepared.plan) })
}

const sandboxes = (world: World): string => join(world.folder, 'home', 'sandboxes')

async function dataFolders(world: World): Promise<readonly string[]> {
  const names = await readdir(sandboxes(world)).catch(() => [])
  return names.map((name) => join(sandboxes(world), name, 'data')).filter((path) => existsSync(path))
}

/** Killed when readers have been let in. */
async function killWhenReadable(world: World, wishes: Wishes): Promise<void> {
  const request = await requestFor(world, { verify: 'connect', criticalFirst: true, ...wishes })
  const program = fileURLToPath(new URL('./critical-child.ts', import.meta.url))
  const argument = JSON.stringify({ home: join(world.folder, 'home'), request })
  const child = spawn(process.execPath, [program, argument], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  let seen = false
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'critical first: readable') continue
    seen = true
    child.kill('SIGKILL')
    break
  }
  await ended
  assert.ok(seen, 'readers were never let in')
}

const major = ofTheDay([18, 15] as const)

test(`PostgreSQL ${major}: critical tables can be read before the rest is restored, and what is not there is an error`, async (t) => {
  await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
  const { server } = world
  await fill(world, await makeFolder(world, 'space'))
  await writeFile(join(server.dataDirectory, 'pg_hba.conf'), hba)
  await world.take('full', { tiers })
  await server.psql(`
    update sales set body = reverse(body) where id % 3 = 0;
    update other set body = 'changed' where id % 2 = 0;
    insert into empty_one select generate_series(1, 10);
    create table later as select generate_series(1, 100) as id;
    grant select on later, rewritten to reader;
    drop table sales_gone;
    alter table sales_swapped rename to sales_before;
    alter table next_swapped rename to sales_swapped;
    alter database elsewhere rename to renamed`)
  await server.psql('vacuum full rewritten')
  const truth = await server.psql(sum)
  const [at] = await server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  await server.psql('delete from sales where id < 800')
  await world.archiveAll()
  const target = { lsn: at!.lsn }

  await t.test('as they were at the target; everything else answers with an error, for superusers too', async () => {
    let port: number
    {
      await using opened = await readers(world, target)
      const { report, plan } = opened
      assert.equal(report.failed, undefined)
      assert.match(
        plan,
        /\n  tiers {7}critical {4}[\d.]+ MB for 4 tables: readable after .*\n {14}everything  [\d.]+ MB: back after /,
      )
      assert.deepEqual(report.readers!.databases, ['postgres'])
      assert.deepEqual(report.readers!.unreadable, ['postgres.public.sales_swapped'])
      port = report.readers!.port
      for (const user of ['reader', 'postgres']) {
        await using session = await connect(port, { user })
        const ask = async (text: string): Promise<unknown> => (await session.query<object>(text)).rows
        assert.deepEqual(await ask(sum), truth)
        assert.deepEqual(await ask('select id from sales_1 where id = 77'), [{ id: 77 }])
        // All of it is in WAL.
        assert.deepEqual(await ask('select count(*)::int from later'), [{ count: 100 }])
        assert.deepEqual(await ask('select count(*)::int from rewritten'), [{ count: 700 }])
        for (const name of left.filter((one) => user === 'postgres' || one !== 'numbers'))
          await assert.rejects(ask(`select * from ${name}`), /could not open file/, name)
        await assert.rejects(ask('select count(id) from other where id = 5'), /could not open file/)
        await assert.rejects(ask('select exists (select from other)'), /could not open file/)
        await assert.rejects(ask('select 1 where not exists (select from empty_one)'), /could not open file/)
        await assert.rejects(ask('select s.id from sales s left join other o on o.id = s.id'), /could not open file/)
        await assert.rejects(
          ask('set transaction read write'),
          /cannot set transaction read-write mode during recovery/,
        )
        await assert.rejects(ask('create table t (id int)'), /cannot execute CREATE TABLE in a read-only transaction/)
      }
      await assert.rejects(connect(port, { user: 'barred' }), /pg_hba.conf rejects connection/)
      await assert.rejects(connect(port, { user: 'reader', password: 'guessed' }), /password authentication failed/)
      for (const database of ['renamed', 'template1', '/post'])
        await assert.rejects(connect(port, { user: 'postgres', database }), /pg_hba.conf rejects connection/)
      const [folder] = await dataFolders(world)
      const files = await readdir(folder!)
      assert.deepEqual(files.filter((name) => name.startsWith('wharf-')).toSorted(), [
        'wharf-readers.hba',
        'wharf-recovery.json',
        'wharf-socket',
      ])
      assert.doesNotMatch(await readFile(join(folder!, 'postgresql.auto.conf'), 'utf8'), /restore_command/)
    }
    await assert.rejects(connect(port, { user: 'reader' }), /ECONNREFUSED/)
    assert.deepEqual(await dataFolders(world), [])
  })

  await t.test('the folder for it is none that is restored into', async () => {
    const folder = join(world.folder, 'whole')
    const wishes = { ...target, toDirectory: folder, criticalDirectory: join(folder, 'first') }
    await assert.rejects(readers(world, wishes), {
      code: 'recovery.bad-option',
      message: `--critical-directory ${folder}/first: it lies in ${folder}, which is restored into`,
    })
  })

  await t.test('where it fails, why is said, and nothing stays', async () => {
    await using opened = await readers(world, {
      ...target,
      criticalDirectory: join(server.dataDirectory, 'PG_VERSION'),
    })
    assert.match(opened.report.failed!, /^EEXIST/)
    assert.deepEqual(await dataFolders(world), [])
  })

  await t.test(
    'after one that was killed a run ends its server, lets readers in itself, and says goodbye',
    async () => {
      await killWhenReadable(world, target)
      const [killed, ...more] = await dataFolders(world)
      assert.deepEqual(more, [])
      assert.equal(await serverRuns(killed!), true)
      await using recovered = await recover(world, { ...target, verify: 'connect', criticalFirst: true })
      assert.equal(await serverRuns(killed!), false)
      assert.deepEqual(await dataFolders(world), [])
      assert.deepEqual(await recovered.psql(sum), truth)
      assert.deepEqual(await recovered.psql('select count(*)::int from other'), [{ count: 3000 }])
      const { critical } = recovered.report
      assert.equal(critical!.relations, 4)
      await assert.rejects(connect(critical!.readers!.port, { user: 'reader' }), /ECONNREFUSED/)
      const phases = [...new Set(recovered.progress.map((one) => one.phase))]
      assert.ok(phases.indexOf('critical first: readable') < phases.indexOf('fetching'), phases.join(', '))
      assert.equal(phases.at(-1), 'ending the server for readers')
      const records = await readRecords(join(world.folder, 'home'))
      const [first, whole] = records.slice(-2)
      assert.deepEqual([first!.way, whole!.way], ['critical-first', 'node'])
      assert.deepEqual(
        first!.steps.map((one) => one.step),
        ['list', 'fetch', 'replay', 'checkpoint', 'start'],
      )
      assert.ok(whole!.durationMs < recovered.report.durationMs)
    },
  )
})
