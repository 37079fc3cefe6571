// A database back to a point: out of a sandbox into a new database of the live server, which gets its name when everything is in it. Nothing stays of one that fails.
import { timeLimit } from '../../base/clock.ts'
import { codeOf } from '../../base/errors.ts'
import { demandConfirmation, type OperationContext } from '../../base/operation.ts'
import { MINUTE_MS } from '../../base/units.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { warehouses, type Session, type Warehouse } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import { partErrors as errors } from '../part-errors.ts'
import { askedText } from '../plan/plan.ts'
import { databaseWish } from '../plan/parts/database.ts'
import { ShownPlan } from '../plan/parts/show.ts'
import type { StepTime } from '../rates/times.ts'
import type { SandboxRequest } from '../sandbox/sandbox.ts'
import type { PrivateSession } from '../server/connect.ts'
import { copyRows } from '../tables/copy-rows.ts'
import { literal, nameWith } from '../tables/names.ts'
import { prepareReading, sequenceState } from '../tables/read-definition.ts'
import { addStep, connectLive, workersOf, type TablesRequest } from '../tables/request.ts'
import { CarryOver, refused, runJobs } from './carry-over.ts'
import { readLargeObjects, readPoliciesFor, readRoles, readSequences, readTables, type Contents } from './contents.ts'
import { sortDefinitions, type Definitions } from './definitions.ts'
import { dumpSection, findDumpProgram, type DumpProgram } from './dump.ts'
import { copyLargeObjects } from './large-objects.ts'
import { holdDatabase, IN_USE, sweepDatabases, unfinishedName } from './leftovers.ts'
import type { DatabaseReport } from './report.ts'
import { openDatabaseSandbox, type DatabaseSandbox } from './sandbox-for.ts'
import { splitStatements } from './split-sql.ts'

export interface DatabaseRequest extends Omit<TablesRequest, 'tables' | 'database' | 'mode' | 'diff' | 'compare'> {
  readonly database: string
  readonly pgDump?: string | undefined
}

const DUPLICATE_DATABASE = '42P04'
/** Of naming what others are in. */
const MOST_ATTEMPTS = 5

interface Work {
  readonly request: DatabaseRequest
  readonly warehouse: Warehouse
  readonly context: OperationContext
  readonly signal: AbortSignal
  /** What the new database is called in the end, and until then. */
  readonly place: string
  readonly unfinished: string
  readonly workers: number
  readonly steps: StepTime[]
  readonly notes: string[]
}

export async function recoverDatabase(
  request: DatabaseRequest,
  context: OperationContext,
  signal: AbortSignal,
): Promise<DatabaseReport> {
  const { database } = request
  if (/^template[01]$/.test(database)) throw errors.templateDatabase({ database })
  const warehouse = (await context.use(warehouses)).get(request.warehouse)
  const begun = context.clock.monotonic()
  await using scope = new AsyncDisposableStack()
  const main = scope.use(await connectLive(warehouse, undefined, signal))
  const place = request.as ?? defaultName(database, context.clock.now())
  const newest = await refuseEarly(main, place)
  const dump = await findDumpProgram({
    named: request.pgDump,
    binaries: request.binaries,
    newest,
    environment: context.environment,
  })
  const unfinished = unfinishedName(context.random.bytes(4).toString('hex'))
  const shared = { request, warehouse, context, signal, place, unfinished }
  const work: Work = { ...shared, workers: workersOf(request), steps: [] as StepTime[], notes: [] as string[] }
  const { gone, inUse } = await sweepDatabases(main)
  if (gone.length > 0)
    work.notes.push(`what recoveries that died had left on the server is gone now: ${gone.join(', ')}`)
  if (inUse.length > 0)
    work.notes.push(`of other recoveries, and somebody is in it, so it was left: ${inUse.join(', ')}`)
  const plan = new ShownPlan({
    warehouse: request.warehouse,
    wishOf: (manifest) => databaseWish({ database, as: place }, manifest),
    context,
    signal,
  })
  // Before anything is restored.
  const onPrepared: SandboxRequest['onPrepared'] = async (prepared) => {
    refuseOldDump(dump, prepared.manifest.postgresVersion)
    await plan.onPrepared(prepared)
  }
  const found = scope.use(
    await openDatabaseSandbox({ ...request, sandboxes: request.sandboxDirectory, onPrepared }, context, {
      report: (event) => context.progress(event),
      signal,
    }),
  )
  work.steps.push(...found.times)
  const filled = await carryOver(work, { main, found, dump, scope })
  const { sandbox } = found
  const report: DatabaseReport = {
    warehouse: request.warehouse,
    database,
    place,
    backup: sandbox.manifest.id,
    target: askedText(sandbox.resolved),
    lsn: formatLsn(sandbox.resolved.stop.lsn),
    ...filled,
    notes: work.notes,
    restoredBytes: sandbox.restoredBytes,
    fetchedBytes: found.fetchedBytes,
    durationMs: context.clock.monotonic() - begun,
  }
  const { backup, target, durationMs } = report
  await plan.keepTimes({ backup, target, durationMs, steps: work.steps, way: 'database' })
  return report
}

