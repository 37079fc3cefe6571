// Tables back to a point: out of a sandbox, into staging on the live server, then, in one transaction, to where they belong. Nothing stays of one that fails.
import { availableParallelism } from 'node:os'

import { timeLimit } from '../../base/clock.ts'
import { demandConfirmation, type OperationContext } from '../../base/operation.ts'
import { MINUTE_MS } from '../../base/units.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { warehouses, type Session, type Warehouse } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { askedText } from '../plan/plan.ts'
import { addRecord, type StepName, type StepTime } from '../rates/times.ts'
import type { RepositoryChoice } from '../restore/open-repository.ts'
import { tableErrors as errors } from '../table-errors.ts'
import type { TargetOptions } from '../target/request.ts'
import { copyRows } from './copy-rows.ts'
import type { TableDefinition } from './definition.ts'
import { diffTables, type TableDiff } from './diff.ts'
import { makeKeys, type Coming } from './keys.ts'
import { dependentsOf, liveRelation, liveTree, takenNames, type LiveRelation } from './live.ts'
import { analyzeTables, finishTables, makeIndexes, makeTables, setSequences } from './make.ts'
import { mergeTable, type Merged } from './merge.ts'
import { nameWith, parseTableName, shownName, sqlName, type TableName } from './names.ts'
import { nameAll, staged } from './naming.ts'
import { putInPlace } from './put.ts'
import { readDefinition } from './read-definition.ts'
import { diffText, type RecoveredTable, type TablesReport } from './report.ts'
import { openTablesSandbox, type TablesSandbox } from './sandbox-for.ts'
import { dropStaging, holdStaging, makeStaging, sweepStaging } from './staging.ts'
import { leftOut, type Making } from './statements.ts'

export interface TablesRequest extends TargetOptions, RepositoryChoice {
  readonly tables: readonly string[]
  readonly database?: string | undefined
  /** Another name for the one table that is left beside. */
  readonly as?: string | undefined
  readonly mode: 'beside' | 'swap' | 'merge'
  /** Only compare, and leave nothing. */
  readonly diff: boolean
  /** False: leave beside without comparing. */
  readonly compare: boolean
  readonly timeline?: number | undefined
  readonly binaries?: string | undefined
  readonly owner?: string | undefined
  readonly sandboxDirectory?: string | undefined
  readonly workers?: number | undefined
  readonly allowCorrupt?: boolean | undefined
}

type How = Coming | 'merge' | 'compare'

/** A table that was asked for, with what stands in its place now. */
interface Root {
  readonly definition: TableDefinition
  readonly live: LiveRelation | undefined
  readonly how: How
}

const BESIDE = '_recovered'
/** Nobody waits longer behind us, nor we behind them. */
const LOCK_TIMEOUT_MS = 60_000

export async function recoverTables(
  request: TablesRequest,
  context: OperationContext,
  signal: AbortSignal,
): Promise<TablesReport> {
  const names = request.tables.map((text) => parseTableName(text))
  if (names.length === 0) throw errors.noTable(undefined)
  if (request.as !== undefined && names.length > 1) throw errors.manyForOneName({ as: request.as, count: names.length })
  const warehouse = (await context.use(warehouses)).get(request.warehouse)
  return await new Recovery({ request, names, warehouse, context, signal }).run()
}

interface RecoveryParts {
  readonly request: TablesRequest
  readonly names: readonly TableName[]
  readonly warehouse: Warehouse
  readonly context: OperationContext
  readonly signal: AbortSignal
}

class Recovery {
  private readonly parts: RecoveryParts
  private readonly id: string
  private readonly steps: StepTime[] = []
  private readonly notes: string[] = []
  private readonly begun: number
  private database = ''

  constructor(parts: RecoveryParts) {
    this.parts = parts
    this.id = parts.context.random.bytes(4).toString('hex')
    this.begun = parts.context.clock.monotonic()
  }

