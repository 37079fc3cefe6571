// Progress of a long operation on standard error: one line that changes on a terminal, a line now and then elsewhere.
import type { Clock } from '../base/clock.ts'
import type { Progress } from '../base/operation.ts'
import { formatDuration, formatSize } from '../base/units.ts'
import type { Streams } from './program.ts'

const TERMINAL_INTERVAL_MS = 100
const PLAIN_INTERVAL_MS = 5000
/** The rate shown is that of about the last ten seconds. */
const RATE_WINDOW_MS = 10_000

export interface ProgressView {
  show(event: Progress): void
  /** Takes the changing line away; the next thing printed starts at the margin. */
  clear(): void
}

export const noProgress: ProgressView = { show: () => {}, clear: () => {} }

/** Shows events on `stream`. A new phase is always shown, others at most every 0.1 s (terminal) or 5 s. */
export function progressView(stream: Streams['err'], clock: Clock): ProgressView {
  const isTerminal = stream.isTTY === true
  const rate = rateMeter(clock)
  let shownAt = -Infinity
  let shownPhase: string | undefined
  let isLineOpen = false
  const clear = (): void => {
    if (isLineOpen) stream.write('\r\u001b[K')
    isLineOpen = false
  }
  const show = (event: Progress): void => {
    const filled = { ...event, ...rate(event) }
    const now = clock.monotonic()
    const isDue = now - shownAt >= (isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS)
    if (!isDue && event.phase === shownPhase) return
    shownAt = now
    shownPhase = event.phase
    const line = progressLine(filled)
    if (!isTerminal) {
      stream.write(`${line}\n`)
      return
    }
    clear()
    stream.write(line.slice(0, Math.max(20, (stream.columns ?? 100) - 1)))
    isLineOpen = true
  }
  return { show, clear }
}

/** Fills in rate and time left from the last events of the same phase, unless the event brings them. */
function rateMeter(clock: Clock): (event: Progress) => Pick<Progress, 'rate' | 'leftMs'> {
  let phase: string | undefined
  let seen: { at: number; done: number }[] = []
  return (event) => {
    if (event.done === undefined) return {}
    if (event.phase !== phase) seen = []
    phase = event.phase
    const now = clock.monotonic()
    seen.push({ at: now, done: event.done })
    while (seen.length > 2 && now - seen[0]!.at > RATE_WINDOW_MS) seen.shift()
    const first = seen[0]!
    const rate =
      event.rate ?? (now - first.at < 500 ? undefined : ((event.done - first.done) * 1000) / (now - first.at))
    const left =
      event.leftMs ??
      (rate !== undefined && rate > 0 && event.total !== undefined
        ? ((event.total - event.done) * 1000) / rate
        : undefined)
    return { ...(rate === undefined ? {} : { rate }), ...(left === undefined ? {} : { leftMs: left }) }
  }
}

/** `copying: 1.2 GB of 4.0 GB (30 %), 120 MB/s, 23 s left, base/16384/16385` */
export function progressLine(event: Progress): string {
  const amount = event.unit === 'bytes' ? formatSize : (value: number): string => String(Math.round(value))
  const parts: string[] = []
  if (event.done !== undefined && event.total !== undefined) {
    const percent = event.total === 0 ? 100 : Math.min(100, Math.floor((event.done * 100) / event.total))
    parts.push(`${amount(event.done)} of ${amount(event.total)} (${percent} %)`)
  } else if (event.done !== undefined) parts.push(amount(event.done))
  if (event.rate !== undefined && event.rate > 0) parts.push(`${amount(event.rate)}/s`)
  if (event.leftMs !== undefined) parts.push(`${formatDuration(event.leftMs)} left`)
  if (event.note !== undefined) parts.push(event.note)
  return parts.length === 0 ? event.phase : `${event.phase}: ${parts.join(', ')}`
}