/** `retail_recovered_20261120_140500`. */
export function defaultName(database: string, nowMs: number): string {
  const [day, time] = new Date(nowMs).toISOString().split('T') as [string, string]
  return nameWith(database, `_recovered_${day.replaceAll('-', '')}_${time.slice(0, 8).replaceAll(':', '')}`)
}

/** What is better known before anything is restored. Returns the major version of the live server. */
async function refuseEarly(session: Session, place: string): Promise<number> {
  const [row] = await session.query<{ taken: boolean; may: boolean; who: string; version: string }>(
    `select exists (select from pg_catalog.pg_database where datname = $1) as taken, current_user as who, pg_catalog.current_setting('server_version_num') as version,
            (select rolsuper or rolcreatedb from pg_catalog.pg_roles where rolname = current_user) as may`,
    [place],
  )
  if (row!.taken) throw errors.databaseTaken({ database: place })
  if (!row!.may) throw errors.mayNotCreate({ user: row!.who })
  return Math.floor(Number(row!.version) / 10_000)
}

/** pg_dump reads no server that is newer than itself. */
export function refuseOldDump(dump: DumpProgram, postgresVersion: number): void {
  const server = Math.floor(postgresVersion / 10_000)
  if (dump.major < server) throw errors.oldPgDump({ path: dump.path, major: dump.major, server })
}

interface Sides {
  readonly main: Session
  readonly found: DatabaseSandbox
  readonly dump: DumpProgram
  readonly scope: AsyncDisposableStack
}

type Filled = Pick<DatabaseReport, 'tables' | 'rows' | 'sequences' | 'largeObjects' | 'copiedBytes'>

async function carryOver(work: Work, sides: Sides): Promise<Filled> {
  const { context } = work
  const { main, found, scope } = sides
  const source = scope.use(await openSource(work, found))
  const { before, after } = await readDefinitions(work, sides, source)
  const contents = await readTables(source, (filenode) => found.sandbox.leftOut(found.oid, filenode))
  noteEmpty(work, contents)
  await askAboutRoles(work, main, source)
  // With a session of its own: this one's may be broken by then, and what is new must go all the same.
  scope.defer(() => dropUnfinished(work))
  await holdDatabase(main, work.unfinished)
  await createDatabase(work, main, before.create)
  const target = scope.use(await openTarget(work, before.settings))
  const carry = new CarryOver(work.notes)
  const pool = {
    first: target,
    workers: work.workers,
    open: () => openTarget(work, before.settings),
    signal: work.signal,
  }
  const show = (phase: string) => (done: number, total: number) =>
    context.progress({ phase, done, total, unit: 'count' })
  await runJobs(before.jobs, carry, { ...pool, workers: 1, progress: show('making tables') })
  const filled = await fill(work, { found, source, target, contents, settings: before.settings })
  const started = context.clock.monotonic()
  await runJobs(after, carry, { ...pool, progress: show('building indexes') })
  context.progress({ phase: 'gathering statistics' })
  await target.query('analyze')
  const bytes = contents.tables.reduce((sum, one) => sum + one.bytes, 0)
  addStep(work, 'build-indexes', { started, bytes, count: after.length })
  const naming = context.clock.monotonic()
  // What a dump says of rights is said on top of what everybody has by default.
  await main.query(`grant connect, temporary on database ${quoteName(work.unfinished)} to public`)
  for (const sql of before.about) await carry.run(main, { sql, defaults: [] })
  await target.close()
  await giveName(work, main)
  addStep(work, 'swap', { started: naming, bytes: 0, count: 1 })
  return filled
}

async function openSource({ request }: Work, found: DatabaseSandbox): Promise<PrivateSession> {
  const session = await found.sandbox.connect(request.database)
  await prepareReading(session)
  return session
}

async function readDefinitions(
  work: Work,
  { dump }: Pick<Sides, 'dump'>,
  source: PrivateSession,
): Promise<{ before: Definitions; after: Definitions['jobs'] }> {
  const { context, request, signal, unfinished } = work
  const { database } = request
  context.progress({ phase: 'reading definitions' })
  const server = { socketDirectory: source.host, port: source.port, user: source.user! }
  const section = async (name: 'pre-data' | 'post-data'): Promise<readonly string[]> => {
    const of = { server, database, section: name, environment: context.environment }
    return splitStatements(await dumpSection(dump, of, signal))
  }
  const before = sortDefinitions(await section('pre-data'), unfinished)
  const after = sortDefinitions([before.create, ...(await section('post-data'))], unfinished)
  return { before, after: after.jobs }
}

