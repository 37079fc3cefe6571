// The rooms that a load needs, on one test server: database `control` beside the warehouse's database.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { jsonLog, silentLog } from '../../src/base/log.ts'
import type { Context, Room } from '../../src/base/room.ts'
import { room as control } from '../../src/control/room.ts'
import { pipelinesSection } from '../../src/loads/config.ts'
import { requestFor, type RunOptions } from '../../src/loads/pipeline.ts'
import { room as loads } from '../../src/loads/room.ts'
import { runEngine, type RunView } from '../../src/runs/contract.ts'
import { room as runs } from '../../src/runs/room.ts'
import { room as warehouse } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'
import type { TestServer } from '../support/postgres.ts'

/** A server whose databases are `control` and the warehouse's. */
export interface Reachable {
  urlFor(change: { database?: string; user?: string }): string
}

/** For a process that knows the server by its URL alone. */
export function serverAt(url: string): Reachable {
  return {
    urlFor: (change) => {
      const changed = new URL(url)
      if (change.database !== undefined) changed.pathname = `/${change.database}`
      if (change.user !== undefined) changed.username = change.user
      return changed.href
    },
  }
}

export interface LoadStage extends AsyncDisposable {
  readonly context: Context
  /** A folder of this test, where relative paths of its pipelines start unless `configFile` says otherwise. */
  readonly folder: string
  run(pipeline: string, options?: Partial<RunOptions>): Promise<RunView>
}

export interface LoadStageOptions {
  /** Must have a database `control`: see ensureDatabase(). */
  readonly server: Reachable
  /** The warehouse's database; default postgres. */
  readonly database?: string
  /** As under `pipelines:` in wharf.yaml; their warehouse is `dw`. */
  readonly pipelines: Readonly<Record<string, unknown>>
  readonly configFile?: string
  /** Role of the warehouse; default postgres. */
  readonly user?: string
  readonly folder?: string
  readonly rooms?: readonly Room[]
  readonly lease?: string
  /** Further sections of wharf.yaml. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Of the warehouse, by name. */
  readonly repositories?: readonly string[]
}

export async function openLoadStage(options: LoadStageOptions): Promise<LoadStage> {
  const scope = new AsyncDisposableStack()
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'wharf-loads-')))
  if (options.folder === undefined) scope.defer(() => rm(folder, { recursive: true, force: true }))
  const context = testContext(
    {
      home: folder,
      rooms: [warehouse, control, runs, loads, ...(options.rooms ?? [])],
      config: {
        control: { url: options.server.urlFor({ database: 'control' }) },
        warehouses: {
          dw: {
            url: options.server.urlFor({ user: options.user ?? 'postgres', database: options.database ?? 'postgres' }),
            repositories: options.repositories ?? [],
          },
        },
        pipelines: options.pipelines,
        runs: { lease: options.lease ?? '2s' },
        ...options.config,
      },
      log: process.env['WHARF_TEST_LOG'] === undefined ? silentLog : jsonLog('debug'),
      ...(options.configFile === undefined ? {} : { configFile: options.configFile }),
    },
    scope,
  )
  return {
    context,
    folder,
    run: async (pipeline, more) => {
      const engine = await context.use(runEngine)
      const request = requestFor(context, pipeline, { trigger: 'manual', actor: 'test', ...more })
      return await engine.runHere(request, { context, signal: new AbortController().signal })
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

export async function ensureDatabase(server: TestServer, name: string): Promise<void> {
  const found = await server.psql(`select 1 from pg_database where datname = '${name}'`)
  if (found.length === 0) await server.psql(`create database ${name}`)
}

/** The pipelines of a parsed wharf.yaml, for tests that use an example as it stands. */
export function pipelinesOf(document: { pipelines?: unknown }): Readonly<Record<string, unknown>> {
  pipelinesSection.schema.parse(document.pipelines)
  return document.pipelines as Readonly<Record<string, unknown>>
}
