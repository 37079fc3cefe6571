// `wharf recover table`, `database` and `tablespace` as the operations run them, against a world's live server.
import { join } from 'node:path'

import type { OperationContext, Progress } from '../../src/base/operation.ts'
import type { DatabaseReport } from '../../src/recovery/database/report.ts'
import { database, type DatabaseInput } from '../../src/recovery/operations/database.ts'
import { table, type TableInput } from '../../src/recovery/operations/table.ts'
import { tablespace, type TablespaceInput } from '../../src/recovery/operations/tablespace.ts'
import type { TablesReport } from '../../src/recovery/tables/report.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import type { World } from '../backup/world.ts'
import { requestFor } from '../restore/recovered.ts'
import { testContext } from '../support/context.ts'

export interface Asking {
  /** Of the live server; default: its superuser's. */
  readonly url?: string
  /** Default: yes. */
  readonly answer?: boolean
  readonly signal?: AbortSignal
  readonly progress?: (event: Progress) => void
  /** Filled with what was asked. */
  readonly questions?: string[]
  /** Filled with what was said before. */
  readonly said?: string[]
  /** While the question waits. */
  readonly whenAsked?: () => Promise<void>
}

interface Given {
  readonly repositoryPath: string | undefined
  readonly passphraseFile: string | undefined
  readonly binaries: string | undefined
  readonly workers: number
}

/** What every recovery of a part needs of a world, and the context it runs in. */
export async function inRecoveryOf<T>(
  world: World,
  asking: Asking,
  work: (given: Given, context: OperationContext, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { repositoryPath, passphraseFile, binaries } = await requestFor(world, {})
  await using scope = new AsyncDisposableStack()
  const config = { warehouses: { retail: { url: asking.url ?? world.server.url, repositories: ['r'] } } }
  const context = testContext({ home: join(world.folder, 'home'), rooms: [warehouseRoom], config }, scope)
  const operationContext: OperationContext = Object.assign(Object.create(context) as typeof context, {
    progress: (event: Progress) => asking.progress?.(event),
    say: (line: string) => void asking.said?.push(line),
    confirm: async (question: string) => {
      asking.questions?.push(question)
      await asking.whenAsked?.()
      return asking.answer ?? true
    },
    actor: 'test',
  })
  const given = { repositoryPath, passphraseFile, binaries, workers: 2 }
  return await work(given, operationContext, asking.signal ?? new AbortController().signal)
}

export async function recoverTable(
  world: World,
  wishes: Partial<TableInput> & Pick<TableInput, 'tables'>,
  asking: Asking = {},
): Promise<TablesReport> {
  return await inRecoveryOf(world, asking, (given, context, signal) =>
    table.run(table.input.parse({ ...given, ...wishes }), context, signal),
  )
}

export async function recoverTablespace(
  world: World,
  wishes: Partial<TablespaceInput> & Pick<TablespaceInput, 'tablespace'>,
): Promise<TablesReport> {
  return await inRecoveryOf(world, {}, (given, context, signal) =>
    tablespace.run(tablespace.input.parse({ ...given, ...wishes }), context, signal),
  )
}

export async function recoverDatabase(
  world: World,
  wishes: Partial<DatabaseInput> & Pick<DatabaseInput, 'database'>,
  asking: Asking = {},
): Promise<DatabaseReport> {
  return await inRecoveryOf(world, asking, (given, context, signal) =>
    database.run(database.input.parse({ ...given, ...wishes }), context, signal),
  )
}

/** A name for now that a recovery can be asked for. */
export async function lsnOf(world: World): Promise<string> {
  const [row] = await world.server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  return row!.lsn
}

/** Rows and hash of one table, as a client sees it. */
export async function contentOf(world: World, name: string): Promise<string> {
  const [row] = await world.server.psql<{ rows: string; hash: string | null }>(
    `select count(*)::text as rows, md5(string_agg(md5(t::text), '' order by md5(t::text))) as hash from ${name} t`,
  )
  return `${row!.rows} rows ${row!.hash ?? ''}`
}

/** What nothing may be left of. */
export async function leftOn(world: World): Promise<readonly string[]> {
  const rows = await world.server.psql<{ name: string }>(
    "select nspname as name from pg_namespace where nspname like 'wharf%' union all select relname from pg_class where relname like '%recovered%' or relname like '%\\_before\\_%' order by 1",
  )
  return rows.map((one) => one.name)
}
