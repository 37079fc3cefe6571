// Which stretches of WAL are there, from chunks that may overlap.
import type { WalChunkInfo, WalRange } from '../contract.ts'

/** In order of timeline and start; where two start together the longer comes first. */
export function compareChunks(one: WalChunkInfo, other: WalChunkInfo): number {
  if (one.timeline !== other.timeline) return one.timeline - other.timeline
  if (one.startLsn !== other.startLsn) return one.startLsn < other.startLsn ? -1 : 1
  if (one.endLsn !== other.endLsn) return one.endLsn > other.endLsn ? -1 : 1
  return one.object < other.object ? -1 : 1
}

/** Touching and overlapping chunks of one timeline become one range; a gap begins another. */
export function joinRanges(chunks: readonly WalChunkInfo[]): WalRange[] {
  const ranges: { timeline: number; startLsn: bigint; endLsn: bigint }[] = []
  for (const { timeline, startLsn, endLsn } of [...chunks].sort(compareChunks)) {
    const last = ranges.at(-1)
    if (last?.timeline === timeline && startLsn <= last.endLsn) {
      if (endLsn > last.endLsn) last.endLsn = endLsn
    } else {
      ranges.push({ timeline, startLsn, endLsn })
    }
  }
  return ranges
}
