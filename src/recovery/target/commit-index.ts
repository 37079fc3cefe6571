// The ends of transactions along one history, in the order of WAL, read chunk by chunk from the repository's commit index.
import type { WalArchive, WalChunkInfo, WalRange } from '../../repository/contract.ts'
import type { CommitEntry, TimelineStep } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { parseHistory, spansOf, type TimelineSpan } from '../../wal/timelines.ts'
import { recoveryErrors as errors } from '../errors.ts'

/** What is needed of a WAL archive to resolve targets. */
export type WalIndex = Pick<WalArchive, 'list' | 'ranges' | 'readIndex' | 'history'>

/** The WAL of one system identifier as it leads to one timeline. */
export interface HistoryView {
  readonly timeline: number
  readonly spans: readonly TimelineSpan[]
  readonly ranges: readonly WalRange[]
  /** In the order of WAL. */
  readonly chunks: readonly PlacedChunk[]
  /** Entries from `fromLsn` on; `untilLsn` (exclusive, by the start of the entry) ends it early. */
  entries(fromLsn: Lsn, untilLsn?: Lsn): AsyncIterable<CommitEntry>
  /** The last entry that starts before `untilLsn` and not before `fromLsn`. */
  lastEntry(fromLsn: Lsn, untilLsn: Lsn): Promise<CommitEntry | undefined>
}

/** Timelines that the archive has WAL or a history of, ascending. */
export function knownTimelines(ranges: readonly WalRange[]): readonly number[] {
  return [...new Set(ranges.map((range) => range.timeline))].sort((a, b) => a - b)
}

/** Opens the history that leads to `timeline`. Rejects with `recovery.no-history` where its file is missing. */
export async function openHistory(parts: {
  wal: WalIndex
  systemIdentifier: bigint
  timeline: number
  signal: AbortSignal
}): Promise<HistoryView> {
  const { wal, systemIdentifier, timeline, signal } = parts
  const steps = await readSteps(parts)
  const spans = spansOf(timeline, steps)
  const ranges = await wal.ranges(systemIdentifier, signal)
  const chunks = placeChunks(await wal.list(systemIdentifier, signal), spans)
  const read = async (one: PlacedChunk): Promise<readonly CommitEntry[]> => {
    const index = await wal.readIndex(one.info, signal)
    if (index.problem !== undefined) throw errors.undecoded({ object: one.info.object, problem: index.problem })
    return index.commits.filter((entry) => entry.startLsn >= one.fromLsn && entry.startLsn < one.toLsn)
  }
  return {
    timeline,
    spans,
    ranges,
    chunks,
    async *entries(fromLsn, untilLsn) {
      for (const chunk of chunks) {
        if (chunk.toLsn <= fromLsn) continue
        if (untilLsn !== undefined && chunk.fromLsn >= untilLsn) return
        for (const entry of await read(chunk)) {
          if (entry.startLsn >= fromLsn && (untilLsn === undefined || entry.startLsn < untilLsn)) yield entry
        }
      }
    },
    lastEntry: async (fromLsn, untilLsn) => {
      for (const chunk of chunks.toReversed()) {
        if (chunk.fromLsn >= untilLsn || chunk.toLsn <= fromLsn) continue
        const found = (await read(chunk)).findLast((entry) => entry.startLsn < untilLsn && entry.startLsn >= fromLsn)
        if (found) return found
      }
      return undefined
    },
  }
}

async function readSteps(parts: {
  wal: WalIndex
  systemIdentifier: bigint
  timeline: number
  signal: AbortSignal
}): Promise<readonly TimelineStep[]> {
  if (parts.timeline === 1) return []
  const content = await parts.wal.history(parts.systemIdentifier, parts.timeline, parts.signal)
  if (content === undefined) throw errors.noHistory(parts.timeline)
  return parseHistory(parts.timeline, content)
}

/** A chunk and the part of it that counts on the history. */
export interface PlacedChunk {
  readonly info: WalChunkInfo
  readonly fromLsn: Lsn
  readonly toLsn: Lsn
}

/**
 * The first segment of a timeline begins with a copy of its parent's bytes: what lies before the switch counts on the parent only. Chunks
 * may overlap (a receiver that came back): each position counts once.
 */
function placeChunks(infos: readonly WalChunkInfo[], spans: readonly TimelineSpan[]): readonly PlacedChunk[] {
  const placed: PlacedChunk[] = []
  for (const span of spans) {
    const own = infos
      .filter((info) => info.timeline === span.timeline)
      .sort((a, b) => (a.startLsn < b.startLsn ? -1 : a.startLsn > b.startLsn ? 1 : 0))
    let doneLsn = span.startLsn
    for (const info of own) {
      const fromLsn = info.startLsn > doneLsn ? info.startLsn : doneLsn
      const toLsn = span.endLsn !== undefined && info.endLsn > span.endLsn ? span.endLsn : info.endLsn
      if (toLsn <= fromLsn) continue
      placed.push({ info, fromLsn, toLsn })
      doneLsn = toLsn
    }
  }
  return placed
}