  async run(): Promise<TablesReport> {
    const { request, context, signal } = this.parts
    await using scope = new AsyncDisposableStack()
    const session = scope.use(await this.connect(request.database, signal))
    const [row] = await session.query<{ name: string }>('select pg_catalog.current_database() as name')
    this.database = row!.name
    await this.refuseTaken(session)
    await this.refuseFixed(session)
    await this.refuseKeyless(session)
    const swept = await sweepStaging(session)
    if (swept.length > 0)
      this.notes.push(`what ${swept.length} recoveries that died had left on the server is gone now`)
    await holdStaging(session, this.id)
    const found = scope.use(
      await openTablesSandbox(
        {
          ...request,
          database: this.database,
          names: this.parts.names,
          hints: await this.hints(session),
          sandboxes: request.sandboxDirectory,
        },
        context,
        { report: (event) => context.progress(event), signal },
      ),
    )
    this.steps.push(...found.times)
    // With a session of its own: this one's may be broken by then, and what is new must go all the same.
    scope.defer(() => this.tidy())
    const { definitions, major } = await this.definitions(found)
    const roots = await this.roots(session, definitions)
    const making = await this.plan(session, { definitions, roots, major })
    await makeStaging(session, making.naming.stagings.values())
    await makeTables(session, making)
    const copied = await this.copy(found, making)
    const tables = await this.settle(session, { found, making, roots, rows: copied.rows })
    const { sandbox } = found
    const report: TablesReport = {
      warehouse: request.warehouse,
      database: this.database,
      backup: sandbox.manifest.id,
      target: askedText(sandbox.resolved),
      lsn: formatLsn(sandbox.resolved.stop.lsn),
      tables,
      notes: this.notes,
      restoredBytes: sandbox.restoredBytes,
      fetchedBytes: found.fetchedBytes,
      copiedBytes: copied.bytes,
      durationMs: context.clock.monotonic() - this.begun,
    }
    await this.keepTimes(report, found)
    return report
  }

  private async connect(database: string | undefined, signal: AbortSignal): Promise<Session> {
    const session = await this.parts.warehouse.connect({
      purpose: 'recover table',
      ...(database === undefined ? {} : { database }),
      signal,
      statementTimeoutMs: 0,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
    })
    await session.query(
      "set search_path = ''; set row_security = off; set quote_all_identifiers = off; set default_transaction_read_only = off",
    )
    return session
  }

  /** A name that is not free is better known before anything is restored. */
  private async refuseTaken(session: Session): Promise<void> {
    const { names, request } = this.parts
    if (request.diff || request.mode !== 'beside') return
    for (const { schema, name } of names) {
      if (schema === undefined) continue
      const live = await liveRelation(session, { schema, name })
      if (live === undefined && request.as === undefined) continue
      const wanted = this.besideName({ schema, name })
      if (await liveRelation(session, wanted)) throw errors.nameTaken({ name: shownName(wanted) })
    }
  }

  /** Looked for again in the transaction that swaps. */
  private async refuseFixed(session: Session): Promise<void> {
    const { names, request } = this.parts
    if (request.diff || request.mode !== 'swap') return
    for (const { schema, name } of names) {
      const live = schema === undefined ? undefined : await liveRelation(session, { schema, name })
      if (live?.kind !== 'r' && live?.kind !== 'p') continue
      const tree = await liveTree(session, live.oid)
      const { fixed } = await dependentsOf(
        session,
        tree.map((one) => one.oid),
      )
      if (fixed.length > 0) throw errors.cannotSwap({ tables: [shownName(live)], dependents: fixed })
    }
  }

  /** Before hours of work: what has no key now had none then, most likely. Merging asks again, of the recovered table. */
  private async refuseKeyless(session: Session): Promise<void> {
    const { names, request } = this.parts
    if (request.diff || request.mode !== 'merge') return
    for (const { schema, name } of names) {
      const live = schema === undefined ? undefined : await liveRelation(session, { schema, name })
      if (live?.kind !== 'r' && live?.kind !== 'p') continue
      const [key] = await session.query('select from pg_catalog.pg_index where indrelid = $1 and indisprimary', [
        live.oid,
      ])
      if (key === undefined) throw errors.noKey({ table: shownName(live) })
    }
  }

  private besideName(of: { schema: string; name: string }): { schema: string; name: string } {
    const { as } = this.parts.request
    if (as === undefined) return { schema: of.schema, name: nameWith(of.name, BESIDE) }
    const { schema, name } = parseTableName(as)
    return { schema: schema ?? of.schema, name }
  }

