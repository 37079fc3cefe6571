// A warehouse whose nightly loads are kept: unlogged staging tables, filled by copies and SQL, and a logged table beside them; backups, death, recovery
// by the repository alone, replay. Truth is what the live server held.
import { join } from 'node:path'
import { mkdir, writeFile } from 'node:fs/promises'

import { takeBackup } from '../../src/backup/engine/take.ts'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { runRecovery, type RecoveryReport } from '../../src/recovery/run-recovery.ts'
import { replayLoads, type ReplayReport, type ReplayRequest } from '../../src/recovery/run-replay.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import type { RunView } from '../../src/runs/contract.ts'
import { warehouses } from '../../src/warehouse/contract.ts'
import { endServer, runServer } from '../../src/warehouse/servers.ts'
import { processEnvironment } from '../../src/base/environment.ts'
import { openWorld, takeDefaults, withArrays, type Taken, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { binariesOf, type Major, type TestServer } from '../support/postgres.ts'
import { writeOld } from './feeds.ts'
import { ensureDatabase, openLoadStage, serverAt, type LoadStage, type LoadStageOptions } from './stage.ts'

const signal = new AbortController().signal
const passphrase = 'correct horse'

export const tables = ['stage.orders', 'stage.today', 'stage.totals', 'core.daily']

export const tablesSql = `create schema stage; create schema core;
  create unlogged table stage.orders (id int, region text, amount numeric(12, 2), note text);
  create unlogged table stage.today (id int, region text, amount numeric(12, 2), note text);
  create unlogged table stage.totals (region text, amount numeric, orders bigint);
  create table core.daily (day text, orders bigint)`

const files = { folder: 'feeds', files: 'orders*-{date}.csv' }

export const keptPipelines = {
  nightly: {
    warehouse: 'dw',
    keep: 'inputs',
    tasks: {
      orders: { logged: false, copy: { ...files, into: 'stage.orders' } },
      today: { logged: false, copy: { ...files, into: 'stage.today', mode: 'replace' } },
      totals: {
        logged: false,
        needs: ['orders'],
        sql: {
          text: `truncate stage.totals; insert into stage.totals select region, sum(amount), count(*) from stage.orders group by region`,
        },
      },
      daily: {
        needs: ['orders', 'today'],
        sql: {
          text: `insert into core.daily select current_setting('wharf.business_date'), count(*) from stage.orders`,
        },
      },
    },
  },
}

/** Of a command it is kept that it ran, and with which arguments. */
export const commandPipelines = {
  post: {
    warehouse: 'dw',
    keep: 'inputs',
    tasks: { mail: { logged: false, command: ['printf', 'day %s', 'is done'] } },
  },
}

export interface KeptStageOptions {
  readonly url: string
  /** Of the world: the repository and the feeds lie in it. */
  readonly folder: string
  readonly lease?: string
  readonly pipelines?: Readonly<Record<string, unknown>>
}

/** Also for a process that knows no more than this. */
export async function openKeptStage(options: KeptStageOptions): Promise<LoadStage> {
  const stage: LoadStageOptions = {
    server: serverAt(options.url),
    pipelines: options.pipelines ?? { ...keptPipelines, ...commandPipelines },
    rooms: [repositoryRoom],
    repositories: ['r'],
    folder: options.folder,
    ...(options.lease === undefined ? {} : { lease: options.lease }),
    config: { repositories: { r: { path: join(options.folder, 'repository'), encryption: { passphrase } } } },
  }
  return await openLoadStage(stage)
}

export function dayOf(day: number): string {
  return `2026-11-${String(day).padStart(2, '0')}`
}

/** A feed with all that COPY has to escape. */
export async function writeFeed(folder: string, day: number, rows = 2000): Promise<void> {
  const random = seededRandom(day)
  const notes = ['', '"a ""quoted"" word"', '"two\nlines"', 'back\\slash', '"tab\there"', 'plain', '\\N']
  const lines = Array.from({ length: rows }, (_, index) => {
    const amount = (random.integer(1_000_000) / 100).toFixed(2)
    return `${day * 1_000_000 + index},region ${random.integer(7)},${amount},${notes[random.integer(notes.length)]}`
  })
  await mkdir(join(folder, 'feeds'), { recursive: true })
  await writeOld(join(folder, 'feeds', `orders-${dayOf(day)}.csv`), `id,region,amount,note\n${lines.join('\n')}\n`)
}

export type Truth = Readonly<Record<string, readonly object[]>>

/** Every row of every table, in an order of its own. */
export async function truthOf(
  server: { psql(sql: string): Promise<object[]> },
  of: readonly string[] = tables,
): Promise<Truth> {
  const found: Record<string, readonly object[]> = {}
  for (const table of of) found[table] = await server.psql(`select t::text as row from ${table} t order by 1`)
  return found
}

export class RecoveredKept implements AsyncDisposable {
  readonly directory: string
  readonly report: RecoveryReport
  private readonly major: Major

  constructor(directory: string, report: RecoveryReport, major: Major) {
    this.directory = directory
    this.report = report
    this.major = major
  }

  get port(): number {
    return this.report.proof!.server.port
  }

  get url(): string {
    return `postgresql://postgres@127.0.0.1:${this.port}/postgres`
  }

  async psql<Row extends object = Record<string, unknown>>(sql: string): Promise<Row[]> {
    const { Client } = await import('pg')
    const client = new Client({ connectionString: this.url })
    client.on('error', () => {})
    await client.connect()
    try {
      const result: unknown = await client.query(sql)
      return Array.isArray(result) ? (result.at(-1) as { rows: Row[] }).rows : (result as { rows: Row[] }).rows
    } finally {
      await client.end()
    }
  }

  /** What empties unlogged tables. */
  async crash(): Promise<void> {
    await endServer({ dataDirectory: this.directory, mode: 'immediate', clock: systemClock, signal })
    await runServer({
      binaries: await binariesOf(this.major),
      dataDirectory: this.directory,
      socketDirectory: join(this.directory, '..', `socket-${this.port}`),
      logFile: join(this.directory, 'again.log'),
      settings: {},
      port: this.port,
      clock: systemClock,
      environment: processEnvironment(),
      signal,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endServer({ dataDirectory: this.directory, mode: 'immediate', clock: systemClock, signal })
  }
}

export interface KeptWorld extends AsyncDisposable {
  readonly world: World
  readonly server: TestServer
  readonly stage: LoadStage
  readonly folder: string
  load(day: number, rows?: number): Promise<RunView>
  backup(): Promise<Taken>
  recover(target: { latest?: boolean; beforeLoad?: string; replayLoads?: boolean }): Promise<RecoveredKept>
  replay(to: string, more?: Partial<ReplayRequest>, abort?: AbortSignal): Promise<ReplayReport>
}

export async function openKeptWorld(major: Major, pipelines?: Readonly<Record<string, unknown>>): Promise<KeptWorld> {
  const scope = new AsyncDisposableStack()
  const world = scope.use(await openWorld({ major }))
  const { server, folder } = world
  await ensureDatabase(server, 'control')
  await server.psql(tablesSql)
  await writeFile(join(folder, 'passphrase'), `${passphrase}\n`, { mode: 0o600 })
  const stage = scope.use(await openKeptStage({ url: server.url, folder, ...(pipelines ? { pipelines } : {}) }))
  const warehouse = (await stage.context.use(warehouses)).get('dw')
  let recoveries = 0
  const choice = {
    warehouse: 'dw',
    repositoryPath: join(folder, 'repository'),
    passphraseFile: join(folder, 'passphrase'),
  }
  const bare = testContext({ home: join(folder, 'home'), rooms: [] }, scope)
  return {
    world,
    server,
    stage,
    folder,
    load: async (day, rows) => {
      await writeFeed(folder, day, rows)
      return await stage.run('nightly', { businessDate: dayOf(day) })
    },
    backup: async () => withArrays(await takeBackup({ ...takeDefaults({ ...world, warehouse }), kind: 'full' })),
    recover: async (target) => {
      const toDirectory = join(folder, `recovered-${++recoveries}`)
      const report = await runRecovery(
        {
          ...choice,
          ...target,
          toDirectory,
          tablespace: {},
          set: { fsync: 'off', shared_buffers: '16MB' },
          original: false,
          allowCorrupt: false,
          start: true,
          verify: 'connect',
          resume: false,
          workers: 2,
          binaries: (await binariesOf(major)).bin,
        },
        bare,
        { report: () => {}, signal },
      )
      return new RecoveredKept(toDirectory, report, major)
    },
    replay: (to, more = {}, abort = signal) =>
      replayLoads(
        {
          ...choice,
          to: { url: to },
          planOnly: false,
          after: false,
          unknown: false,
          except: [],
          overwrite: false,
          ...more,
        },
        bare,
        { report: () => {}, signal: abort },
      ),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}
