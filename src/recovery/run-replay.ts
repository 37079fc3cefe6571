// Replay of kept loads on a recovered server: what was not logged comes back, load by load, each in one transaction with the record that it was.
import type { Progress } from '../base/operation.ts'
import type { Context } from '../base/room.ts'
import type { KeptLoad, KeptOutcome, Repository } from '../repository/contract.ts'
import { warehousesSection } from '../warehouse/config.ts'
import type { Session, Warehouse } from '../warehouse/contract.ts'
import { enterUnloggedLoad } from '../warehouse/interlock.ts'
import { installSql, replayedSql } from '../warehouse/load-journal.ts'
import { warehousesOf } from '../warehouse/warehouses.ts'
import { replayErrors as errors } from './replay/errors.ts'
import { addRecord, readRecords } from './rates/times.ts'
import { choose, nameOf, type Choice, type ChooseOptions, type Chosen, type DatabaseState } from './replay/choose.ts'
import { estimateReplay, type ReplayEstimate } from './replay/estimate.ts'
import { executeLoad, type Difference } from './replay/execute.ts'
import { inputBytesOf, keptForReplay } from './replay/kept.ts'
import { readState } from './replay/server-state.ts'
import { openChosenRepository, type RepositoryChoice } from './restore/open-repository.ts'
import { readingOf } from './restore/reading.ts'

export interface ReplayRequest extends RepositoryChoice, ChooseOptions {
  /** Of the recovered server; its database does not matter. */
  readonly to: ReplayServer
  /** Nothing is changed. */
  readonly planOnly: boolean
}
export type ReplayServer =
  | { readonly url: string; readonly passwordFile?: string | undefined }
  | { readonly host: string; readonly port: number; readonly user: string }

export interface ReplayedLoad {
  readonly id: string
  readonly what: string
  readonly database: string
  readonly mode: Chosen['mode']
  readonly keptAt: string
  readonly tables: readonly string[]
  readonly rows: number
  readonly inputBytes: number
  /** What it took when it ran first. */
  readonly firstMs: number
  readonly state: 'planned' | 'replayed'
  readonly ms: number | undefined
  readonly differences: readonly Difference[]
  /** Logged tables that it reads: as they stand now, not as they stood then. */
  readonly readsNow: readonly string[]
}

export interface ReplayReport {
  readonly warehouse: string
  readonly repository: string
  readonly loads: readonly ReplayedLoad[]
  readonly left: Choice['left']
  readonly filled: Choice['filled']
  readonly outside: Choice['outside']
  readonly time: ReplayEstimate
  readonly durationMs: number
  readonly notes: readonly string[]
}

interface Tools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

/** One replay at a time in a database: "wlrp" in ASCII. */
const REPLAY_LOCK = 0x77_6c_72_70

export async function replayLoads(request: ReplayRequest, context: Context, tools: Tools): Promise<ReplayReport> {
  const chosen = await openChosenRepository(request, context, tools.signal)
  try {
    const { repository } = chosen
    const { warehouse } = request
    await using reading = await readingOf(repository, { warehouse, log: context.log, signal: tools.signal })
    const replay = new Replay({ request, context, repository, server: serverOf(request.to, context), ...tools })
    await using _ = replay
    const report = await replay.run()
    return reading.unprotected === undefined ? report : { ...report, notes: [...report.notes, reading.unprotected] }
  } finally {
    await chosen.close()
  }
}

function serverOf(to: ReplayServer, context: Context): Warehouse {
  const entry =
    'url' in to
      ? { url: to.url, ...(to.passwordFile === undefined ? {} : { password_file: to.passwordFile }) }
      : { ...to, database: 'postgres' }
  const { clock, home, configFile } = context
  return warehousesOf(warehousesSection.schema.parse({ recovered: entry }), { clock, home, configFile }).get(
    'recovered',
  )
}

interface Parts extends Tools {
  readonly request: ReplayRequest
  readonly context: Context
  readonly repository: Repository
  readonly server: Warehouse
}

class Replay implements AsyncDisposable {
  private readonly parts: Parts
  private readonly sessions = new Map<string, Session>()
  private readonly started: number

  constructor(parts: Parts) {
    this.parts = parts
    this.started = parts.context.clock.monotonic()
  }

