// The ends of transactions along one history, in the order of WAL, read chunk by chunk from the repository's commit index.
import type { WalArchive, WalChunkInfo, WalRange } from '../../repository/contract.ts'
import type { CommitEntry, TimelineStep } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { parseHistory, spansOf, type TimelineSpan } from '../../wal/timelines.ts'
import { targetErrors as errors } from './errors.ts'

/** What is needed of a WAL archive to resolve targets. */
export type WalIndex = Pick<WalArchive, 'list' | 'replayable' | 'readIndex' | 'history'>

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
  const ranges = await wal.replayable(systemIdentifier, signal)
  const chunks = placeChunks(await wal.list(systemIdentifier, signal), spans)
  const read = async (one: PlacedChunk): Promise<readonly CommitEntry[]> => {
    const index = await wal.readIndex(one.info, signal)
    if (index.problem !== undefined) throw errors.undecoded({ object: one.info.object, problem: index.problem })
    // A record stands in the index of the chunk in which it ends; it may begin in the one before.
    return index.commits.filter((entry) => entry.endLsn > one.fromLsn && entry.endLsn <= one.toLsn)
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
 * Chunks may overlap (a receiver that came back): each position counts once. The first segment of a timeline begins with a copy of its parent's
 * bytes, which counts only where the parent's own are not there.
 */
function placeChunks(infos: readonly WalChunkInfo[], spans: readonly TimelineSpan[]): readonly PlacedChunk[] {
  const placed: PlacedChunk[] = []
  for (const [index, span] of spans.entries()) {
    const own = sorted(infos.filter((info) => info.timeline === span.timeline))
    const descendants = spans.slice(index + 1).map((one) => one.timeline)
    const copies = sorted(
      infos.filter(
        (info) => descendants.includes(info.timeline) && span.endLsn !== undefined && info.startLsn < span.endLsn,
      ),
    )
    const cursors = { own: new Cursor(own), copies: new Cursor(copies) }
    let atLsn = span.startLsn
    while (span.endLsn === undefined || atLsn < span.endLsn) {
      const next = nextChunk(cursors, atLsn)
      if (!next) break
      const fromLsn = next.info.startLsn > atLsn ? next.info.startLsn : atLsn
      const toLsn = least(next.untilLsn, span.endLsn)
      if (toLsn <= fromLsn) break
      placed.push({ info: next.info, fromLsn, toLsn })
      atLsn = toLsn
    }
  }
  return placed
}

/** Finds chunks by positions that only grow: a warehouse has hundreds of thousands of them. */
class Cursor {
  private readonly infos: readonly WalChunkInfo[]
  private at = 0

  constructor(infos: readonly WalChunkInfo[]) {
    this.infos = infos
  }

  /** The first chunk that ends after `lsn`. */
  after(lsn: Lsn): WalChunkInfo | undefined {
    while (this.at < this.infos.length && this.infos[this.at]!.endLsn <= lsn) this.at++
    return this.infos[this.at]
  }
}

/** The chunk that holds `lsn`, or the next one after it; a copy only up to where an own chunk begins. */
function nextChunk(
  cursors: { own: Cursor; copies: Cursor },
  lsn: Lsn,
): { info: WalChunkInfo; untilLsn: Lsn } | undefined {
  const mine = cursors.own.after(lsn)
  if (mine && mine.startLsn <= lsn) return { info: mine, untilLsn: mine.endLsn }
  const copy = cursors.copies.after(lsn)
  if (copy && (mine === undefined || copy.startLsn < mine.startLsn))
    return { info: copy, untilLsn: least(copy.endLsn, mine?.startLsn) }
  return mine && { info: mine, untilLsn: mine.endLsn }
}

function least(lsn: Lsn, limit: Lsn | undefined): Lsn {
  return limit !== undefined && limit < lsn ? limit : lsn
}

function sorted(infos: readonly WalChunkInfo[]): readonly WalChunkInfo[] {
  return [...infos].sort((a, b) => (a.startLsn < b.startLsn ? -1 : a.startLsn > b.startLsn ? 1 : 0))
}