  /** Partitions that are there today have probably been there then. */
  private async hints(session: Session): Promise<readonly TableName[]> {
    const rows = await session.query<{ schema: string; name: string }>(
      `select n.nspname as schema, c.relname as name from pg_catalog.pg_class p join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
         cross join lateral pg_catalog.pg_partition_tree(p.oid) t join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where p.relkind = 'p' and exists (select from json_array_elements($1::json) w where w->>'name' = p.relname and (w->>'schema' is null or w->>'schema' = pn.nspname))`,
      [JSON.stringify(this.parts.names)],
    )
    return rows
  }

  private async definitions(found: TablesSandbox): Promise<{ definitions: readonly TableDefinition[]; major: number }> {
    const major = Math.floor(found.sandbox.manifest.postgresVersion / 10_000)
    await using source = await found.open()
    const definitions: TableDefinition[] = []
    for (const table of found.tables) definitions.push(await readDefinition(source, table, major))
    return { definitions, major }
  }

  private async roots(session: Session, definitions: readonly TableDefinition[]): Promise<readonly Root[]> {
    const { request } = this.parts
    const roots: Root[] = []
    for (const definition of definitions.filter((one) => one.root === one.oid)) {
      const live = await liveRelation(session, definition)
      const isTable = live?.kind === 'r' || live?.kind === 'p'
      if (request.mode === 'merge' && !request.diff && !isTable)
        throw errors.nothingToMerge({ table: shownName(definition) })
      roots.push({ definition, live: isTable ? live : undefined, how: this.howOf(live, isTable) })
    }
    return roots
  }

  private howOf(live: LiveRelation | undefined, isTable: boolean): How {
    const { request } = this.parts
    if (request.diff) return 'compare'
    if (request.as !== undefined) return 'beside'
    if (live === undefined) return 'returned'
    if (!isTable) return 'beside'
    return request.mode
  }

  private async plan(
    session: Session,
    of: { definitions: readonly TableDefinition[]; roots: readonly Root[]; major: number },
  ): Promise<Making> {
    const { definitions, roots, major } = of
    const rootOf = (table: TableDefinition): Root => roots.find((one) => one.definition.oid === table.root)!
    const chosen = new Map<number, { schema: string; name: string }>()
    for (const { definition, how } of roots) {
      if (how !== 'beside') continue
      const wanted = this.besideName(definition)
      if (await liveRelation(session, wanted)) throw errors.nameTaken({ name: shownName(wanted) })
      chosen.set(definition.oid, wanted)
    }
    const gone = new Set<number>()
    for (const { live, how } of roots)
      if (live && how === 'swap') for (const one of await liveTree(session, live.oid)) gone.add(one.oid)
    const stays = (table: TableDefinition): boolean => rootOf(table).how !== 'compare' && rootOf(table).how !== 'merge'
    const schemas = [...new Set([...definitions, ...chosen.values()].map((one) => one.schema))]
    const naming = nameAll({
      id: this.id,
      definitions,
      ending: (table) => (rootOf(table).how === 'beside' ? BESIDE : ''),
      chosen,
      taken: definitions.some(stays) ? await takenNames(session, schemas, gone) : new Set(),
    })
    const names = async (sql: string): Promise<ReadonlySet<string>> =>
      new Set((await session.query<{ name: string }>(sql)).map((one) => one.name))
    const making: Making = {
      definitions,
      naming,
      major,
      roles: await names('select rolname as name from pg_catalog.pg_roles'),
      tablespaces: await names('select spcname as name from pg_catalog.pg_tablespace'),
    }
    for (const one of definitions)
      if (stays(one)) this.notes.push(...leftOut(one, making).map((note) => `${shownName(one)}: ${note}`))
    return making
  }

  private async copy(found: TablesSandbox, making: Making): Promise<Awaited<ReturnType<typeof copyRows>>> {
    const { context, signal } = this.parts
    const started = context.clock.monotonic()
    const copied = await copyRows({
      definitions: making.definitions,
      places: making.naming.tables,
      workers: this.workers,
      openSource: () => found.open(),
      openTarget: () => this.openWriter(),
      clock: context.clock,
      signal,
      progress: (event) => context.progress(event),
    })
    this.step('copy-rows', { started, bytes: copied.bytes, count: making.definitions.length })
    return copied
  }

  private get workers(): number {
    return this.parts.request.workers ?? Math.min(availableParallelism(), 4)
  }

