// A drill on real servers: what it proves, what it leaves behind, and that it touches nothing.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Progress } from '../../src/base/operation.ts'
import type { OperationContext } from '../../src/base/operation.ts'
import { readArchive } from '../../src/recovery/drills/archive.ts'
import { evidenceSchema } from '../../src/recovery/drills/shapes.ts'
import { evidenceText } from '../../src/recovery/drills/text.ts'
import { drillList } from '../../src/recovery/operations/drill-list.ts'
import { readRecords } from '../../src/recovery/rates/times.ts'
import { installSql } from '../../src/warehouse/load-journal.ts'
import { openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import type { Major } from '../support/postgres.ts'
import { drill, homeOf } from './world.ts'

const schema = `
  create table sales (id bigint primary key, day date, amount int, note text) partition by range (id);
  create table sales_1 partition of sales for values from (0) to (1000);
  create table sales_2 partition of sales for values from (1000) to (2000);
  create table plain (id int primary key, price numeric(10, 2));
  ${installSql}`

/** A load as the loads room writes it: rows, journal and mark in one transaction. */
async function load(world: World, id: string, sql: string): Promise<void> {
  await world.server.psql(
    `begin; ${sql};
     insert into wharf.load_journal (id, pipeline, task, run_id, item, token, xid, started_at, targets, inputs, rows, logged)
     values ('${id}', 'nightly', 't', '${id}', '', 1, pg_current_xact_id(), now(), '{public.sales,public.plain}', '[]', 1, true);
     select pg_logical_emit_message(true, 'wharf.load', '${id}'); commit`,
  )
}

const checks = {
  'newest sale': { database: 'postgres', sql: 'select max(id) from sales', expect: 1899 },
  'enough rows': { database: 'postgres', sql: 'select count(*) from plain', at_least: 5, at_most: 10 },
  'nobody reads this': { database: 'postgres', sql: 'select not exists (select from sales where amount < 0)' },
}

const running = (world: World): string => join(homeOf(world), 'drills', 'running')

/** What a drill with the same mark would leave that is killed now. */
async function leaveKilled(world: World, mark: string, id: string): Promise<void> {
  const known = JSON.parse(mark) as { drill: string; process: string }
  const text = JSON.stringify({ ...known, process: '999999999 1' }).replaceAll(known.drill, id)
  await writeFile(join(running(world), `${id}.json`), text)
  await mkdir(join(world.folder, 'sandboxes', id, 'base'), { recursive: true })
}

async function listed(world: World): Promise<string> {
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: homeOf(world), rooms: [] }, scope) as OperationContext
  return drillList.text(await drillList.run({}, context, new AbortController().signal))
}

/** The other versions are tried by damage.test.ts and the acceptance `predict`. */
const versions: readonly Major[] = [18]

