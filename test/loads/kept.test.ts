// Acceptance: an unlogged nightly load that was lost with its server is back, equal to the truth; and what is kept of loads is whole, and no more than that.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { replacedTables } from '../../src/loads/keep/session-facts.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import type { KeptLoad } from '../../src/repository/contract.ts'
import type { ReplayReport } from '../../src/recovery/run-replay.ts'
import { warehouses } from '../../src/warehouse/contract.ts'
import { startServer, type Major, type TestServer } from '../support/postgres.ts'
import { writeOld } from './feeds.ts'
import { dayOf, openKeptWorld, truthOf, writeFeed, type KeptWorld } from './kept-world.ts'

const signal = new AbortController().signal
const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))
const major: Major = seed % 2 === 0 ? 15 : 18

const whats = (report: ReplayReport): readonly string[] => report.loads.map((one) => `${one.what} ${one.state}`)

async function refusal(work: Promise<unknown>): Promise<[string, string, string | undefined]> {
  const error = await work.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  )
  assert.ok(isWharfError(error), String(error))
  return [error.code, error.message, error.hint]
}

async function loadDays(at: KeptWorld, days: readonly number[]): Promise<void> {
  for (const day of days) {
    const run = await at.load(day)
    assert.equal(run.state, 'succeeded', JSON.stringify(run.tasks.map((one) => one.error)))
  }
}

async function refusesOtherServer(at: KeptWorld): Promise<void> {
  await using other = await startServer({ major })
  const identifier = async (server: TestServer): Promise<string> =>
    (await server.psql<{ id: string }>('select system_identifier::text as id from pg_control_system()'))[0]!.id
  assert.deepEqual(await refusal(at.replay(other.url)), [
    'recovery.other-server',
    `the server has system identifier ${await identifier(other)}; the loads that are kept were of ${await identifier(at.server)}`,
    'replay goes into a server that was recovered from a backup of the same cluster',
  ])
}

describe(`kept loads and their replay (PostgreSQL ${major}, seed ${seed})`, () => {
  test('what was lost with the server is back, once, also after another crash and after a point in time', async () => {
    await using at = await openKeptWorld(major)
    await emptiedForCertain(at)
    await firstDayBesideBadFile(at)
    const { repository } = at.world
    await at.backup()
    await loadDays(at, [2, 3])
    const third = await idOf(at, 'orders', `orders-${dayOf(3)}.csv`)
    await at.world.archiveAll()
    const truth = await truthOf(at.server)
    await keptIsWhole(at)
    assert.deepEqual(
      (await at.replay(at.server.url, { planOnly: true })).filled.toSorted(),
      ['postgres.stage.orders'],
      'a server that lost nothing',
    )
    assert.deepEqual(await refusal(at.replay(at.server.url)), [
      'recovery.tables-filled',
      'rows are there already, and not from a replay: postgres.stage.orders',
      'nothing was changed. A server that was never recovered has its rows still: replay would write them twice; --overwrite empties these tables first',
    ])
    assert.deepEqual(await refusal(at.replay(at.server.url, { except: ['no-such-load'] })), [
      'recovery.unknown-loads',
      '--except names no load that is kept: no-such-load',
      'wharf recover loads WAREHOUSE --to URL --plan shows the ids',
    ])
    await refusesOtherServer(at)
    assert.equal((await at.stage.run('post', {})).state, 'succeeded')
    await at.server.kill9()

    {
      await using recovered = await at.recover({ latest: true })
      const { replay: outlook } = recovered.report.plan.lost.unlogged
      const before = await truthOf(recovered)
      assert.deepEqual([before['stage.orders'], before['stage.totals']], [[], []])
      assert.deepEqual(before['core.daily'], truth['core.daily'])
      const plan = await at.replay(recovered.url, { planOnly: true })
      assert.deepEqual(await truthOf(recovered), before, 'a plan changes nothing')
      const wanted = [1, 2, 3].map((day) => `nightly/orders orders-${dayOf(day)}.csv`)
      assert.deepEqual(
        plan.loads.map((one) => one.what).toSorted(),
        [...wanted, `nightly/today orders-${dayOf(3)}.csv`, 'nightly/totals'].toSorted(),
      )
      // The plan of the recovery said so before there was a server to ask.
      const staging = ['postgres.stage.orders', 'postgres.stage.today', 'postgres.stage.totals']
      assert.deepEqual([outlook?.loads, outlook?.tables, outlook?.missing], [plan.loads.length, staging, []])
      const report = await at.replay(recovered.url)
      assert.deepEqual(
        report.loads.map((one) => one.id),
        plan.loads.map((one) => one.id),
      )
      assert.deepEqual(await truthOf(recovered), truth)
      assert.deepEqual([report.outside, report.filled, report.loads.flatMap((one) => one.differences)], [[], [], []])
      const left = report.left.filter((one) => one.state !== 'not needed')
      assert.deepEqual(
        left.map(({ what, state, why, command }) => [what, state, why, command]),
        [
          [
            'post/mail',
            'by hand',
            'a command cannot be replayed: run it by hand',
            `(cd ${at.folder} && printf 'day %s' 'is done')`,
          ],
        ],
      )

      const again = await at.replay(recovered.url)
      assert.deepEqual(again.loads, [])
      assert.deepEqual(await truthOf(recovered), truth)

      await recovered.crash()
      assert.deepEqual((await truthOf(recovered))['stage.orders'], [])
      await at.replay(recovered.url)
      assert.deepEqual(await truthOf(recovered), truth)
    }

    // Its unlogged tables are back before anybody is let in.
    await using earlier = await at.recover({ beforeLoad: third, replayLoads: true })
    // Tasks of one night run at once: that of the third may have committed before the load that is recovered to, and then it is there.
    const [today] = await earlier.psql<{ item: string }>(
      `select max(item) as item from wharf.load_journal where task = 'today'`,
    )
    assert.deepEqual(whats(earlier.report.replay!).toSorted(), [
      ...[1, 2].map((day) => `nightly/orders orders-${dayOf(day)}.csv replayed`),
      `nightly/today ${today!.item} replayed`,
      'nightly/totals replayed',
    ])
    const days = await earlier.psql<{ days: number }>(
      'select count(distinct id / 1000000)::int as days from stage.orders',
    )
    assert.deepEqual(days, [{ days: 2 }])
    const report = await at.replay(earlier.url, { after: true })
    assert.deepEqual(await truthOf(earlier), truth)
    assert.ok(whats(report).includes(`nightly/orders orders-${dayOf(3)}.csv replayed`))
    const journaled = await earlier.psql<{ files: number; loads: number }>(
      `select (select count(*)::int from wharf.load_file where task = 'orders') as files,
              (select count(*)::int from wharf.load_journal) as loads`,
    )
    assert.deepEqual(journaled, [{ files: 3, loads: 12 }])
    assert.deepEqual((await at.replay(earlier.url, { after: true })).loads, [])
    await repository.close()
  })
})