  /** The last transaction makes everything before it durable. */
  private async openWriter(): Promise<Session> {
    const session = await this.connect(this.database, this.parts.signal)
    await session.query('set synchronous_commit = off')
    return session
  }

  private step(step: StepName, of: { started: number; bytes: number; count?: number }): void {
    const ms = this.parts.context.clock.monotonic() - of.started
    this.steps.push({ step, bytes: of.bytes, ms, ...(of.count === undefined ? {} : { count: of.count }) })
  }

  /** From tables with rows to tables in their place. */
  private async settle(
    session: Session,
    of: { found: TablesSandbox; making: Making; roots: readonly Root[]; rows: ReadonlyMap<number, number> },
  ): Promise<readonly RecoveredTable[]> {
    const { making, roots, found } = of
    const staying = roots.some(({ how }) => how !== 'compare' && how !== 'merge')
    await this.dress(session, { found, making, roots, staying })
    const diffs = await this.compare(session, making, roots)
    const { context } = this.parts
    await this.ask(roots, diffs)
    const started = context.clock.monotonic()
    const merged = new Map<number, Merged>()
    let kept: readonly { table: string; keptAs: string }[] = []
    if (staying || roots.some(({ how }) => how === 'merge')) {
      context.progress({ phase: 'putting in place' })
      await session.query('begin')
      for (const { definition, live, how } of mergeOrder(roots))
        if (how === 'merge')
          merged.set(definition.oid, await mergeTable(session, this.stagedName(making, definition), live!))
      if (staying) kept = (await this.place(session, making, roots)).kept
      await session.query('commit')
      this.step('swap', { started, bytes: 0, count: roots.length })
    }
    return roots.map((root) => this.resultOf(root, { ...of, diffs, merged, kept }))
  }

  private stagedName(making: Making, definition: TableDefinition): string {
    return staged(making.naming.tables.get(definition.oid)!)
  }

  /** Indexes, keys and all the rest. Of rows that are only compared or merged nothing is needed but the key. */
  private async dress(
    session: Session,
    of: { found: TablesSandbox; making: Making; roots: readonly Root[]; staying: boolean },
  ): Promise<void> {
    const { making, roots, staying } = of
    const { context, signal } = this.parts
    const started = context.clock.monotonic()
    const count = await makeIndexes({
      making,
      workers: this.workers,
      onlyKeys: !staying,
      openTarget: () => this.openWriter(),
      signal,
      progress: (done, total) => context.progress({ phase: 'building indexes', done, total, unit: 'count' }),
    })
    if (staying) {
      {
        await using source = await of.found.open()
        await setSequences(session, source, making)
      }
      await finishTables(session, making)
      const comingOf = (table: TableDefinition): Coming => {
        const { how } = roots.find((one) => one.definition.oid === table.root)!
        return how === 'merge' || how === 'compare' ? 'beside' : how
      }
      this.notes.push(...(await makeKeys(session, making, comingOf)))
    }
    context.progress({ phase: 'gathering statistics' })
    await analyzeTables(session, making)
    const bytes = making.definitions.reduce((sum, one) => sum + one.bytes, 0)
    this.step('build-indexes', { started, bytes, count })
  }

  private async compare(
    session: Session,
    making: Making,
    roots: readonly Root[],
  ): Promise<ReadonlyMap<number, TableDiff>> {
    const diffs = new Map<number, TableDiff>()
    if (!this.parts.request.compare && !roots.some(({ how }) => how === 'compare')) return diffs
    for (const { definition, live } of roots) {
      if (!live) continue
      this.parts.context.progress({ phase: 'comparing', note: shownName(definition) })
      diffs.set(definition.oid, await diffTables(session, this.stagedName(making, definition), sqlName(live)))
    }
    return diffs
  }

  private async ask(roots: readonly Root[], diffs: ReadonlyMap<number, TableDiff>): Promise<void> {
    const { context } = this.parts
    const changing = roots.filter(({ how }) => how === 'swap' || how === 'merge')
    if (changing.length === 0) return
    const lines = changing.flatMap(({ definition }) => {
      const diff = diffs.get(definition.oid)
      return diff === undefined ? [] : diffText(shownName(definition), diff)
    })
    for (const line of lines) context.say?.(line)
    const names = changing.map(({ definition }) => shownName(definition)).join(', ')
    const question =
      changing[0]!.how === 'swap'
        ? `replace ${names} by what it was (the live one is kept as ${changing.map(({ live }) => nameWith(live!.name, this.keptEnding)).join(', ')})?`
        : `put the missing and changed rows back into ${names}?`
    await demandConfirmation(context, question)
  }

