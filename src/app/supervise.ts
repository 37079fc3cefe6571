// Runs daemons side by side, starts a failed one again with back-off, and stops them in three bounded steps.
import type { Clock } from '../base/clock.ts'
import { isWharfError, messageOf, type ExitName } from '../base/errors.ts'
import type { Context, Daemon } from '../base/room.ts'

export interface Supervision {
  readonly context: Context
  readonly daemons: readonly Daemon[]
  /** Aborted to stop. */
  readonly signal: AbortSignal
  readonly announce: (line: string) => void
  readonly bounds?: Partial<Bounds>
}

/** Bounds of the first two steps of stopping; the third, force, is the end of the process. Milliseconds. */
export interface Bounds {
  readonly drainMs: number
  readonly abortMs: number
}

export interface Stopped {
  /** Daemons that had not returned when the bounds were over. */
  readonly left: readonly string[]
}

const BOUNDS: Bounds = { drainMs: 30_000, abortMs: 10_000 }
const FIRST_DELAY_MS = 1000
const LONGEST_DELAY_MS = 60_000
/** A daemon that ran this long and then fails starts again at the shortest delay. */
const SETTLED_MS = 60_000
/** A lasting error of these kinds at the very start is the operator's to mend: starting again would hide it. */
const START_ERRORS: readonly ExitName[] = ['usage', 'environment', 'configuration', 'busy']

/** Resolves when all daemons have stopped or the bounds are over; rejects with the first start-up error, after stopping the rest. */
export async function supervise(supervision: Supervision): Promise<Stopped> {
  const { context, daemons, signal } = supervision
  const stop = new AbortController()
  const hurry = new AbortController()
  const running = new Set(daemons.map((daemon) => daemon.name))
  const failure: { error?: unknown } = {}
  const onAbort = (): void => stop.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const ended = Promise.all(
    daemons.map(async (daemon) => {
      try {
        await keepRunning(daemon, supervision, { stop: stop.signal, hurry: hurry.signal })
      } catch (error) {
        failure.error ??= error
        stop.abort(error)
      } finally {
        running.delete(daemon.name)
      }
    }),
  )
  await Promise.race([ended, aborted(stop.signal)])
  const bounds = { ...BOUNDS, ...supervision.bounds }
  if (running.size > 0) await within(context.clock, ended, bounds.drainMs)
  if (running.size > 0) {
    context.log.warn({ daemons: [...running] }, 'draining took too long: giving up what runs')
    hurry.abort(stop.signal.reason)
    await within(context.clock, ended, bounds.abortMs)
  }
  signal.removeEventListener('abort', onAbort)
  if ('error' in failure) throw failure.error
  return { left: [...running] }
}

interface Signals {
  readonly stop: AbortSignal
  readonly hurry: AbortSignal
}

async function keepRunning(
  daemon: Daemon,
  { context, announce }: Supervision,
  { stop, hurry }: Signals,
): Promise<void> {
  const { clock, log, random } = context
  let delayMs = FIRST_DELAY_MS
  for (let start = 1; !stop.aborted; start++) {
    const startedAt = clock.monotonic()
    try {
      await daemon.run(context, stop, { announce, hurry })
      if (!stop.aborted) log.debug({ daemon: daemon.name }, 'has nothing to do')
      return
    } catch (error) {
      if (stop.aborted) return
      const ranMs = clock.monotonic() - startedAt
      if (start === 1 && isStartError(error)) throw error
      delayMs = ranMs >= SETTLED_MS ? FIRST_DELAY_MS : delayMs
      const fields = {
        daemon: daemon.name,
        delayMs,
        code: isWharfError(error) ? error.code : 'defect',
        ...(isWharfError(error) ? {} : { err: error }),
      }
      log.error(fields, `${daemon.name} failed: ${messageOf(error)}`)
      const jitterMs = random.integer(Math.max(1, Math.round(delayMs / 4)))
      await clock.sleep(delayMs + jitterMs, stop).catch(() => {})
      delayMs = Math.min(LONGEST_DELAY_MS, delayMs * 2)
    }
  }
}

function isStartError(error: unknown): boolean {
  return isWharfError(error) && !error.passing && START_ERRORS.includes(error.exit)
}

async function within(clock: Clock, work: Promise<unknown>, ms: number): Promise<void> {
  const over = new AbortController()
  try {
    await Promise.race([work, clock.sleep(ms, over.signal).catch(() => {})])
  } finally {
    over.abort()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
