// P6, with loads, backups, copies and a recovered server: no backup overlaps a load that is not logged, what a recovery would lose is named, and
// kept copies bring it back.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import { copiesDaemon } from '../../src/backup/copies-daemon.ts'
import { collectPeriod } from '../../src/backup/period/collect.ts'
import { room as backupRoom } from '../../src/backup/room.ts'
import { runBackup } from '../../src/backup/run-backup.ts'
import { runCopy } from '../../src/backup/run-copy.ts'
import { reportUnprotected } from '../../src/backup/unlogged/unprotected.ts'
import { controlDatabase } from '../../src/control/contract.ts'
import { restoreCopies, type CopiesRequest } from '../../src/recovery/run-copies.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import { repositories } from '../../src/repository/contract.ts'
import { initRepository } from '../../src/repository/open.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import { openStore } from '../../src/repository/stores.ts'
import { runEngine } from '../../src/runs/contract.ts'
import { scratchFolder, startServer, type TestServer } from '../support/postgres.ts'
import { ensureDatabase, openLoadStage, type LoadStage } from './stage.ts'

const signal = new AbortController().signal
const quiet = { report: () => {}, signal }

const pipelines = {
  nightly: {
    warehouse: 'dw',
    tasks: {
      fill: {
        logged: false,
        sql: { text: `insert into stage.orders select n, 'row ' || n from generate_series(1, 1000) n` },
      },
    },
  },
  slow: {
    warehouse: 'dw',
    tasks: { fill: { logged: false, sql: { text: 'select pg_sleep(4); insert into stage.slow values (1)' } } },
  },
}

async function openStage(server: TestServer, path: string): Promise<LoadStage> {
  await ensureDatabase(server, 'control')
  mkdirSync(path)
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: { by: 'none' }, signal })
  return await openLoadStage({
    server,
    pipelines,
    rooms: [repositoryRoom, backupRoom],
    repositories: ['main'],
    // The backup and its load share this process: on a loaded machine a short lease is lost, and the load runs again behind the backup.
    lease: '60s',
    config: {
      repositories: { main: { path, encryption: 'none' } },
      backup: { dw: { unlogged: { copy: ['stage.orders'], keep: 1 } } },
    },
  })
}

/** Counters reach other sessions up to a second late. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let left = 300; left > 0; left--) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await systemClock.sleep(200)
  }
  return assert.fail('it did not come about in a minute')
}

void test('unlogged work: interlock, report, copies, and their way back', async () => {
  await using server = await startServer({ major: 18 })
  await using scratch = await scratchFolder()
  const path = join(scratch.path, 'repository')
  await using stage = await openStage(server, path)
  const { context } = stage
  await server.psql(`create schema stage; create unlogged table stage.orders (id int, body text);
    create unlogged table stage.slow (id int); create table stage.logged (id int)`)

  // A backup that comes while such a load runs waits for it, and says for whom.
  const running = stage.run('slow')
  await until(async () => {
    const rows = await server.psql(
      `select 1 from pg_stat_activity where query like 'select pg_sleep(4)%' and state = 'active'`,
    )
    return rows.length > 0 ? rows : undefined
  })
  const said: string[] = []
  const report = ({ phase, note }: { phase: string; note?: string }): void => {
    if (phase === 'waiting for unlogged loads') said.push(note ?? '')
    if (phase === 'listing') said.push('listing')
  }
  const backup = await runBackup({ warehouse: 'dw', kind: 'full' }, context, { report, signal })
  const slow = await running
  assert.equal(slow.state, 'succeeded')
  assert.deepEqual([...new Set(said)], ['load slow', 'listing'])
  const [order] = await server.psql<{ before: boolean }>(
    `select committed_at <= '${backup.finishedAt}'::timestamptz as before from wharf.load_journal where pipeline = 'slow'`,
  )
  assert.equal(order?.before, true)

  // What would be lost now, and who wrote it.
  assert.equal((await stage.run('nightly')).state, 'succeeded')
  const first = await until(async () => {
    const found = await reportUnprotected(context, 'dw', signal)
    const orders = found.tables.find((one) => one.relation === 'stage.orders')
    return orders?.lastLoad && found.tables.every((one) => one.foreignWrites === null) ? found : undefined
  })
  assert.deepEqual(
    first.tables.map((one) => [one.relation, one.why, one.lastLoad?.pipeline, one.copy, one.copyIsCurrent]),
    [
      ['stage.orders', 'unlogged', 'nightly', null, false],
      ['stage.slow', 'unlogged', 'slow', null, false],
    ],
  )
  await server.psql(`insert into stage.orders values (-1, 'by hand'), (-2, 'by hand')`)
  const strange = await until(async () => {
    const { tables } = await reportUnprotected(context, 'dw', signal)
    return tables.find((one) => one.foreignWrites !== null)
  })
  assert.deepEqual([strange.relation, strange.foreignWrites?.rows], ['stage.orders', 2])

  // A copy protects it.
  const [taken] = await runCopy({ warehouse: 'dw' }, context, quiet)
  assert.deepEqual(
    taken?.copy.tables.map((one) => [one.schema, one.name, one.rows]),
    [['stage', 'orders', 1002]],
  )
  const protectedNow = await reportUnprotected(context, 'dw', signal)
  assert.equal(protectedNow.tables.find((one) => one.relation === 'stage.orders')?.copyIsCurrent, true)

  await isReported(stage, backup.id)
  await daemonCopies(stage, taken.copy.id)
  await comesBack(server, stage, path)
})

/** The report of a period knows the backup, what failed, and what was alerted. */
async function isReported(stage: LoadStage, backup: string): Promise<void> {
  const { context } = stage
  const control = await context.use(controlDatabase)
  await control.emit({
    kind: 'backup.failed',
    subject: 'dw',
    data: { repository: 'main', kind: 'full', message: 'no disk' },
  })
  await control.emit({
    kind: 'backup.finished',
    subject: 'dw',
    data: { backup: 'expired', repository: 'main', kind: 'full', durationMs: 5 },
  })
  const toMs = context.clock.now() + 60_000
  const found = await collectPeriod(context, 'dw', { fromMs: toMs - 3_600_000, toMs, signal })
  assert.deepEqual(found.backups.map((one) => `${one.id} ${one.gone}`).toSorted(), [`${backup} false`, 'expired true'])
  assert.deepEqual(
    found.failures.map((one) => one.message),
    ['no disk'],
  )
  assert.ok(found.wal[0]!.chunks > 0)
  const earlier = await collectPeriod(context, 'dw', { fromMs: 0, toMs: 1, signal })
  assert.deepEqual([earlier.backups, earlier.failures, earlier.wal[0]!.chunks], [[], [], 0])
}

