// The service behind status, timeline, metrics and samples.
import type { Context } from '../base/room.ts'
import { loadJournal } from '../loads/contract.ts'
import { targetsSection } from './config.ts'
import type {
  Problem,
  RangeView,
  Recoverability,
  Status,
  Timeline,
  TimelineLoad,
  Verdict,
  WarehouseStatus,
} from './contract.ts'
import { errors } from './errors.ts'
import { FactGatherer, type Facts, type Known } from './facts.ts'
import { joinedByTime, lossNow, newestRange } from './loss.ts'
import { problem, unknown } from './problems.ts'
import { backupView, judge, worst } from './verdict.ts'

const TIMELINE_LOADS = 500

export function buildRecoverability(context: Context, scope: AsyncDisposableStack): Recoverability {
  const life = new AbortController()
  scope.defer(() => life.abort(new Error('wharf stops')))
  const gatherer = new FactGatherer(context, life.signal)
  return {
    status: ({ warehouse, signal }) => status(context, gatherer, { warehouse, signal }),
    timeline: (warehouse, options) => timeline(context, gatherer, { warehouse, ...options }),
  }
}

async function status(
  context: Context,
  gatherer: FactGatherer,
  asked: { warehouse: string | undefined; signal: AbortSignal },
): Promise<Status> {
  const nowMs = context.clock.now()
  const at = new Date(nowMs).toISOString()
  const declared = await gatherer.warehouses()
  asked.signal.throwIfAborted()
  if (!declared.known) {
    return {
      at,
      verdict: 'unknown',
      sentence: 'It cannot be told what is declared.',
      warehouses: [],
      problems: [unknown(declared.why)],
    }
  }
  const wanted = choose(declared.value, asked.warehouse)
  if (wanted.length === 0) return nothingDeclared(at)
  const targets = context.section(targetsSection)
  const warehouses = await Promise.all(
    wanted.map(async ({ name, repositories }) => judge(await gatherer.gather(name, repositories), targets, nowMs)),
  )
  asked.signal.throwIfAborted()
  return {
    at,
    verdict: worst(warehouses.map((one) => one.verdict)),
    sentence: overall(warehouses),
    warehouses,
    problems: [],
  }
}

function choose<T extends { readonly name: string }>(declared: readonly T[], name: string | undefined): readonly T[] {
  if (name === undefined) return declared
  const found = declared.filter((one) => one.name === name)
  if (found.length === 0) throw errors.unknownWarehouse({ name, known: declared.map((one) => one.name) })
  return found
}

function nothingDeclared(at: string): Status {
  const missing = problem(
    'warning',
    'nothing-declared',
    'no warehouse is declared',
    '"wharf warehouse add NAME URL" declares one',
  )
  return { at, verdict: 'none', sentence: 'No warehouse is declared yet.', warehouses: [], problems: [missing] }
}

const words: Readonly<Record<Verdict, (names: string) => string>> = {
  protected: () => 'Everything is protected.',
  degraded: (names) => `Recoverable, but something is off with ${names}.`,
  unprotected: (names) => `Not protected: ${names}.`,
  unknown: (names) => `Cannot be told for ${names}.`,
  none: () => 'No warehouse is declared yet.',
}

function overall(warehouses: readonly WarehouseStatus[]): string {
  const verdict = worst(warehouses.map((one) => one.verdict))
  return words[verdict](
    warehouses
      .filter((one) => one.verdict === verdict)
      .map((one) => one.warehouse)
      .join(', '),
  )
}

interface TimelineAsked {
  readonly warehouse: string
  readonly fromMs: number
  readonly toMs: number
  readonly signal: AbortSignal
}

async function timeline(context: Context, gatherer: FactGatherer, asked: TimelineAsked): Promise<Timeline> {
  const declared = await gatherer.warehouses()
  if (declared.known) choose(declared.value, asked.warehouse)
  const [facts, journal] = await Promise.all([
    gatherer.gather(asked.warehouse, []),
    gatherer.ask(`the journal of ${asked.warehouse}`, async (signal) =>
      (await context.use(loadJournal)).list(asked.warehouse, { limit: TIMELINE_LOADS, signal }),
    ),
  ])
  asked.signal.throwIfAborted()
  const isWithin = (time: string) => Date.parse(time) >= asked.fromMs && Date.parse(time) <= asked.toMs
  const ranges = upToNow(facts, asked.toMs)
  const stretches = joinedByTime(ranges)
  const loads: readonly TimelineLoad[] = journal.known
    ? journal.value.filter((one) => isWithin(one.committedAt)).map(loadView)
    : []
  return {
    warehouse: asked.warehouse,
    from: new Date(asked.fromMs).toISOString(),
    to: new Date(asked.toMs).toISOString(),
    ranges: ranges.filter((one) => Date.parse(one.toTime) >= asked.fromMs && Date.parse(one.fromTime) <= asked.toMs),
    holes: stretches
      .slice(1)
      .map((next, index) => ({ before: stretches[index]!.to, next: next.from }))
      .map(({ before, next }) => ({
        fromTime: before.toTime,
        toTime: next.fromTime,
        fromLsn: before.toLsn,
        toLsn: next.fromLsn,
      })),
    backups: (facts.backups.known ? facts.backups.value : []).map(backupView).filter((one) => isWithin(one.finishedAt)),
    loads,
    proof: facts.proof.known ? (facts.proof.value ?? null) : null,
    problems: unasked(facts, journal),
  }
}

/** While WAL arrives, every moment up to the lag can be recovered, also where nothing was written for a while. */
function upToNow(facts: Facts, nowMs: number): readonly RangeView[] {
  const ranges = facts.window.known ? facts.window.value : []
  const newest = newestRange(ranges)
  const loss = lossNow(facts, nowMs)
  if (!newest || loss.basis !== 'receiver' || loss.ms === null) return ranges
  const reachedMs = Math.max(Date.parse(newest.toTime), nowMs - loss.ms)
  return ranges.map((one) => (one === newest ? { ...one, toTime: new Date(reachedMs).toISOString() } : one))
}

function loadView(entry: TimelineLoad): TimelineLoad {
  const { id, pipeline, task, runId, committedAt, rows, logged, targets } = entry
  return { id, pipeline, task, runId, committedAt, rows, logged, targets }
}

function unasked(facts: Facts, journal: Known<unknown>): readonly Problem[] {
  return [facts.backups, facts.window, facts.proof, journal].flatMap((one) =>
    one.known ? [] : [unknown(one.why, 'warning')],
  )
}
