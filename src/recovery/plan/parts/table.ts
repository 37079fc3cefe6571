// The plan of `recover table`.
import type { Context } from '../../../base/room.ts'
import { messageOf } from '../../../base/errors.ts'
import { timeLimit } from '../../../base/clock.ts'
import type { Manifest } from '../../../repository/contract.ts'
import { warehouses } from '../../../warehouse/contract.ts'
import { hints } from '../../tables/decide.ts'
import { wantedByName } from '../../tables/find.ts'
import { parseTableName, shownName, type TableName } from '../../tables/names.ts'
import { connectLive, type TablesRequest } from '../../tables/request.ts'
import { findPartPlan, type PartRequest, type PartWish } from './find.ts'
import { stepsOfTables, type PartPlan } from './plan.ts'

export interface TablePlanRequest extends PartRequest, Pick<TablesRequest, 'mode' | 'diff' | 'as'> {
  readonly tables: readonly string[]
  readonly database?: string | undefined
}

/** How long the live server may take to say which partitions there are: without it the plan is made all the same. */
const PATIENCE_MS = 10_000

export async function planTables(request: TablePlanRequest, context: Context, signal: AbortSignal): Promise<PartPlan> {
  const names = request.tables.map((text) => parseTableName(text))
  const live = await askLive(request, names, { context, signal })
  const wish = (manifest: Manifest): PartWish => tableWish(request, manifest, { names, ...live })
  return await findPartPlan(request, wish, { context, signal })
}

export function tableWish(
  request: Pick<TablePlanRequest, 'mode' | 'diff' | 'as'>,
  manifest: Manifest,
  of: { names: readonly TableName[]; hints: readonly TableName[]; database: string; notes?: readonly string[] },
): PartWish {
  const { names, database } = of
  const own = manifest.relations.filter((one) => one.database === database)
  const databases = new Set(own.map((one) => one.databaseOid))
  const wanted = wantedByName(manifest, database, [...names, ...of.hints])
  const isThere = (name: TableName): boolean =>
    own.some((one) => one.name === name.name && (name.schema === undefined || name.schema === one.schema))
  const show = (name: TableName): string =>
    shownName({ schema: name.schema ?? '*', name: name.name }).replace('"*".', '')
  const absent = names.filter((one) => !isThere(one) && of.hints.length === 0)
  return {
    way: 'table',
    what: names.map(show),
    live: names.map((one) => liveLine(show(one), request)),
    notes: [
      ...(of.notes ?? []),
      ...(absent.length > 0
        ? [
            `backup ${manifest.id} has no table ${absent.map(show).join(', ')}: it is looked for at the target, by a second sandbox where it had another name; a partitioned table's partitions come on top`,
          ]
        : []),
      'counted is what stood under these names in the backup; names are resolved at the target',
    ],
    after: stepsOfTables,
    wanted: databases.size === 0 ? () => true : wanted,
    ...(databases.size === 0 ? {} : { databases }),
  }
}

function liveLine(table: string, { mode, diff, as }: Pick<TablePlanRequest, 'mode' | 'diff' | 'as'>): string {
  if (diff) return `${table} is compared with what it was; nothing stays`
  if (mode === 'merge')
    return `missing and changed rows go back into ${table} by primary key, in one transaction; asks first`
  if (mode === 'swap')
    return `${table} is replaced in one transaction that locks it; the live one is kept as NAME_before_<id>; asks first`
  return as === undefined
    ? `${table} comes beside the live one as NAME_recovered, or under its own name where there is none any more; nothing else changes`
    : `${table} comes as ${as}; nothing else changes`
}

async function askLive(
  request: TablePlanRequest,
  names: readonly TableName[],
  { context, signal }: { context: Context; signal: AbortSignal },
): Promise<{ hints: readonly TableName[]; database: string; notes: readonly string[] }> {
  try {
    const warehouse = (await context.use(warehouses)).get(request.warehouse)
    const limited = AbortSignal.any([signal, timeLimit(PATIENCE_MS)])
    await using session = await connectLive(warehouse, request.database, limited)
    const [row] = await session.query<{ name: string }>('select pg_catalog.current_database() as name')
    return { hints: await hints(session, names), database: row!.name, notes: [] }
  } catch (error) {
    signal.throwIfAborted()
    if (request.database === undefined) throw error
    return {
      hints: [],
      database: request.database,
      notes: [`the live server could not be asked which partitions there are: ${messageOf(error)}`],
    }
  }
}
