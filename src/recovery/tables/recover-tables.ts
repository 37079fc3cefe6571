// Tables back to a point: out of a sandbox, into staging on the live server, then, in one transaction, to where they belong. Nothing stays of one that fails.
import { timeLimit } from '../../base/clock.ts'
import type { OperationContext } from '../../base/operation.ts'
import { MINUTE_MS } from '../../base/units.ts'
import { formatLsn } from '../../wal/lsn.ts'
import type { Manifest } from '../../repository/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'

import { askedText } from '../plan/plan.ts'
import type { PartWish } from '../plan/parts/find.ts'
import { ShownPlan } from '../plan/parts/show.ts'
import { tableWish } from '../plan/parts/table.ts'
import type { StepTime } from '../rates/times.ts'
import { tableErrors as errors } from '../table-errors.ts'
import { copyRows, type CopiedRows } from './copy-rows.ts'
import { decideRoots, hints, planMaking, readDefinitions } from './decide.ts'
import { makeTables } from './make.ts'
import { parseTableName } from './names.ts'
import { notePublished } from './published.ts'
import { refuseEarly } from './refuse-early.ts'
import type { TablesReport } from './report.ts'
import { addStep, connectLive, openWriter, workersOf, type TablesRequest, type Work } from './request.ts'
import { openTablesSandbox, type TablesSandbox } from './sandbox-for.ts'
import { settle } from './settle.ts'
import { dropStaging, holdStaging, makeStaging, sweepStaging } from './staging.ts'
import type { Making } from './statements.ts'

export async function recoverTables(
  request: TablesRequest,
  context: OperationContext,
  signal: AbortSignal,
): Promise<TablesReport> {
  const names = request.tables.map((text) => parseTableName(text))
  if (names.length === 0) throw errors.noTable(undefined)
  if (request.as !== undefined && names.length > 1) throw errors.manyForOneName({ as: request.as, count: names.length })
  const warehouse = (await context.use(warehouses)).get(request.warehouse)
  const begun = context.clock.monotonic()
  await using scope = new AsyncDisposableStack()
  const session = scope.use(await connectLive(warehouse, request.database, signal))
  const [row] = await session.query<{ name: string }>('select pg_catalog.current_database() as name')
  const id = context.random.bytes(4).toString('hex')
  const database = row!.name
  const shared = { request, names, warehouse, context, signal, id, database }
  const work: Work = { ...shared, workers: workersOf(request), steps: [] as StepTime[], notes: [] as string[] }
  await refuseEarly(session, work)
  if (!request.diff && request.mode !== 'merge') {
    for (const note of await notePublished(session)) {
      context.say?.(note)
      work.notes.push(note)
    }
  }
  const swept = await sweepStaging(session)
  if (swept.length > 0) work.notes.push(`what ${swept.length} recoveries that died had left on the server is gone now`)
  await holdStaging(session, id)
  const today = await hints(session, names)
  const wishOf = (manifest: Manifest): PartWish => tableWish(request, manifest, { names, hints: today, database })
  const plan = new ShownPlan({ warehouse: request.warehouse, wishOf, context, signal })
  const { onPrepared } = plan
  const sandboxes = request.sandboxDirectory
  const found = scope.use(
    await openTablesSandbox({ ...request, database, names, hints: today, sandboxes, onPrepared }, context, {
      report: (event) => context.progress(event),
      signal,
    }),
  )
  work.steps.push(...found.times)
  const { aside } = found.sandbox.resolved
  if (aside !== undefined) work.notes.push(aside)
  // With a session of its own: this one's may be broken by then, and what is new must go all the same.
  scope.defer(() => tidy(work))
  const { definitions, major, foreign } = await readDefinitions(found)
  if (foreign.length > 0)
    work.notes.push(
      `partitions that were foreign tables hold nothing of a backup and are not made: ${foreign.join(', ')}`,
    )
  const roots = await decideRoots(work, session, definitions)
  const making = await planMaking(work, session, { definitions, roots, major })
  await makeStaging(session, making.naming.stagings.values())
  await makeTables(session, making)
  const copied = await copy(work, found, making)
  const tables = await settle(work, session, { found, making, roots, rows: copied.rows })
  const { sandbox } = found
  const report: TablesReport = {
    warehouse: request.warehouse,
    database,
    backup: sandbox.manifest.id,
    target: askedText(sandbox.resolved),
    lsn: formatLsn(sandbox.resolved.stop.lsn),
    tables,
    notes: work.notes,
    restoredBytes: sandbox.restoredBytes,
    fetchedBytes: found.fetchedBytes,
    copiedBytes: copied.bytes,
    durationMs: context.clock.monotonic() - begun,
  }
  const { backup, target, durationMs } = report
  await plan.keepTimes({ backup, target, durationMs, steps: work.steps, way: 'table' })
  return report
}

async function copy(work: Work, found: TablesSandbox, making: Making): Promise<CopiedRows> {
  const { context, signal } = work
  const started = context.clock.monotonic()
  const copied = await copyRows({
    definitions: making.definitions,
    places: making.naming.tables,
    workers: work.workers,
    openSource: () => found.open(),
    openTarget: () => openWriter(work),
    clock: context.clock,
    signal,
    progress: (event) => context.progress(event),
  })
  addStep(work, 'copy-rows', { started, bytes: copied.bytes, count: making.definitions.length })
  return copied
}

/** Also after a cancellation: what is new goes. After success there is nothing. */
async function tidy({ warehouse, database, context, id }: Work): Promise<void> {
  try {
    await using session = await connectLive(warehouse, database, timeLimit(MINUTE_MS))
    await dropStaging(session, id)
  } catch (error) {
    context.log.warn(
      { err: error, schemas: `wharf_recovery_${id}_*` },
      'the staging of this recovery could not be dropped: the next recovery of a table does it',
    )
  }
}
