// Cancel, time-out and death of the backend, while SQL and COPY run in the warehouse.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { join } from 'node:path'

import { systemClock } from '../../src/base/clock.ts'
import { runEngine, type RunEngine, type RunView } from '../../src/runs/contract.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { writeOld } from './feeds.ts'
import { ensureDatabase, openLoadStage, type LoadStage } from './stage.ts'

const pipelines = {
  sleep: { warehouse: 'dw', tasks: { a: { sql: { text: 'insert into t select 1; select pg_sleep(60)' } } } },
  deaf: { warehouse: 'dw', tasks: { a: { sql: { text: 'insert into t select 1; select deaf()' } } } },
  slow: { warehouse: 'dw', tasks: { a: { sql: { text: 'select pg_sleep(60)' }, timeout: '300ms' } } },
  copy: {
    warehouse: 'dw',
    tasks: { a: { copy: { into: 'slow_rows', files: 'rows.csv' }, retries: 1, retry_delay: '50ms' } },
  },
  program: { warehouse: 'dw', tasks: { a: { command: ['sh', '-c', 'echo started; sleep 61 & sleep 62'] } } },
}

describe('interrupting loads', () => {
  let server: TestServer
  let stage: LoadStage
  let engine: RunEngine
  before(async () => {
    server = await startServer({ major: 18 })
    await ensureDatabase(server, 'control')
    stage = await openLoadStage({ server, pipelines, lease: '3s' })
    engine = await stage.context.use(runEngine)
    await server.psql(`create table t (i int); create table slow_rows (i int);
      create table brake_on ();
      create function brake() returns trigger language plpgsql as $$ begin
        if to_regclass('brake_on') is not null then perform pg_sleep(0.001); end if; return new; end $$;
      create trigger brake before insert on slow_rows for each row execute function brake();`)
  })
  after(async () => {
    await stage[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  const backends = (): Promise<{ pid: number }[]> =>
    server.psql("select pid from pg_stat_activity where application_name like 'wharf load %' and state = 'active'")
  async function until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await systemClock.sleep(20)
  }
  async function begun(pipeline: string): Promise<{ runId: string; end: Promise<RunView> }> {
    const end = stage.run(pipeline)
    await until(async () => (await backends()).length > 0)
    const [run] = await engine.list({ pipeline, limit: 1 })
    return { runId: run!.id, end }
  }

  test('cancel ends the statement in the warehouse, and nothing of it stays', async (t) => {
    const { runId, end } = await begun('sleep')
    const started = performance.now()
    await engine.cancel(runId, 'joe')
    await until(async () => (await backends()).length === 0)
    t.diagnostic(`backend idle ${Math.round(performance.now() - started)} ms after the cancel`)
    const run = await end
    assert.equal(run.state, 'cancelled')
    assert.equal(run.tasks[0]?.error?.message, 'task "a" was cancelled by joe')
    assert.deepEqual(await server.psql('select from t'), [])
  })

  test('a backend that swallows the cancel is terminated', async (t) => {
    await server.psql(`create or replace function deaf() returns void language plpgsql as $$
      begin loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$`)
    const { runId, end } = await begun('deaf')
    const started = performance.now()
    await engine.cancel(runId, 'joe')
    await until(async () => (await backends()).length === 0)
    t.diagnostic(`backend gone ${Math.round(performance.now() - started)} ms after the cancel`)
    assert.equal((await end).state, 'cancelled')
    assert.deepEqual(await server.psql('select from t'), [])
  })

  test('a time-out ends the statement in the warehouse', async () => {
    const run = await stage.run('slow')
    assert.equal(run.tasks[0]?.error?.message, 'task "a" was stopped: it took longer than 300 ms')
    assert.deepEqual(await backends(), [])
  })

  test('a COPY whose backend dies fails at once and is tried again', async () => {
    await writeOld(
      join(stage.folder, 'rows.csv'),
      `i\n${Array.from({ length: 400_000 }, (_, index) => index).join('\n')}\n`,
    )
    // Not any backend of the load: before the COPY it runs short statements, and may have ended the one that was seen by the time it is asked for again.
    const copying = (): Promise<{ pid: number }[]> =>
      server.psql("select pid from pg_stat_progress_copy where command = 'COPY FROM'")
    const end = stage.run('copy')
    await until(async () => (await copying()).length > 0)
    const [backend] = await copying()
    await server.psql(`select pg_terminate_backend(${backend!.pid})`)
    await server.psql('drop table brake_on')
    const run = await end
    assert.equal(run.tasks[0]?.error, undefined)
    assert.equal(run.state, 'succeeded')
    assert.deepEqual(await server.psql('select count(*)::int as rows from slow_rows'), [{ rows: 400_000 }])
  })

  test('cancel ends the whole process group of a command', async () => {
    const end = stage.run('program')
    await until(async () => {
      const [run] = await engine.list({ pipeline: 'program', limit: 1 })
      return run !== undefined && (await engine.log(run.id, {})).some((line) => line.text === 'started')
    })
    const [run] = await engine.list({ pipeline: 'program', limit: 1 })
    await engine.cancel(run!.id, 'joe')
    assert.equal((await end).state, 'cancelled')
    const { execFileSync } = await import('node:child_process')
    const alive = execFileSync('ps', ['-eo', 'stat,args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => /sleep 6[12]/.test(line) && !/^Z|ps -eo/.test(line))
    assert.deepEqual(alive, [])
  })
})