function noteEmpty(work: Work, { unlogged, leftOut }: Contents): void {
  const few = (list: readonly string[]): string =>
    list.length > 20 ? `${list.slice(0, 20).join(', ')} and ${list.length - 20} more` : list.join(', ')
  if (unlogged.length > 0) work.notes.push(`not logged, so empty: ${few(unlogged)}`)
  if (leftOut.length > 0) work.notes.push(`of tier scratch, so empty: ${few(leftOut)}`)
}

/** Rather asked before everything is copied than told afterwards. */
async function askAboutRoles({ context, notes }: Work, main: Session, source: PrivateSession): Promise<void> {
  const known = new Set(
    (await main.query<{ name: string }>('select rolname as name from pg_catalog.pg_roles')).map((one) => one.name),
  )
  const missing = (await readRoles(source)).filter((one) => !known.has(one))
  if (missing.length === 0) return
  const policies = await readPoliciesFor(source, missing)
  if (policies.length > 0) throw errors.policyForNobody(policies[0]!)
  await demandConfirmation(
    context,
    `roles that do not exist any more had rights there (${missing.join(', ')}): leave those rights out, and own what was theirs?`,
  )
  notes.push(`roles that do not exist any more: ${missing.join(', ')}`)
}

/** Nobody but its owner and superusers gets in before it has its name. */
async function createDatabase(work: Work, main: Session, sql: string): Promise<void> {
  try {
    await main.query(sql)
  } catch (error) {
    const plain = sql.replace(/ TABLESPACE = ("(?:[^"]|"")+"|\S+)/, '')
    if (codeOf(error) !== '42704' || plain === sql) throw refused(sql, error)
    work.notes.push('the tablespace that it was in does not exist any more: it is in the default one')
    await main.query(plain).catch((again: unknown) => {
      throw refused(plain, again)
    })
  }
  await main.query(`revoke all on database ${quoteName(work.unfinished)} from public`)
}

async function openTarget(work: Work, settings: readonly string[]): Promise<Session> {
  const session = await connectLive(work.warehouse, work.unfinished, work.signal)
  // The last commit makes everything durable.
  await session.query('set synchronous_commit = off')
  for (const one of settings) await session.query(one)
  return session
}

async function fill(
  work: Work,
  of: {
    found: DatabaseSandbox
    source: PrivateSession
    target: Session
    contents: Contents
    settings: readonly string[]
  },
): Promise<Filled> {
  const { context, signal } = work
  const { tables } = of.contents
  const started = context.clock.monotonic()
  const copied = await copyRows({
    definitions: tables,
    places: new Map(tables.map((one) => [one.oid, { schema: one.schema, name: one.name, staging: one.schema }])),
    workers: work.workers,
    openSource: () => openSource(work, of.found),
    openTarget: () => openTarget(work, of.settings),
    clock: context.clock,
    signal,
    progress: (event) => context.progress(event),
  })
  const sequences = await readSequences(of.source)
  for (const name of sequences) {
    const { last, called } = await sequenceState(of.source, name)
    await of.target.query(`select pg_catalog.setval(${literal(name)}::regclass, ${last}, ${called})`)
  }
  const objects = await readLargeObjects(of.source)
  const progress = (done: number): void =>
    context.progress({ phase: 'copying large objects', done, total: objects.length, unit: 'count' })
  const bytes = copied.bytes + (await copyLargeObjects(objects, { ...of, signal, progress }))
  addStep(work, 'copy-rows', { started, bytes, count: tables.length })
  return {
    tables: tables.length,
    rows: [...copied.rows.values()].reduce((sum, one) => sum + one, 0),
    sequences: sequences.length,
    largeObjects: objects.length,
    copiedBytes: bytes,
  }
}

/** Everything before it was committed without waiting for the disk: its own commit makes all of it durable. */
async function giveName({ unfinished, place, signal }: Work, main: Session): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    try {
      await main.query(`alter database ${quoteName(unfinished)} rename to ${quoteName(place)}`)
      return
    } catch (error) {
      if (codeOf(error) === DUPLICATE_DATABASE) throw errors.databaseTaken({ database: place })
      if (codeOf(error) !== IN_USE || attempt === MOST_ATTEMPTS) throw error
    }
    // A collector of metrics that looks into every database: PostgreSQL has waited for it to leave.
    await main.query(
      'select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = $1',
      [unfinished],
    )
  }
}

/** Also after a cancellation. After success there is none of that name. */
async function dropUnfinished({ warehouse, unfinished, context }: Work): Promise<void> {
  try {
    await using session = await connectLive(warehouse, undefined, timeLimit(MINUTE_MS))
    await session.query(`drop database if exists ${quoteName(unfinished)} with (force)`)
  } catch (error) {
    context.log.warn(
      { err: error, database: unfinished },
      'the database of this recovery could not be dropped: the next recovery of a database does it',
    )
  }
}
