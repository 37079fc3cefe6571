// Where receiving goes on, from what a repository holds and the server's history. Pure.
import type { WalRange } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { segmentStart } from '../../wal/segments.ts'
import type { TimelineSpan } from '../../wal/timelines.ts'

export interface WalPosition {
  readonly timeline: number
  readonly lsn: Lsn
}

/**
 * The end of what `ranges` hold of this history; where they hold a whole timeline, the start of the next, which is the start of the
 * segment of the switch: the server has that segment again under the new timeline's name. Undefined where they hold nothing of it.
 */
export function resumePosition(
  ranges: readonly WalRange[],
  spans: readonly TimelineSpan[],
  segmentBytes: number,
): WalPosition | undefined {
  for (let at = spans.length - 1; at >= 0; at--) {
    const span = spans[at]!
    const own = ranges.filter(
      (range) => range.timeline === span.timeline && (span.endLsn === undefined || range.startLsn < span.endLsn),
    )
    if (own.length === 0) continue
    const lsn = own.reduce((end, range) => (range.endLsn > end ? range.endLsn : end), 0n)
    const next = spans[at + 1]
    if (next === undefined || span.endLsn === undefined || lsn < span.endLsn) return { timeline: span.timeline, lsn }
    return { timeline: next.timeline, lsn: segmentStart(span.endLsn, segmentBytes) }
  }
  return undefined
}

/** Where the WAL before `lsn` on `timeline` ends on it: its own end, or where the server left it. */
export function earlier(one: WalPosition, other: WalPosition): WalPosition {
  if (one.timeline !== other.timeline) return one.timeline < other.timeline ? one : other
  return one.lsn <= other.lsn ? one : other
}