  private get keptEnding(): string {
    return `_before_${this.id}`
  }

  private async place(
    session: Session,
    making: Making,
    roots: readonly Root[],
  ): Promise<{ kept: readonly { table: string; keptAs: string }[] }> {
    for (const schema of making.naming.stagings.keys()) {
      const [row] = await session.query<{ there: boolean }>(
        'select exists (select from pg_catalog.pg_namespace where nspname = $1) as there',
        [schema],
      )
      if (row!.there) continue
      await session.query(`create schema ${quoteName(schema)}`)
      this.notes.push(`schema ${schema} did not exist any more: it was made anew`)
    }
    const replaced = roots.flatMap(({ definition, live, how }) =>
      how === 'swap' && live ? [{ live, by: definition.oid }] : [],
    )
    for (const { definition, how } of roots) {
      const parent = definition.partitionOf
      if (how === 'returned' && parent)
        this.notes.push(
          `${shownName(definition)} was a partition of ${shownName(parent)}: alter table ${shownName(parent)} attach partition ${shownName(definition)} ${parent.bound}`,
        )
    }
    return await putInPlace(session, making, { replaced, ending: this.keptEnding })
  }

  private resultOf(
    { definition, how }: Root,
    of: {
      making: Making
      rows: ReadonlyMap<number, number>
      diffs: ReadonlyMap<number, TableDiff>
      merged: ReadonlyMap<number, Merged>
      kept: readonly { table: string; keptAs: string }[]
    },
  ): RecoveredTable {
    const parts = of.making.definitions.filter((one) => one.root === definition.root)
    const table = shownName(definition)
    const outcomes = {
      beside: 'beside',
      swap: 'swapped',
      returned: 'returned',
      merge: 'merged',
      compare: 'compared',
    } as const
    const stays = how !== 'merge' && how !== 'compare'
    return {
      table,
      rows: parts.reduce((sum, one) => sum + (of.rows.get(one.oid) ?? 0), 0),
      partitions: parts.length - 1,
      outcome: outcomes[how],
      place: stays ? shownName(of.making.naming.tables.get(definition.oid)!) : how === 'merge' ? table : undefined,
      keptAs: of.kept.find((one) => one.table === table)?.keptAs,
      merged: of.merged.get(definition.oid),
      diff: of.diffs.get(definition.oid),
    }
  }

  /** Also after a cancellation: what is new goes. After success there is nothing. */
  private async tidy(): Promise<void> {
    const { context } = this.parts
    try {
      await using session = await this.connect(this.database, timeLimit(MINUTE_MS))
      await dropStaging(session, this.id)
    } catch (error) {
      context.log.warn(
        { err: error, schemas: `wharf_recovery_${this.id}_*` },
        'the staging of this recovery could not be dropped: the next recovery of a table does it',
      )
    }
  }

  private async keepTimes(report: TablesReport, found: TablesSandbox): Promise<void> {
    const { context, request } = this.parts
    await addRecord(context.home, {
      at: new Date(context.clock.now()).toISOString(),
      warehouse: request.warehouse,
      backup: found.sandbox.manifest.id,
      target: report.target,
      verified: false,
      durationMs: report.durationMs,
      steps: this.steps,
      way: 'table',
      machine: context.environment.hostname,
    }).catch((error: unknown) => context.log.warn({ err: error }, 'the times of this recovery could not be kept'))
  }
}

/** Tables before those that refer to them. */
function mergeOrder(roots: readonly Root[]): readonly Root[] {
  const ordered: Root[] = []
  const visit = (root: Root, path: readonly Root[]): void => {
    if (ordered.includes(root) || path.includes(root)) return
    for (const key of root.definition.constraints) {
      const other = roots.find((one) => one.definition.oid === key.references?.oid)
      if (other) visit(other, [...path, root])
    }
    ordered.push(root)
  }
  for (const root of roots) visit(root, [])
  return ordered
}
