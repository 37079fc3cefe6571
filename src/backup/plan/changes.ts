// The change map from the parent's start to ours, out of the WAL chunks of the repository, along our history of timelines.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { WalArchive, WalChunkInfo } from '../../repository/contract.ts'
import { ChangeMapBuilder } from '../../wal/change-map.ts'
import type { ChangeMap } from '../../wal/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { TimelineSpan } from '../../wal/timelines.ts'

/** Index parts of chunks that are fetched at a time. */
const AT_ONCE = 8

export interface ChangesWanted {
  readonly systemIdentifier: bigint
  readonly spans: readonly TimelineSpan[]
  readonly fromLsn: Lsn
  readonly untilLsn: Lsn
}

/** What changed, or why nobody can know: then everything is read whole. */
export type Changes =
  | { readonly map: ChangeMap; readonly doubt?: undefined }
  | { readonly map?: undefined; readonly doubt: string }

/**
 * Chunks may reach beyond both ends: the map then names more than needed, never less. A chunk that is damaged, or whose WAL was not understood, gives
 * a doubt instead: a backup must not depend on old WAL that it does not need for its own recovery.
 */
export async function collectChanges(wal: WalArchive, wanted: ChangesWanted, signal: AbortSignal): Promise<Changes> {
  const chosen = chooseChunks(await wal.list(wanted.systemIdentifier, signal), wanted)
  if ('doubt' in chosen) return chosen
  const builder = new ChangeMapBuilder(wanted.fromLsn)
  for (let at = 0; at < chosen.chunks.length; at += AT_ONCE) {
    const group = chosen.chunks.slice(at, at + AT_ONCE)
    for (const [index, read] of (await Promise.all(group.map((info) => readMap(wal, info, signal)))).entries()) {
      if (read.changeMap) builder.addMap(read.changeMap)
      else return { doubt: `WAL at ${formatLsn(group[index]!.startLsn)} could not be decoded: ${read.why}` }
    }
  }
  const map = builder.finish(wanted.untilLsn)
  return map.doubts.length > 0 ? { doubt: map.doubts.join('; ') } : { map }
}

async function readMap(
  wal: WalArchive,
  info: WalChunkInfo,
  signal: AbortSignal,
): Promise<{ changeMap: ChangeMap; why?: undefined } | { changeMap?: undefined; why: string }> {
  try {
    const { changeMap, problem } = await wal.readIndex(info, signal)
    return changeMap ? { changeMap } : { why: problem ?? 'no reason given' }
  } catch (error) {
    if (!isWharfError(error) || error.exit !== 'damaged') throw error
    return { why: messageOf(error) }
  }
}

/** Pure: all chunks of the way, in order, which they cover without a hole. */
export function chooseChunks(
  infos: readonly WalChunkInfo[],
  wanted: ChangesWanted,
): { readonly chunks: readonly WalChunkInfo[] } | { readonly doubt: string } {
  const chunks: WalChunkInfo[] = []
  for (const [index, span] of wanted.spans.entries()) {
    const from = later(span.startLsn, wanted.fromLsn)
    const until = span.endLsn === undefined ? wanted.untilLsn : earlier(span.endLsn, wanted.untilLsn)
    if (from >= until) continue
    // The segment in which a timeline branches off begins with a copy of the old one's bytes, and the old one's own is often never archived.
    const timelines = new Set(wanted.spans.slice(index).map((one) => one.timeline))
    const covering = coverStretch(infos, { timelines, from, until })
    if ('missingFrom' in covering) {
      return {
        doubt: `WAL of timeline ${span.timeline} from ${formatLsn(covering.missingFrom)} to ${formatLsn(until)} is not complete in the repository`,
      }
    }
    chunks.push(...covering.chunks)
  }
  return { chunks }
}

function coverStretch(
  infos: readonly WalChunkInfo[],
  stretch: { timelines: ReadonlySet<number>; from: Lsn; until: Lsn },
): { chunks: WalChunkInfo[] } | { missingFrom: Lsn } {
  const candidates = infos
    .filter(
      (info) => stretch.timelines.has(info.timeline) && info.endLsn > stretch.from && info.startLsn < stretch.until,
    )
    .toSorted(
      (one, other) =>
        compare(one.startLsn, other.startLsn) || one.timeline - other.timeline || compare(other.endLsn, one.endLsn),
    )
  const chunks: WalChunkInfo[] = []
  let covered = stretch.from
  for (const info of candidates) {
    if (info.startLsn > covered) break
    // Also one within what we have already: who received the same WAL twice may have begun within a record the second time, or on another timeline's
    // copy of it, and then only the first one's map has that record. Maps together name too much at worst.
    const before = chunks.at(-1)
    const again =
      before?.startLsn === info.startLsn && before.endLsn === info.endLsn && before.timeline === info.timeline
    if (!again) chunks.push(info)
    if (info.endLsn > covered) covered = info.endLsn
  }
  return covered >= stretch.until ? { chunks } : { missingFrom: covered }
}

function compare(one: Lsn, other: Lsn): number {
  return one < other ? -1 : one > other ? 1 : 0
}

const later = (one: Lsn, other: Lsn): Lsn => (one > other ? one : other)
const earlier = (one: Lsn, other: Lsn): Lsn => (one < other ? one : other)