  async run(): Promise<ReplayReport> {
    const { request, repository, context } = this.parts
    const loads = await this.keptLoads()
    const states = await this.readStates(loads)
    const outcomes = await this.outcomesOf(loads, states)
    const choice = choose({ loads, states, outcomes }, request)
    const time = estimateReplay(
      choice.replay.map((one) => one.load),
      { records: await readRecords(context.home), warehouse: request.warehouse, soFarMs: this.elapsed() },
    )
    const notes = notesOf(choice)
    const common = { warehouse: request.warehouse, repository: repository.name, ...choice, time, notes }
    const shown = choice.replay.map((one) => this.shown(one, states))
    if (request.planOnly) return { ...reportOf(common), loads: shown, durationMs: this.elapsed() }
    if (choice.filled.length > 0) throw errors.tablesFilled(choice.filled)
    const done = await this.carryOut(choice, shown, time)
    return { ...reportOf(common), loads: done, durationMs: this.elapsed() }
  }

  private elapsed(): number {
    return Math.round(this.parts.context.clock.monotonic() - this.started)
  }

  private async keptLoads(): Promise<readonly KeptLoad[]> {
    const { request, repository, context, server, signal } = this.parts
    this.parts.report({ phase: 'listing kept loads' })
    const loads = await keptForReplay(repository, { warehouse: request.warehouse, log: context.log, signal })
    if (loads.length === 0) throw errors.noKeptLoad({ warehouse: request.warehouse, repository: repository.name })
    const unknown = request.except.filter((id) => !loads.some((one) => one.id === id))
    if (unknown.length > 0) throw errors.unknownLoads(unknown)
    await using session = await server.connect({ purpose: 'recover loads', signal })
    const [row] = await session.query<{ id: string }>(
      'select system_identifier::text as id from pg_catalog.pg_control_system()',
    )
    const own = loads.filter((one) => one.systemIdentifier.toString() === row!.id)
    const kept = [...new Set(loads.map((one) => one.systemIdentifier.toString()))]
    if (own.length === 0) throw errors.otherServer({ server: row!.id, kept })
    return own
  }

  /** Where loads will be run, nobody else may begin to between looking and running. */
  private async readStates(loads: readonly KeptLoad[]): Promise<ReadonlyMap<string, DatabaseState>> {
    const { server, signal, request } = this.parts
    const states = new Map<string, DatabaseState>()
    for (const database of await this.databases()) {
      const own = loads.filter((one) => one.database === database)
      const session = await server.connect({ purpose: 'recover loads', database, signal, statementTimeoutMs: 0 })
      this.sessions.set(database, session)
      if (!request.planOnly && own.length > 0) await this.enter(session, database)
      const ids = own.map((one) => one.id)
      const relations = [...new Set(own.flatMap((one) => [...Object.keys(one.journal.written), ...one.alsoLogged]))]
      const unlogged = own.flatMap((one) => one.unlogged.map((table) => table.relation))
      const state = await readState(session, { database, ids, relations: [...relations, ...unlogged] })
      states.set(database, state)
      if (own.length > 0) continue
      await session.close()
      this.sessions.delete(database)
    }
    return states
  }

  private async databases(): Promise<readonly string[]> {
    await using session = await this.parts.server.connect({ purpose: 'recover loads', signal: this.parts.signal })
    const rows = await session.query<{ name: string }>(
      'select datname as name from pg_catalog.pg_database where datallowconn and not datistemplate and datconnlimit <> -2 order by 1',
    )
    return rows.map((row) => row.name)
  }

  private async enter(session: Session, database: string): Promise<void> {
    const { context, report, signal } = this.parts
    await session.query("select set_config('idle_session_timeout', '0', false)")
    const [row] = await session.query<{ ours: boolean }>(
      `select pg_catalog.pg_try_advisory_lock(${REPLAY_LOCK}, 0) as ours`,
    )
    if (row?.ours !== true) throw errors.replayBusy(database)
    await session.query(replayedSql)
    await enterUnloggedLoad(session, {
      warehouse: 'recovered',
      clock: context.clock,
      signal,
      onWait: (holders) => report({ phase: 'waiting', note: `for ${holders.join(', ')}` }),
    })
  }

