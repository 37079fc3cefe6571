// A tablespace back to a point: the tables that stood there then, found in a sandbox of catalogs alone, each recovered as `recover table` does.
import type { OperationContext } from '../../base/operation.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { partErrors as errors } from '../part-errors.ts'
import { askedText } from '../plan/plan.ts'
import { leaveSandboxFolder, newSandboxFolder } from '../sandbox/home.ts'
import { foundOnce } from '../sandbox/prepare.ts'
import { openSandbox } from '../sandbox/sandbox.ts'
import { tableErrors } from '../table-errors.ts'
import { recoverTables } from '../tables/recover-tables.ts'
import type { TablesReport } from '../tables/report.ts'
import { connectLive, type TablesRequest } from '../tables/request.ts'
import { readTablespace, tablespaceNames, tablespaceOid, type TablespaceContents } from './contents.ts'

export interface TablespaceRequest extends Omit<TablesRequest, 'tables' | 'as'> {
  readonly tablespace: string
}

export async function recoverTablespace(
  request: TablespaceRequest,
  context: OperationContext,
  signal: AbortSignal,
): Promise<TablesReport> {
  if (request.tablespace === 'pg_global') throw errors.sharedTablespace({ tablespace: request.tablespace })
  const database = request.database ?? (await declaredDatabase(request, context, signal))
  await using reading = new AsyncDisposableStack()
  // One target for the look and for the recovery: the tables are those that stood there at the very point they are brought back to.
  const found = await foundOnce(reading, request, { context, signal })
  const contents = await lookInto({ ...request, found, database }, context, signal)
  const { tablespace: _, ...asked } = request
  const wishes = { ...asked, found }
  const report = await recoverTables({ ...wishes, database, tables: contents.tables }, context, signal)
  return { ...report, notes: [...report.notes, ...notesOf(contents, request.tablespace)] }
}

async function declaredDatabase(
  request: TablespaceRequest,
  context: OperationContext,
  signal: AbortSignal,
): Promise<string> {
  const warehouse = (await context.use(warehouses)).get(request.warehouse)
  await using session = await connectLive(warehouse, undefined, signal)
  const [row] = await session.query<{ name: string }>('select pg_catalog.current_database() as name')
  return row!.name
}

/** Rejects with `recovery.unknown-tablespace` or `.empty-tablespace`. */
async function lookInto(
  request: TablespaceRequest & { readonly database: string },
  context: OperationContext,
  signal: AbortSignal,
): Promise<TablespaceContents> {
  const { tablespace, database } = request
  const folder = await newSandboxFolder(context, request.sandboxDirectory)
  await using scope = new AsyncDisposableStack()
  scope.defer(() => leaveSandboxFolder(folder))
  const databases = new Set<number>()
  const sandbox = scope.use(
    await openSandbox(
      {
        ...request,
        folder,
        open: false,
        choose: (manifest) => {
          for (const one of manifest.relations) if (one.database === database) databases.add(one.databaseOid)
          // Of a database that the backup does not know nobody can tell what it was copied from.
          return databases.size === 0 ? { wanted: () => true } : { wanted: () => false, databases }
        },
      },
      context,
      { report: (event) => context.progress(event), signal },
    ),
  )
  const target = askedText(sandbox.resolved)
  {
    await using shared = await sandbox.connect('template1')
    const { rows } = await shared.query<{ oid: string }>(
      'select oid::int8::text as oid from pg_catalog.pg_database where datname = $1',
      [database],
    )
    const there = rows[0] && (databases.size === 0 || databases.has(Number(rows[0].oid)))
    if (!there) throw tableErrors.unknownDatabase({ database, target })
  }
  await using session = await sandbox.connect(database)
  const oid = await tablespaceOid(session, tablespace)
  if (oid === undefined) throw errors.unknownTablespace({ tablespace, target, known: await tablespaceNames(session) })
  const contents = await readTablespace(session, oid)
  if (contents.tables.length > 0) return contents
  const others = sandbox.manifest.relations.filter(
    (one) => one.file.tablespace === oid && one.database !== database && one.kind === 'r',
  )
  const elsewhere = [...new Set(others.map((one) => one.database))].filter((one) => !one.startsWith('template'))
  throw errors.emptyTablespace({ tablespace, database, target, elsewhere })
}

function notesOf({ unlogged, views, indexes }: TablespaceContents, tablespace: string): readonly string[] {
  const few = (list: readonly string[]): string =>
    list.length > 20 ? `${list.slice(0, 20).join(', ')} and ${list.length - 20} more` : list.join(', ')
  return [
    ...(unlogged.length > 0 ? [`also in ${tablespace}, but not logged: ${few(unlogged)}`] : []),
    ...(views.length > 0 ? [`materialized views in ${tablespace} are not recovered, refresh them: ${few(views)}`] : []),
    ...(indexes.length > 0
      ? [
          `indexes in ${tablespace} of tables that are elsewhere are not recovered, reindex builds them: ${few(indexes)}`,
        ]
      : []),
  ]
}
