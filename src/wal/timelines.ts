// Timeline history files, and the question whether a position is on our way to a timeline.
import type { TimelineStep } from './contract.ts'
import { errors } from './errors.ts'
import { formatLsn, type Lsn } from './lsn.ts'

/** A timeline of a history with the WAL that is its own: from `startLsn` up to, not including, `endLsn` (undefined: still growing). */
export interface TimelineSpan {
  readonly timeline: number
  readonly startLsn: Lsn
  readonly endLsn: Lsn | undefined
}

/** Parses `<timeline>.history`: the switches that led to it, oldest first. Empty content (timeline 1) gives none. */
export function parseHistory(timeline: number, content: string): readonly TimelineStep[] {
  const steps: TimelineStep[] = []
  for (const [index, raw] of content.split('\n').entries()) {
    const text = raw.trim()
    if (text === '' || text.startsWith('#')) continue
    const match = /^(\d+)\s+([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})(?:\s+(.*))?$/.exec(text)
    const bad = () => errors.badHistory({ timeline, line: index + 1, text })
    if (!match) throw bad()
    const step = {
      timeline: Number(match[1]),
      switchLsn: (BigInt(`0x${match[2]}`) << 32n) | BigInt(`0x${match[3]}`),
      reason: match[4] ?? '',
    }
    const before = steps.at(-1)
    if (
      step.timeline >= timeline ||
      (before && (step.timeline <= before.timeline || step.switchLsn < before.switchLsn))
    )
      throw bad()
    steps.push(step)
  }
  return steps
}

/** The file as PostgreSQL writes it. */
export function formatHistory(steps: readonly TimelineStep[]): string {
  return steps.map((step) => `${step.timeline}\t${formatLsn(step.switchLsn)}\t${step.reason}\n`).join('')
}

/** The spans of WAL that lead to `timeline` and are it, oldest first. */
export function spansOf(timeline: number, steps: readonly TimelineStep[]): readonly TimelineSpan[] {
  const spans: TimelineSpan[] = []
  let startLsn = 0n
  for (const step of steps) {
    spans.push({ timeline: step.timeline, startLsn, endLsn: step.switchLsn })
    startLsn = step.switchLsn
  }
  spans.push({ timeline, startLsn, endLsn: undefined })
  return spans
}

/** The timeline that the byte at `lsn` belongs to on this history. */
export function timelineAt(spans: readonly TimelineSpan[], lsn: Lsn): number {
  const span = spans.findLast((one) => one.startLsn <= lsn)
  return span?.timeline ?? 1
}

/**
 * Whether everything up to `lsn` on `timeline` is part of this history: a backup that stopped there can be a parent, a
 * cluster that stands there can follow. A position exactly at the switch is still on it.
 */
export function isOnHistory(spans: readonly TimelineSpan[], timeline: number, lsn: Lsn): boolean {
  const span = spans.find((one) => one.timeline === timeline)
  return span !== undefined && (span.endLsn === undefined || lsn <= span.endLsn)
}