/** The file behind it is refused: what was loaded before it in the same task stays kept. */
async function firstDayBesideBadFile(at: KeptWorld): Promise<void> {
  await writeFeed(at.folder, 1)
  const bad = join(at.folder, 'feeds', `orders2-${dayOf(1)}.csv`)
  await writeOld(bad, 'id,region,amount,note\nno number,1,1,\n')
  const run = await at.stage.run('nightly', { businessDate: dayOf(1) })
  assert.equal(run.state, 'failed')
  await at.world.archiveAll()
  await keptIsWhole(at)
  await rm(bad)
  await loadDays(at, [1])
}

/** What a TRUNCATE emptied, as far as it is certain that it did, and which table that was. */
async function emptiedForCertain(at: KeptWorld): Promise<void> {
  await using session = await (await at.stage.context.use(warehouses)).get('dw').connect({ purpose: 'test', signal })
  const emptied = async (sql: string, named: readonly string[]): Promise<readonly string[]> => {
    await session.query('begin')
    try {
      await session.query(sql)
      return await replacedTables(session, named)
    } finally {
      await session.query('rollback')
    }
  }
  assert.deepEqual(await emptied('truncate stage.orders, core.daily', ['stage.orders', 'core.daily']), [
    'core.daily',
    'stage.orders',
  ])
  const anew = 'drop table stage.today; create unlogged table stage.today (id int)'
  assert.deepEqual(await emptied(anew, ['stage.today']), ['stage.today'])
  assert.deepEqual(await emptied('drop table stage.today', ['stage.today']), [])
  const undone = 'savepoint s; truncate stage.orders; rollback to s; insert into stage.orders values (1)'
  assert.deepEqual(await emptied(undone, ['stage.orders']), [])
  const elsewhere =
    'create temp table orders (id int); truncate orders; drop table orders; set local search_path = stage'
  assert.deepEqual(await emptied(elsewhere, ['orders']), [])
}

async function idOf(at: KeptWorld, task: string, item: string): Promise<string> {
  const [row] = await at.server.psql<{ id: string }>(
    `select id from wharf.load_journal where task = '${task}' and item = '${item}'`,
  )
  return row!.id
}

/** Each entry of the journal is kept, with what it says; check finds nothing, and WAL knows that they committed. */
async function keptIsWhole(at: KeptWorld): Promise<void> {
  const { repository } = at.world
  const kept = await repository.kept.list('dw', signal)
  const rows = await at.server.psql<{ id: string; targets: string[]; rows: number; xid: string }>(
    'select id, targets, rows::int, xid::text from wharf.load_journal order by id',
  )
  const facts = (one: KeptLoad): object => ({
    id: one.id,
    targets: Object.keys(one.journal.written).sort(),
    rows: one.journal.rows,
    xid: one.xid?.toString(),
  })
  assert.deepEqual(kept.map(facts).toSorted(byId), rows.toSorted(byId))
  for (const load of kept) assert.equal((await repository.kept.outcome(load, signal)).state, 'committed')
  const { store } = repository
  const unlock = { by: 'passphrase', passphrase: 'correct horse' } as const
  assert.deepEqual((await checkRepository({ store, unlock, depth: 'all', signal })).findings, [])
}

function byId(one: object, other: object): number {
  return (one as { id: string }).id < (other as { id: string }).id ? -1 : 1
}
