// Which WAL is kept: what kept backups need to become consistent, and what leads from them to later moments. Pure.
import type { Lsn } from '../../wal/lsn.ts'
import type { TimelineStep } from '../../wal/contract.ts'
import { isOnHistory, spansOf } from '../../wal/timelines.ts'
import { inOrder, type Held, type KnownBackup } from './policy.ts'

export interface KnownChunk {
  readonly object: string
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  /** When the store got it. */
  readonly modifiedMs: number
  /** It holds a switch to wal_level = minimal: no replay goes past it. */
  readonly minimal?: true
}

/** `<system identifier>/<timeline>` → the switches that led to it. Timeline 1 needs none. */
export type Histories = ReadonlyMap<string, readonly TimelineStep[]>
export const historyKey = (systemIdentifier: bigint, timeline: number): string => `${systemIdentifier}/${timeline}`

/** Whether WAL of `timeline` can be replayed on top of the backup. Where the history is not known: perhaps, so yes. */
export function leadsTo(
  backup: KnownBackup,
  at: Pick<KnownChunk, 'systemIdentifier' | 'timeline'>,
  histories: Histories,
): boolean {
  if (backup.systemIdentifier !== at.systemIdentifier) return false
  if (backup.timeline === at.timeline) return true
  const steps = histories.get(historyKey(at.systemIdentifier, at.timeline))
  if (steps === undefined) return at.timeline > backup.timeline
  return isOnHistory(spansOf(at.timeline, steps), backup.timeline, backup.stopLsn)
}

/** Whether a chunk holds bytes of the segments from `from` on, up to the segment of `until`. */
function lies(chunk: KnownChunk, from: Lsn, until: Lsn | undefined, segmentBytes: number): boolean {
  const size = BigInt(segmentBytes)
  if (chunk.endLsn <= from - (from % size)) return false
  return until === undefined || chunk.startLsn < until + (size - (until % size))
}

/**
 * For each timeline that has WAL in the window, the newest backup that was complete before the window begins and leads to it: with it every moment of
 * the window can be reached. Where there is none, none. One from before a switch to wal_level = minimal leads to no moment after it.
 */
export function windowBases(
  backups: readonly KnownBackup[],
  of: { readonly windowMs: number; readonly chunks: readonly KnownChunk[]; readonly histories: Histories },
): readonly KnownBackup[] {
  const sorted = inOrder(backups)
  const newestMs = sorted.at(-1)?.atMs ?? 0
  const cutoff = newestMs - of.windowMs
  const bases = new Map<string, KnownBackup>()
  const timelines = new Map<string, KnownChunk>()
  const stops = of.chunks.filter((chunk) => chunk.minimal && chunk.modifiedMs < cutoff)
  const isStopped = (one: KnownBackup, before: KnownChunk): boolean =>
    stops.some((stop) => stop.startLsn >= one.stopLsn && isOnTheWay(stop, before, of.histories))
  for (const chunk of of.chunks) {
    if (chunk.modifiedMs >= cutoff) timelines.set(historyKey(chunk.systemIdentifier, chunk.timeline), chunk)
  }
  for (const chunk of timelines.values()) {
    const before = sorted.filter(
      (one) => one.doneMs <= cutoff && leadsTo(one, chunk, of.histories) && !isStopped(one, chunk),
    )
    for (const base of newestPerTimeline(before)) bases.set(base.id, base)
  }
  return [...bases.values()]
}

/** A gap behind the newest one does no harm; but one of another timeline on the way may be the only one from which the WAL is whole. */
function newestPerTimeline(sorted: readonly KnownBackup[]): readonly KnownBackup[] {
  return [...new Map(sorted.map((one) => [one.timeline, one])).values()]
}

/** Whether replay towards `to` certainly reads all of the chunk. */
function isOnTheWay(chunk: KnownChunk, to: KnownChunk, histories: Histories): boolean {
  if (chunk.systemIdentifier !== to.systemIdentifier) return false
  if (chunk.timeline === to.timeline) return true
  const steps = histories.get(historyKey(to.systemIdentifier, to.timeline))
  return steps !== undefined && isOnHistory(spansOf(to.timeline, steps), chunk.timeline, chunk.endLsn)
}

export interface WalRequest {
  readonly kept: readonly KnownBackup[]
  /** Those that expire now, or are under a tombstone already: what tells WAL of a cluster that is gone from WAL that waits for its first backup. */
  readonly expired: readonly KnownBackup[]
  readonly chunks: readonly KnownChunk[]
  readonly histories: Histories
  readonly holds: readonly Held[]
  /** Undefined: all WAL since the oldest kept backup stays. */
  readonly windowMs: number | undefined
}

/** Chunks that no kept backup needs, and that lead to no moment that is promised. */
export function expiredWal(request: WalRequest): readonly KnownChunk[] {
  const { kept, histories } = request
  const known = new Set([...kept, ...request.expired].map((one) => one.systemIdentifier))
  const growing = growingFrom(request)
  return request.chunks.filter((chunk) => {
    // WAL without any backup is WAL whose first backup is still to come.
    if (kept.length === 0 || !known.has(chunk.systemIdentifier)) return false
    if (isBeforeFirst(chunk, request)) return false
    const needed = kept.some(
      (one) =>
        one.systemIdentifier === chunk.systemIdentifier &&
        lies(chunk, one.replayFromLsn, one.stopLsn, one.walSegmentBytes) &&
        chunk.timeline <= one.timeline,
    )
    const promised = growing.some(
      (one) => leadsTo(one, chunk, histories) && lies(chunk, one.replayFromLsn, undefined, one.walSegmentBytes),
    )
    return !needed && !promised
  })
}

/**
 * WAL from before the first backup of a repository, while that is still kept. Where a warehouse was moved from one repository to another, it is what leads from
 * the backups of the old one to those of the new. It goes with the first backup that expires.
 */
function isBeforeFirst(chunk: KnownChunk, { kept, expired }: WalRequest): boolean {
  const isOwn = (one: KnownBackup): boolean => one.systemIdentifier === chunk.systemIdentifier
  if (expired.some(isOwn)) return false
  return kept.filter(isOwn).every((one) => chunk.endLsn <= one.replayFromLsn)
}

/** Backups from which all WAL onwards stays. */
function growingFrom(request: WalRequest): readonly KnownBackup[] {
  const { kept, windowMs } = request
  if (windowMs === undefined) return kept
  const held = new Set(request.holds.filter((one) => one.wal === 'since').map((one) => one.backup))
  const newestMs = Math.max(...kept.map((one) => one.atMs))
  const bases = new Set(windowBases(kept, { ...request, windowMs }).map((one) => one.id))
  const inWindow = kept.filter((one) => one.doneMs > newestMs - windowMs)
  return kept.filter((one) => held.has(one.id) || bases.has(one.id) || inWindow.includes(one))
}
