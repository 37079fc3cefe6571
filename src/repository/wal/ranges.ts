// Which stretches of WAL are there, from chunks that may overlap.
import type { ReplayStop } from '../../wal/minimal.ts'
import { formatLsn } from '../../wal/lsn.ts'
import type { WalChunkInfo, WalRange } from '../contract.ts'
import type { ChunkRange } from './names.ts'

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

/** Cuts out the records at which every replay ends; the part before one is `stopped`. */
export function cutRanges(
  ranges: readonly WalRange[],
  stops: readonly (ReplayStop & { timeline: number })[],
): WalRange[] {
  const sorted = stops.toSorted((one, other) => (one.startLsn < other.startLsn ? -1 : 1))
  return ranges.flatMap((range) => {
    const parts: WalRange[] = []
    let from = range.startLsn
    for (const { timeline, startLsn, endLsn } of sorted) {
      if (timeline !== range.timeline || startLsn >= range.endLsn || endLsn <= from) continue
      if (startLsn > from) parts.push({ timeline, startLsn: from, endLsn: startLsn, stopped: true })
      from = endLsn
    }
    return from < range.endLsn ? [...parts, from === range.startLsn ? range : { ...range, startLsn: from }] : parts
  })
}

/** Of those that overlap, in order, as many as cover the range; none if they do not. */
export function coverOf(range: ChunkRange, chunks: readonly WalChunkInfo[]): readonly WalChunkInfo[] {
  const used: WalChunkInfo[] = []
  let end = range.startLsn
  for (const one of chunks) {
    if (one.startLsn > end) break
    if (one.endLsn <= end) continue
    used.push(one)
    end = one.endLsn
  }
  return end >= range.endLsn ? used : []
}

/** The part [from, to) of bytes that begin at `origin`. */
export function sliceOf(bytes: Buffer, origin: bigint, from: bigint, to: bigint): Buffer {
  return bytes.subarray(Number(from - origin), Number(to - origin))
}

export function describeRange(range: ChunkRange): string {
  return `WAL ${formatLsn(range.startLsn)} to ${formatLsn(range.endLsn)} of timeline ${range.timeline}`
}
