// How far the WAL that a repository holds leads along a history of timelines.
import type { WalRange } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { timelineAt, type TimelineSpan } from '../../wal/timelines.ts'

/** Whether a backup that ran from `startLsn` to `stopLsn` on `timeline` lies on the history, so that replay can go on from it. */
export function liesOn(
  spans: readonly TimelineSpan[],
  backup: { timeline: number; startLsn: Lsn; stopLsn: Lsn },
): boolean {
  const span = spans.find((one) => one.timeline === backup.timeline)
  return (
    span !== undefined &&
    backup.startLsn >= span.startLsn &&
    (span.endLsn === undefined || backup.stopLsn <= span.endLsn)
  )
}

/** How far replay can come from a position without a hole. */
export interface Reach {
  readonly endLsn: Lsn
  /** Timeline of the last byte. */
  readonly timeline: number
  /** The first hole after `endLsn`; undefined where nothing of this history follows. */
  readonly hole: { readonly fromLsn: Lsn; readonly toLsn: Lsn } | undefined
}

/** Follows the ranges that a repository holds along a history. */
export function reachFrom(ranges: readonly WalRange[], spans: readonly TimelineSpan[], fromLsn: Lsn): Reach {
  let endLsn = fromLsn
  let timeline = timelineAt(spans, fromLsn)
  for (const span of spans) {
    if (span.endLsn !== undefined && span.endLsn <= fromLsn) continue
    const holder = ranges.find(
      (range) => range.timeline === span.timeline && range.startLsn <= endLsn && range.endLsn > endLsn,
    )
    if (!holder) break
    timeline = span.timeline
    endLsn = span.endLsn !== undefined && holder.endLsn > span.endLsn ? span.endLsn : holder.endLsn
    if (span.endLsn === undefined || endLsn < span.endLsn) break
  }
  return { endLsn, timeline, hole: holeAfter(ranges, spans, endLsn) }
}

function holeAfter(ranges: readonly WalRange[], spans: readonly TimelineSpan[], endLsn: Lsn): Reach['hole'] {
  const later = spans.flatMap((span) =>
    ranges
      .filter((range) => range.timeline === span.timeline && range.endLsn > endLsn && range.endLsn > span.startLsn)
      .map((range) => (range.startLsn > span.startLsn ? range.startLsn : span.startLsn))
      .filter((start) => start > endLsn && (span.endLsn === undefined || start < span.endLsn)),
  )
  if (later.length === 0) return undefined
  return { fromLsn: endLsn, toLsn: later.reduce((least, start) => (start < least ? start : least)) }
}