/** The next such load is copied by itself, and the copy before it goes. */
async function daemonCopies(stage: LoadStage, before: string): Promise<void> {
  const { context } = stage
  const stop = new AbortController()
  const engine = await context.use(runEngine)
  await context.use(controlDatabase)
  const tools = { announce: () => {}, hurry: signal }
  const daemon = copiesDaemon.run(context, stop.signal, tools)
  const worker = engine.work({ context, signal: stop.signal })
  try {
    const { runId } = await engine.submit(
      (await import('../../src/loads/pipeline.ts')).requestFor(context, 'nightly', {
        trigger: 'manual',
        actor: 'test',
      }),
    )
    const repository = await (await context.use(repositories)).open('main', signal)
    const copies = await until(async () => {
      const found = await repository.copies.list('dw', signal)
      return found.length === 1 && found[0]!.id !== before ? found : undefined
    })
    assert.equal(copies[0]!.tables[0]!.rows, 2002)
    assert.equal((await engine.get(runId))?.state, 'succeeded')
  } finally {
    stop.abort()
    await Promise.all([daemon, worker])
  }
}

async function comesBack(server: TestServer, stage: LoadStage, path: string): Promise<void> {
  const { context } = stage
  const truth = await server.psql('select * from stage.orders order by id, body')
  const checked = await checkRepository({
    store: await openStore({ kind: 'file', path }),
    unlock: { by: 'none' },
    depth: 'all',
    signal,
  })
  assert.deepEqual(checked.findings, [])

  await using recovered = await startServer({ major: 18 })
  await recovered.psql('create schema stage; create unlogged table stage.orders (id int, text_of_it text)')
  const request: CopiesRequest = { warehouse: 'dw', to: recovered.url, repositoryPath: path, overwrite: false }
  const failure = async (): Promise<[string, string, string | undefined]> => {
    const error = await restoreCopies(request, context, quiet).catch((reason: unknown) => reason)
    assert.ok(isWharfError(error), String(error))
    return [error.code, error.message, error.hint]
  }
  assert.deepEqual(await failure(), [
    'recovery.other-columns',
    'postgres.stage.orders has the columns (id integer, text_of_it text), the copy has (id integer, body text)',
    'nothing of this database was changed; choose an older or newer copy with --copy, or leave the table out with --table',
  ])
  await recovered.psql(`alter table stage.orders rename text_of_it to body; insert into stage.orders values (7, 'old')`)
  assert.deepEqual(await failure(), [
    'recovery.table-not-empty',
    'postgres.stage.orders holds rows',
    'nothing of this database was changed; --overwrite replaces them by those of the copy',
  ])
  // A trigger that would change rows is not fired.
  await recovered.psql(`create function spoil() returns trigger language plpgsql as 'begin new.body := ''spoilt''; return new; end';
    create trigger spoil before insert on stage.orders for each row execute function spoil()`)
  const restored = await restoreCopies({ ...request, overwrite: true }, context, quiet)
  assert.deepEqual(
    restored.map((one) => [one.relation, one.rows]),
    [['stage.orders', 2002]],
  )
  assert.deepEqual(await recovered.psql('select * from stage.orders order by id, body'), truth)
  // The same again, as after an interruption: what is there already stays.
  assert.deepEqual(await restoreCopies(request, context, quiet), restored)
  await recovered.psql(
    'alter table stage.orders disable trigger user; update stage.orders set body = reverse(body) where id = 7',
  )
  assert.equal((await failure())[0], 'recovery.table-not-empty')
  const error = await restoreCopies({ ...request, table: ['stage.none'] }, context, quiet).catch(
    (reason: unknown) => reason,
  )
  assert.ok(isWharfError(error))
  assert.equal(error.message, 'the repository has no copy of unlogged tables of warehouse "dw" for stage.none')
}