  private async outcomesOf(
    loads: readonly KeptLoad[],
    states: ReadonlyMap<string, DatabaseState>,
  ): Promise<ReadonlyMap<string, KeptOutcome>> {
    const { repository, signal } = this.parts
    const outcomes = new Map<string, KeptOutcome>()
    for (const load of loads) {
      if (states.get(load.database)?.journal.has(load.id)) continue
      outcomes.set(load.id, await repository.kept.outcome(load, signal))
    }
    return outcomes
  }

  private shown({ load, mode }: Chosen, states: ReadonlyMap<string, DatabaseState>): ReplayedLoad {
    const state = states.get(load.database)!
    const { journal } = load
    return {
      id: load.id,
      what: nameOf(load),
      database: load.database,
      mode,
      keptAt: new Date(load.keptMs).toISOString(),
      tables: Object.keys(journal.written),
      rows: journal.rows,
      inputBytes: inputBytesOf(load),
      firstMs: load.workMs,
      state: 'planned',
      ms: undefined,
      differences: [],
      readsNow: load.reads.filter((relation) => state.tables.get(relation)?.unlogged !== true),
    }
  }

  private async carryOut(
    { replay }: Choice,
    shown: readonly ReplayedLoad[],
    time: ReplayEstimate,
  ): Promise<readonly ReplayedLoad[]> {
    const { context, signal } = this.parts
    const { clock } = context
    for (const database of new Set(replay.filter((one) => one.mode === 'after').map((one) => one.load.database)))
      await this.sessions.get(database)!.query(installSql)
    const done: ReplayedLoad[] = []
    const total = shown.reduce((sum, one) => sum + one.inputBytes, 0)
    let bytes = 0
    const begun = clock.monotonic()
    const leftMs = (): number => Math.max(0, Math.round(time.expectedMs - (clock.monotonic() - begun)))
    for (const [index, chosen] of replay.entries()) {
      signal.throwIfAborted()
      const one = shown[index]!
      const note = `${one.what} (${index + 1} of ${replay.length})`
      const onBytes = (more: number): void => {
        bytes += more
        this.parts.report({ phase: 'replaying', done: bytes, total, unit: 'bytes', note, leftMs: leftMs() })
      }
      onBytes(0)
      const started = clock.monotonic()
      const session = this.sessions.get(chosen.load.database)!
      const differences = await executeLoad(session, chosen, { repository: this.parts.repository, onBytes, signal })
      done.push({ ...one, state: 'replayed', ms: Math.round(clock.monotonic() - started), differences })
    }
    if (done.length > 0) await this.keepTimes(time, { bytes: total, ms: this.elapsed(), count: done.length })
    return done
  }

  private async keepTimes(
    time: ReplayEstimate,
    { count, ...measured }: { bytes: number; ms: number; count: number },
  ): Promise<void> {
    const { context, request } = this.parts
    const { expectedMs, lowMs, highMs, basis, firstMs } = time
    const predicted = { expectedMs, lowMs, highMs, basis }
    await addRecord(context.home, {
      at: new Date(context.clock.now()).toISOString(),
      warehouse: request.warehouse,
      backup: '',
      target: request.after ? 'loads after the target' : 'loads that were not logged',
      verified: false,
      durationMs: measured.ms,
      way: 'loads',
      repository: this.parts.repository.name,
      machine: context.environment.hostname,
      steps: [{ step: 'load', ...measured, count, basisMs: firstMs, predicted }],
      predicted,
    }).catch((error: unknown) => context.log.warn({ err: error }, 'the times of this replay could not be kept'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.sessions.values()) await session.close()
  }
}

function reportOf(
  all: Choice & Omit<ReplayReport, 'loads' | 'durationMs'>,
): Omit<ReplayReport, 'loads' | 'durationMs'> {
  const { warehouse, repository, left, filled, outside, time, notes } = all
  return { warehouse, repository, left, filled, outside, time, notes }
}

function notesOf({ replay }: Choice): readonly string[] {
  const scripts = replay.some((one) => one.load.steps.some((step) => step.kind === 'script'))
  return scripts ? ['SQL that asks for the time or for random values gets those of the replay'] : []
}
