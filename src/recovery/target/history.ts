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
  readonly hole:
    | {
        readonly fromLsn: Lsn
        readonly toLsn: Lsn
        /** No WAL is missing: at `fromLsn` the server went to wal_level = minimal. */
        readonly stopped?: true
      }
    | undefined
}

/**
 * Follows the ranges that a repository holds along a history. The first segment of a timeline begins with a copy of its parent's bytes: where the
 * parent's own were never kept (a segment that was not full when it was left), they count.
 */
export function reachFrom(ranges: readonly WalRange[], spans: readonly TimelineSpan[], fromLsn: Lsn): Reach {
  let endLsn = fromLsn
  let timeline = timelineAt(spans, fromLsn)
  for (const [index, span] of spans.entries()) {
    if (span.endLsn !== undefined && span.endLsn <= fromLsn) continue
    const goal = span.endLsn
    for (
      let holder = holderOf(ranges, spans.slice(index), endLsn);
      holder;
      holder = holderOf(ranges, spans.slice(index), endLsn)
    ) {
      timeline = span.timeline
      endLsn = goal !== undefined && holder.endLsn > goal ? goal : holder.endLsn
      if (endLsn === goal) break
    }
    if (goal === undefined || endLsn < goal) break
  }
  return { endLsn, timeline, hole: holeAfter(ranges, spans, endLsn) }
}

/** A range that holds the byte at `lsn`: of the first of the spans, else of one that descends from it. */
function holderOf(ranges: readonly WalRange[], spans: readonly TimelineSpan[], lsn: Lsn): WalRange | undefined {
  for (const span of spans) {
    const found = ranges.find(
      (range) => range.timeline === span.timeline && range.startLsn <= lsn && range.endLsn > lsn,
    )
    if (found) return found
  }
  return undefined
}

function holeAfter(ranges: readonly WalRange[], spans: readonly TimelineSpan[], endLsn: Lsn): Reach['hole'] {
  const later = spans.flatMap((span) =>
    ranges
      .filter((range) => range.timeline === span.timeline && range.endLsn > endLsn && range.endLsn > span.startLsn)
      .map((range) => (range.startLsn > span.startLsn ? range.startLsn : span.startLsn))
      .filter((start) => start > endLsn && (span.endLsn === undefined || start < span.endLsn)),
  )
  if (later.length === 0) return undefined
  const toLsn = later.reduce((least, start) => (start < least ? start : least))
  const stopped = ranges.some(
    (range) => range.stopped && range.endLsn === endLsn && spans.some((span) => span.timeline === range.timeline),
  )
  return { fromLsn: endLsn, toLsn, ...(stopped ? { stopped } : {}) }
}
