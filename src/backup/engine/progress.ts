// How far a backup is, several times a second: phase, bytes done and in all, speed over the last seconds, time left.
import type { Clock } from '../../base/clock.ts'
import type { Progress } from '../../base/operation.ts'

/** Between two reports of the copying. */
const REPORT_MS = 500
/** Speed is measured over this long. */
const WINDOW_MS = 10_000

export type Report = (event: Progress) => void

/** Reports bytes until `stop` is called; `done` is asked each time. */
export function reportBytes(of: {
  phase: string
  total: number
  done: () => number
  note?: () => string | undefined
  report: Report
  clock: Clock
}): { stop(): Promise<void> } {
  const end = new AbortController()
  const samples: { at: number; done: number }[] = []
  const emit = (): void => {
    const now = { at: of.clock.monotonic(), done: of.done() }
    samples.push(now)
    while (samples.length > 2 && now.at - samples[1]!.at > WINDOW_MS) samples.shift()
    const note = of.note?.()
    const said = note === undefined ? {} : { note }
    of.report({ phase: of.phase, done: now.done, total: of.total, unit: 'bytes', ...speed(samples, of.total), ...said })
  }
  const ticking = (async () => {
    emit()
    while (!end.signal.aborted) {
      await of.clock.sleep(REPORT_MS, end.signal).catch(() => {})
      emit()
    }
  })()
  return {
    stop: async () => {
      end.abort()
      await ticking
    },
  }
}

/** Units per second over the samples, and how long the rest takes at that speed. Nothing until there is a speed. */
export function speed(
  samples: readonly { at: number; done: number }[],
  total: number,
): { rate?: number; leftMs?: number } {
  const first = samples[0]
  const last = samples.at(-1)
  if (!first || !last || last.at <= first.at || last.done <= first.done) return {}
  const rate = ((last.done - first.done) * 1000) / (last.at - first.at)
  return { rate: Math.round(rate), leftMs: Math.round((Math.max(0, total - last.done) * 1000) / rate) }
}
