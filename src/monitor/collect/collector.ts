// Asks one node, tick by tick, under the rules of safety (README.md): one connection, short time-outs, never a queue of ticks.
import type { Clock } from '../../base/clock.ts'
import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'
import { seriesKey, type Probe, type Sample } from '../contract.ts'
import { samplesOf, sqlFor } from '../probes/choose.ts'

const lockTimeoutMs = 100
const statementTimeoutMs = 2000
/** Of the interval; what is not asked by then waits for the next tick. */
const deadlineShare = 0.8
const slowIntervalMs = 5 * 60_000
const longestBackoffMs = 5 * 60_000
/** A probe that fails is left alone for longer each time, counted in its own ticks. */
const longestPause = 60

export interface CollectorOptions {
  readonly warehouse: Warehouse
  readonly probes: readonly Probe[]
  readonly intervalMs: number
  readonly busySessions: number
  readonly clock: Clock
  readonly log: Log
  write(at: Date, samples: readonly Sample[]): Promise<void>
}

interface ProbeState {
  readonly probe: Probe
  failures: number
  /** Ticks to leave out. */
  pause: number
  lastMs: number
  lastSamples: readonly Sample[]
  /** Monotonic time of the last success. */
  askedAt: number
}

export class Collector {
  private readonly options: CollectorOptions
  private readonly states: readonly ProbeState[]
  private session: Session | undefined
  private majorVersion = 0
  private skipped = 0
  private failed = 0
  private busy = false

  constructor(options: CollectorOptions) {
    this.options = options
    this.states = options.probes.map((probe) => ({
      probe,
      failures: 0,
      pause: 0,
      lastMs: 0,
      lastSamples: [],
      askedAt: -Infinity,
    }))
  }

  /** Until the signal aborts. A server that cannot be reached is asked less and less often. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.options
    let backoffMs = intervalMs
    let next = clock.monotonic()
    try {
      while (!signal.aborted) {
        const ok = await this.tick(signal)
        backoffMs = ok ? intervalMs : Math.min(backoffMs * 2, longestBackoffMs)
        next += ok ? intervalMs : backoffMs
        // A tick that took too long: the ones it covered are left out, not made up for.
        while (next < clock.monotonic()) {
          next += intervalMs
          this.skipped++
        }
        await clock.sleep(next - clock.monotonic(), signal).catch(() => {})
      }
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    await this.drop()
  }

  /** One round of all probes that are due. Resolves to false where the node could not be asked at all. */
  async tick(signal: AbortSignal): Promise<boolean> {
    const { clock, log, warehouse } = this.options
    const started = clock.monotonic()
    const at = new Date(clock.now())
    const samples: Sample[] = []
    let reached = false
    try {
      const session = await this.connected(signal)
      reached = await this.askAll(session, started, signal)
      for (const state of this.states) {
        if (state.probe.lane === 'slow' || state.askedAt >= started) samples.push(...state.lastSamples)
      }
    } catch (error) {
      if (signal.aborted) return true
      this.failed++
      log.warn(
        { warehouse: warehouse.declaration.name, code: codeOf(error), reason: messageOf(error) },
        'the warehouse could not be asked',
      )
      await this.drop()
    }
    await this.options
      .write(at, [...samples, ...this.own(clock.monotonic() - started, reached)])
      .catch((error: unknown) => {
        log.warn({ reason: messageOf(error) }, 'samples could not be kept')
      })
    return reached
  }

  private async connected(signal: AbortSignal): Promise<Session> {
    if (this.session) return this.session
    const session = await this.options.warehouse.connect({
      purpose: 'monitor',
      signal,
      lockTimeoutMs,
      statementTimeoutMs,
    })
    const [row] = await session.query<{ version: number }>(
      `select current_setting('server_version_num')::int / 10000 as version`,
    )
    this.majorVersion = row!.version
    this.session = session
    return session
  }

  private async askAll(session: Session, started: number, signal: AbortSignal): Promise<boolean> {
    const { clock, intervalMs } = this.options
    const deadline = started + intervalMs * deadlineShare
    for (const state of this.due()) {
      if (clock.monotonic() > deadline || signal.aborted) break
      await this.ask(session, state)
    }
    return true
  }

  private due(): readonly ProbeState[] {
    const now = this.options.clock.monotonic()
    return this.states.filter((state) => {
      if (this.busy && !state.probe.essential) return false
      if (state.probe.lane === 'slow' && now - state.askedAt < slowIntervalMs) return false
      if (state.pause === 0) return true
      state.pause--
      return false
    })
  }

  private async ask(session: Session, state: ProbeState): Promise<void> {
    const sql = sqlFor(state.probe, this.majorVersion)
    if (sql === undefined) return
    const { clock, log, warehouse } = this.options
    const before = clock.monotonic()
    try {
      state.lastSamples = samplesOf(state.probe, await session.query(sql))
      state.failures = 0
      state.askedAt = before
      if (state.probe.name === 'sessions') this.noteBusy(state.lastSamples)
    } catch (error) {
      // A lost connection ends the tick; a time-out or a missing right only this probe.
      if (isWharfError(error) && error.code !== 'warehouse.denied') throw error
      state.lastSamples = []
      state.failures++
      state.pause = Math.min(2 ** state.failures, longestPause)
      log.debug(
        { warehouse: warehouse.declaration.name, probe: state.probe.name, reason: messageOf(error) },
        'a probe failed',
      )
    } finally {
      state.lastMs = clock.monotonic() - before
    }
  }

  private noteBusy(samples: readonly Sample[]): void {
    const active = samples.find((sample) => sample.key === seriesKey('postgres_sessions', { state: 'active' }))
    this.busy = (active?.value ?? 0) > this.options.busySessions
  }

  private async drop(): Promise<void> {
    const session = this.session
    this.session = undefined
    for (const state of this.states) state.lastSamples = []
    await session?.close()
  }

  /** What watching itself costs. */
  private own(tickMs: number, reached: boolean): readonly Sample[] {
    return [
      { key: 'monitor_up', value: reached ? 1 : 0 },
      { key: 'monitor_tick_milliseconds', value: tickMs },
      { key: 'monitor_skipped_ticks', value: this.skipped },
      { key: 'monitor_failed_ticks', value: this.failed },
      { key: 'monitor_failing_probes', value: this.states.filter((state) => state.failures > 0).length },
      { key: 'monitor_busy', value: this.busy ? 1 : 0 },
    ]
  }
}
