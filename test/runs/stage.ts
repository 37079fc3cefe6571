// The runs room on a real server, without wharf.yaml and the rooms around it: an engine per "process", task kinds made by the test.
import { readFile } from 'node:fs/promises'

import pg from 'pg'

import { systemClock, type Clock } from '../../src/base/clock.ts'
import { createContext } from '../../src/base/context.ts'
import { processEnvironment } from '../../src/base/environment.ts'
import { jsonLog, silentLog } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { offer, provide, type Context, type Room } from '../../src/base/room.ts'
import { controlDatabase, type ControlDatabase } from '../../src/control/contract.ts'
import { runEngine, taskKinds, type RunEngine, type TaskKind } from '../../src/runs/contract.ts'
import { room as runsRoom } from '../../src/runs/room.ts'
import { runsSchema } from '../../src/runs/config.ts'
import { warehouses, type Warehouses } from '../../src/warehouse/contract.ts'

/** Only what runs asks of the control database: queries, transactions, a pool; events are dropped. */
export function plainControl(url: string): ControlDatabase & AsyncDisposable {
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  pool.on('error', () => {})
  return {
    pool,
    query: async <Row extends object>(sql: string, parameters: readonly unknown[] = []) =>
      (await pool.query(sql, [...parameters])).rows as Row[],
    transaction: async (work) => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const result = await work(client)
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback').catch(() => {})
        throw error
      } finally {
        client.release()
      }
    },
    emit: () => Promise.resolve(),
    // oxlint-disable-next-line require-yield -- nothing here emits
    events: async function* () {
      await Promise.resolve()
    },
    tryLease: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => pool.end(),
  }
}

export async function migrateRuns(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const migration of runsRoom.migrations ?? []) await client.query(await readFile(migration.file, 'utf8'))
  await client.end()
}

export interface Stage extends AsyncDisposable {
  readonly context: Context
  readonly control: ControlDatabase
  readonly engine: RunEngine
}

export interface StageOptions {
  readonly url: string
  readonly kinds: readonly TaskKind[]
  readonly runs?: Parameters<typeof runsSchema.parse>[0]
  readonly clock?: Clock
  readonly warehouses?: Warehouses
}

/** One more process' worth of engine on the same control database. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const scope = new AsyncDisposableStack()
  const control = plainControl(options.url)
  scope.defer(() => control[Symbol.asyncDispose]())
  const stageRoom: Room = {
    name: 'stage',
    summary: 'what the test provides',
    services: [
      provide(controlDatabase, () => control),
      ...(options.warehouses ? [provide(warehouses, () => options.warehouses!)] : []),
    ],
    offers: options.kinds.map((kind) => offer(taskKinds, kind)),
  }
  const context = createContext(
    {
      clock: options.clock ?? systemClock,
      random: systemRandom,
      environment: processEnvironment(),
      log: process.env['WHARF_TEST_LOG'] === undefined ? silentLog : jsonLog('debug'),
      home: '/nonexistent',
      configFile: '/nonexistent/wharf.yaml',
      rooms: [runsRoom, stageRoom],
      sections: { runs: runsSchema.parse(options.runs) },
    },
    scope,
  )
  const engine = await context.use(runEngine)
  return { context, control, engine, [Symbol.asyncDispose]: () => scope.disposeAsync() }
}