for (const major of versions) {
  test(`PostgreSQL ${major}: a drill recovers, proves, keeps evidence and leaves nothing else`, async (t) => {
    await using world = await openWorld({ major })
    await world.server.psql(schema)
    await load(world, 'L-1', 'insert into sales select n, now(), n, $$x$$ from generate_series(0, 1899) n')
    await world.take('full', { tiers: [{ match: { schema: 'public', relation: 'sales*' }, tier: 'critical' }] })
    await load(world, 'L-2', 'insert into plain select n, n * 1.5 from generate_series(1, 7) n')
    const [between] = await world.server.psql<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
    await load(world, 'L-3', 'insert into plain select n, 0 from generate_series(8, 10) n')
    await world.archiveAll()

    await t.test('to the end of WAL', async () => {
      let mark = ''
      let meanwhile: Promise<string> | undefined
      const report = ({ phase }: Progress): void => {
        if (phase !== 'starting') return
        const [file] = readdirSync(running(world))
        mark = readFileSync(join(running(world), file!), 'utf8')
        meanwhile ??= listed(world)
      }
      const { evidence, folder } = await drill(world, { policy: { checks }, report })
      assert.equal(folder, undefined)
      assert.deepEqual(await readdir(join(world.folder, 'sandboxes')), [])
      assert.deepEqual(await readdir(running(world)), [])
      assert.match(
        (await meanwhile)!,
        new RegExp(`\\n${evidence.id} +retail +all +\\S+ +running +- +- +not ended yet$`),
      )
      await leaveKilled(world, mark, 'killed-1')
      assert.equal(evidence.outcome, 'passed')
      assert.deepEqual(evidence.findings, [])
      const { proof } = evidence
      assert.deepEqual(proof.databases, ['postgres', 'template1'])
      assert.equal(proof.pages!.checksums, true)
      assert.ok(proof.amcheck!.tables > 100)
      const [has] = await world.server.psql<{ there: boolean }>(
        `select exists (select from pg_available_extensions where name = 'pg_visibility') as there`,
      )
      assert.equal(proof.visibility!.tables > 100, has!.there)
      // WAL since the backup names two loads; the journal has the one before it too.
      assert.deepEqual(proof.journal, { committedByWal: 2, inJournal: 2, entries: 3 })
      const truth = await world.server.psql<{ table: string; rows: string; sum: string }>(
        `select 'public.sales_1' as table, count(*)::text as rows, sum(amount)::text as sum from sales_1
         union all select 'public.sales_2', count(*)::text, sum(amount)::text from sales_2
         union all select 'public.plain', count(*)::text, sum(price)::text from plain order by 1`,
      )
      assert.deepEqual(
        proof.counts.map((one) => ({ table: one.table, rows: one.rows, sum: one.sums.at(-1)!.sum })),
        truth,
      )
      assert.deepEqual(
        proof.queries.map((one) => [one.name, one.found, one.passed]),
        [
          ['newest sale', '1899', true],
          ['enough rows', '10', true],
          ['nobody reads this', 'true', true],
        ],
      )
      // WAL is a step of its own where the server's user cannot read the repository, as when root recovers.
      const names = evidence.steps.map((one) => one.step).filter((one) => one !== 'fetch-wal')
      assert.deepEqual(names, ['list', 'fetch', 'sync', 'replay', 'verify', 'checkpoint'])
      const [record] = await readRecords(homeOf(world))
      assert.equal(record!.way, 'drill')
      assert.equal(record!.durationMs, evidence.recoveryMs)
      evidenceSchema.parse(evidence)
    })

    await t.test('of the critical tier alone: what it covers is said, and nothing else is looked at', async () => {
      assert.match(
        await listed(world),
        /\nkilled-1 +retail +all +\S+ +interrupted +- +- +begun and never ended: the next drill keeps evidence of that$/,
      )
      const { evidence, folder } = await drill(world, { tier: 'critical', policy: { checks } })
      // Of the one that was killed there is evidence now, as far as it had come.
      const { drills, problems } = await readArchive(homeOf(world))
      const killed = drills.at(-2)!.evidence!
      assert.deepEqual([killed.id, killed.outcome, killed.backup], ['killed-1', 'interrupted', evidence.backup])
      assert.match(killed.notes.at(-1)!, /^its process ended without a word: it was killed, or the machine went down; /)
      assert.deepEqual([...problems, ...drills.flatMap((one) => one.problems)], [])
      assert.match(
        evidenceText(killed),
        /^drill killed-1 of retail: INTERRUPTED\n  when {8}\S+ until nobody knows when, on /,
      )
      assert.equal(folder, undefined)
      assert.deepEqual(await readdir(join(world.folder, 'sandboxes')), [])
      assert.deepEqual([evidence.outcome, evidence.tier, evidence.findings], ['passed', 'critical', []])
      const { coverage, proof } = evidence
      assert.deepEqual(coverage!.names, ['postgres.public.sales_1', 'postgres.public.sales_2'])
      const [all] = await world.server.psql<{ count: number }>(
        `select count(*)::int from pg_class where relkind in ('r', 'm') and oid >= 16384`,
      )
      assert.deepEqual([coverage!.tables, coverage!.ofTables], [2, all!.count])
      assert.ok(coverage!.bytes < coverage!.ofBytes)
      assert.deepEqual(proof.databases, ['postgres'])
      assert.ok(proof.amcheck!.tables > 60 && proof.pages!.checksums)
      assert.deepEqual(proof.journal, { committedByWal: 2, inJournal: 2, entries: 3 })
      assert.deepEqual(
        proof.counts.map((one) => [one.table, one.rows]),
        [
          ['public.sales_1', '1000'],
          ['public.sales_2', '900'],
        ],
      )
      assert.deepEqual(
        proof.queries.map((one) => [one.name, one.passed]),
        [
          ['newest sale', true],
          ['nobody reads this', true],
        ],
      )
      assert.ok(evidence.notes.includes('check "enough rows" was not run: it needs tables that are not critical'))
      assert.deepEqual(
        evidence.steps.map((one) => one.step),
        ['list', 'fetch', 'replay', 'checkpoint', 'start'],
      )
      assert.equal((await readRecords(homeOf(world))).at(-1)!.way, 'critical-first')
      evidenceSchema.parse(evidence)
      assert.match(
        evidenceText(evidence),
        /\n  covered {5}tier critical alone: 2 of \d+ tables, .* nothing is proven\n/,
      )
    })

    await t.test('to a point between two loads; and a sandbox that is kept is stopped', async () => {
      const { evidence, folder } = await drill(world, {
        lsn: between!.lsn,
        verify: 'connect',
        counts: 'none',
        keep: true,
      })
      assert.deepEqual(evidence.proof.journal, { committedByWal: 1, inJournal: 1, entries: 2 })
      assert.deepEqual(evidence.proof.counts, [])
      assert.ok(existsSync(join(folder!, 'global', 'pg_control')))
      assert.ok(!existsSync(join(folder!, 'postmaster.pid')))
    })

    await t.test(
      'to a point drawn by lot; a check that does not hold fails it, with what was expected and found',
      async () => {
        const failing = { database: 'postgres', sql: 'select count(*) > 100 from plain', expect: true }
        await assert.rejects(drill(world, { random: true, verify: 'connect', policy: { checks: { rows: failing } } }), {
          code: 'recovery.drill-failed',
          exit: 'findings',
          message:
            /^drill \S+ of warehouse "retail" failed: check "rows" in database postgres: expected true, found false$/,
        })
        const archive = await readArchive(homeOf(world))
        const { outcome, target } = archive.drills.at(-1)!.evidence!
        assert.equal(outcome, 'failed')
        assert.match(target!.asked, /^LSN /)
        assert.ok(archive.drills.every((one) => one.problems.length === 0))
        assert.deepEqual(archive.problems, [])
      },
    )

    await t.test('one that is cancelled says so, and cleans up', async () => {
      const stop = new AbortController()
      const before = (await readdir(join(world.folder, 'sandboxes'))).length
      const report = ({ phase }: Progress): void => {
        if (phase === 'starting') stop.abort(new Error('enough'))
      }
      await assert.rejects(drill(world, { signal: stop.signal, report }), /enough/)
      assert.equal((await readdir(join(world.folder, 'sandboxes'))).length, before)
      assert.equal((await readArchive(homeOf(world))).drills.at(-1)!.evidence!.outcome, 'cancelled')
    })
  })
}
