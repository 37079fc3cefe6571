// Backs off when the server's own queries slow down: a small query is timed all the while, against what it took before the backup began, and the rate
// of reading goes down quickly and up again slowly, never below a floor.
import type { Clock } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { formatSize } from '../../base/units.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import { setRate, type BucketState } from './bucket.ts'

/** Reads one row of a catalog by its index: parsing, planning, a few buffer hits. It slows down when the processors or the locks of the server are busy. */
export const DEFAULT_PROBE = `select relname from pg_catalog.pg_class where oid = 'pg_catalog.pg_class'::pg_catalog.regclass`

const PROBE_EVERY_MS = 50
/** Probes that make one judgement. */
const JUDGED = 5
const BASELINE_PROBES = 15
/** A probe that takes this long has been answered: slow. */
const PROBE_TIMEOUT_MS = 5000
const DOWN = 0.5
const UP = 1.2

export interface GuardPolicy {
  readonly query: string
  /** The probe may take `factor` × its own baseline, or this long where that is more; milliseconds. */
  readonly targetMs: number | undefined
  readonly factor: number
  readonly floorBytesPerSecond: number
  /** Never more than this; undefined: no limit. */
  readonly ceilingBytesPerSecond: number | undefined
}

export interface GuardState {
  readonly baselineMs: number
  /** The slowest judgement. */
  readonly worstMs: number
  readonly backedOff: number
  /** Undefined: no limit now. */
  readonly rate: number | undefined
  readonly lowestRate: number | undefined
}

export interface GuardOptions {
  readonly policy: GuardPolicy
  readonly warehouse: Warehouse
  readonly bucket: BucketState
  /** Bytes read so far, by all threads. */
  readonly bytesRead: () => number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Pure: the next rate after one judgement. `measured`: bytes per second that were really read. */
export function nextRate(
  now: { rate: number | undefined; measured: number; slow: boolean },
  policy: Pick<GuardPolicy, 'floorBytesPerSecond' | 'ceilingBytesPerSecond'>,
): number | undefined {
  const { floorBytesPerSecond: floor, ceilingBytesPerSecond: ceiling } = policy
  if (now.slow) return Math.max(floor, Math.min(now.rate ?? Infinity, Math.max(now.measured, floor)) * DOWN)
  if (now.rate === undefined) return ceiling
  const more = now.rate * UP
  if (ceiling !== undefined) return Math.min(ceiling, more)
  // Far above what is read at all: the limit means nothing any more.
  return more > 4 * Math.max(now.measured, floor) ? undefined : more
}

export class ForegroundGuard implements AsyncDisposable {
  private readonly options: GuardOptions
  private readonly end = new AbortController()
  private readonly running: Promise<void>
  private readonly baselineMs: number
  private rate: number | undefined
  private worstMs = 0
  private backedOff = 0
  private lowestRate: number | undefined
  /** Why the probe could not go on; reading stays at the floor then. */
  failure: string | undefined

  private constructor(options: GuardOptions, baselineMs: number) {
    this.options = options
    this.baselineMs = baselineMs
    this.rate = options.policy.ceilingBytesPerSecond
    this.running = this.watch()
  }

  /** Takes the baseline: call it before the backup asks anything else of the server. */
  static async begin(options: GuardOptions): Promise<ForegroundGuard> {
    const times: number[] = []
    await using session = await openProbe(options, options.signal)
    for (let count = 0; count < BASELINE_PROBES; count++) times.push(await timed(session, options))
    return new ForegroundGuard(options, Math.max(0.05, median(times)))
  }

  get state(): GuardState {
    const { baselineMs, worstMs, backedOff, rate, lowestRate } = this
    return { baselineMs, worstMs, backedOff, rate, lowestRate }
  }

  /** For progress; undefined while nothing is held back. */
  get note(): string | undefined {
    if (this.backedOff === 0 || this.rate === this.options.policy.ceilingBytesPerSecond) return undefined
    return `held back to ${formatSize(this.rate ?? 0)}/s: the server answers slowly`
  }

  private async watch(): Promise<void> {
    const signal = AbortSignal.any([this.options.signal, this.end.signal])
    while (!signal.aborted) {
      try {
        await this.judgeOn(signal)
      } catch (error) {
        if (signal.aborted) return
        this.failure = messageOf(error)
        this.apply(this.options.policy.floorBytesPerSecond)
        // A query that is wrong stays wrong; a connection comes back.
        if (!isWharfError(error) || !error.passing) return
        await this.options.clock.sleep(1000, signal).catch(() => {})
      }
    }
  }

  private async judgeOn(signal: AbortSignal): Promise<void> {
    const { clock, policy, bytesRead } = this.options
    const limitMs = Math.max(policy.targetMs ?? 0, this.baselineMs * policy.factor)
    await using session = await openProbe(this.options, signal)
    while (!signal.aborted) {
      const before = { at: clock.monotonic(), bytes: bytesRead() }
      const times: number[] = []
      while (times.length < JUDGED) {
        times.push(await timed(session, this.options))
        await clock.sleep(PROBE_EVERY_MS, signal)
      }
      const seconds = Math.max(0.001, (clock.monotonic() - before.at) / 1000)
      const typical = median(times)
      this.worstMs = Math.max(this.worstMs, typical)
      const slow = typical > limitMs
      if (slow) this.backedOff++
      this.apply(nextRate({ rate: this.rate, measured: (bytesRead() - before.bytes) / seconds, slow }, policy))
    }
  }

  private apply(rate: number | undefined): void {
    this.rate = rate
    if (rate !== undefined) this.lowestRate = Math.min(this.lowestRate ?? Infinity, rate)
    setRate(this.options.bucket, rate)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end.abort()
    await this.running.catch(() => {})
  }
}

function openProbe(options: GuardOptions, signal: AbortSignal) {
  return options.warehouse.connect({ purpose: 'backup probe', signal, statementTimeoutMs: PROBE_TIMEOUT_MS })
}

type Probe = Awaited<ReturnType<typeof openProbe>>

async function timed(session: Probe, options: Pick<GuardOptions, 'policy' | 'clock'>): Promise<number> {
  const { clock, policy } = options
  const before = clock.monotonic()
  try {
    await session.query(policy.query)
  } catch (error) {
    // query_canceled: the time-out. Slow indeed, and no failure.
    if (!(error instanceof Error) || (error as { code?: string }).code !== '57014') throw error
  }
  return clock.monotonic() - before
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

const millis = (ms: number): string => `${ms.toFixed(1)} ms`

/** For the report. */
export function describeGuard(state: GuardState): string | undefined {
  if (state.backedOff === 0) return undefined
  const slowest = state.lowestRate === undefined ? '' : `, down to ${formatSize(state.lowestRate)}/s`
  return `held back ${state.backedOff} times${slowest}: the probe took up to ${millis(state.worstMs)}, ${millis(state.baselineMs)} before the backup`
}
