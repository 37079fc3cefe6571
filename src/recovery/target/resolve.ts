// From what an operator asks for to a backup, a timeline and the record at which replay stops.
import type { BackupSummary } from '../../repository/contract.ts'
import type { CommitEntry } from '../../wal/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { withoutPageHeader } from '../../wal/segments.ts'
import { whatAnotherHad } from './aside.ts'
import { targetErrors as errors } from './errors.ts'
import { timelineAt } from '../../wal/timelines.ts'
import { liesOn, reachFrom, type Reach } from './history.ts'
import { knownTimelines, openHistory, type HistoryView, type WalIndex } from './commit-index.ts'
import { endsTransaction, isLater, type Moment } from './moments.ts'
import type { TargetRequest } from './request.ts'
import { formatMoment } from './time.ts'

/**
 * Where replay stops. `before`: the first record that starts at or after `lsn` is not replayed; such a record exists. `after`: the record
 * that starts at `lsn` is the last one. `end`: all WAL up to the end that the repository holds (up to a hole).
 */
export type StopPoint =
  | { readonly kind: 'before'; readonly lsn: Lsn }
  | { readonly kind: 'after'; readonly lsn: Lsn; readonly endLsn: Lsn }
  | { readonly kind: 'end'; readonly lsn: Lsn }

/** A target that is known to be reachable. */
export interface ResolvedTarget {
  readonly request: TargetRequest
  readonly backup: BackupSummary
  /**
   * The timeline on which replay stops. Where the history goes on to a later one, the server must not be told that one: it would write a history
   * in which the later timeline ends before it began.
   */
  readonly timeline: number
  readonly history: HistoryView
  readonly stop: StopPoint
  readonly reach: Reach
  /** The end of a transaction (or the restore point) that decides, where there is one. */
  readonly entry: CommitEntry | undefined
  /** Of a time: what a timeline that was left had committed by then, and this history has not. */
  readonly aside?: string | undefined
}

export interface ResolveParts {
  readonly wal: WalIndex
  readonly backups: readonly BackupSummary[]
  readonly warehouse: string
  readonly repository: string
  readonly request: TargetRequest
  readonly backup?: string | undefined
  readonly timeline?: number | undefined
  /** Start of the first record that starts at or after the position, within the reach. */
  readonly recordFrom: (view: HistoryView, lsn: Lsn, reach: Reach) => Promise<Lsn | undefined>
  readonly signal: AbortSignal
}

/** Rejects with an error that says what is possible instead. */
export async function resolveTarget(parts: ResolveParts): Promise<ResolvedTarget> {
  const backups = usableBackups(parts)
  const history = await chooseHistory(parts, backups)
  const onHistory = backups.filter((one) => liesOn(history.spans, one)).sort((a, b) => (a.stopLsn < b.stopLsn ? 1 : -1))
  if (onHistory.length === 0) {
    if (parts.backup !== undefined) throw errors.backupOffHistory({ backup: parts.backup, timeline: history.timeline })
    throw errors.noBackup({ warehouse: parts.warehouse, repository: parts.repository })
  }
  return await new Resolver(parts, history, onHistory).resolve()
}

function usableBackups(parts: ResolveParts): readonly BackupSummary[] {
  const { warehouse, repository } = parts
  const own = parts.backups.filter((one) => one.warehouse === warehouse)
  if (own.length === 0) throw errors.noBackup({ warehouse, repository })
  if (parts.backup !== undefined) {
    const named = own.filter((one) => one.id === parts.backup)
    if (named.length === 0) throw errors.unknownBackup({ id: parts.backup, warehouse })
    return named
  }
  // A warehouse that was rebuilt under the same name: the newest cluster is the one that is meant.
  const newest = own.reduce((best, one) => (one.finishedMs >= best.finishedMs ? one : best))
  return own.filter((one) => one.systemIdentifier === newest.systemIdentifier)
}

/** The timeline asked for, else the newest that a backup leads to. */
async function chooseHistory(parts: ResolveParts, backups: readonly BackupSummary[]): Promise<HistoryView> {
  const { wal, signal } = parts
  const systemIdentifier = backups[0]!.systemIdentifier
  const known = [
    ...new Set([
      ...knownTimelines(await wal.replayable(systemIdentifier, signal)),
      ...backups.map((one) => one.timeline),
    ]),
  ].sort((a, b) => a - b)
  if (parts.timeline !== undefined) {
    if (!known.includes(parts.timeline)) throw errors.unknownTimeline({ timeline: parts.timeline, known })
    return await openHistory({ wal, systemIdentifier, timeline: parts.timeline, signal })
  }
  for (const timeline of known.toReversed()) {
    const history = await openHistory({ wal, systemIdentifier, timeline, signal })
    if (backups.some((one) => liesOn(history.spans, one))) return history
  }
  throw errors.noBackup({ warehouse: parts.warehouse, repository: parts.repository })
}

class Resolver {
  private readonly parts: ResolveParts
  private readonly history: HistoryView
  /** Newest first. */
  private readonly backups: readonly BackupSummary[]

  constructor(parts: ResolveParts, history: HistoryView, backups: readonly BackupSummary[]) {
    this.parts = parts
    this.history = history
    this.backups = backups
  }

  async resolve(): Promise<ResolvedTarget> {
    const { request } = this.parts
    switch (request.kind) {
      case 'latest': {
        const backup = this.backups[0]!
        const reach = this.reachOf(backup)
        if (reach.endLsn < backup.stopLsn) throw this.notReached(backup, `the end of backup ${backup.id}`)
        return this.done(backup, { kind: 'end', lsn: reach.endLsn }, undefined)
      }
      case 'lsn':
        return await this.resolveLsn(request.lsn, request.inclusive)
      case 'time':
        return await this.resolveTime(request.moment.timeUs, request.inclusive)
      case 'name':
        return this.at(await this.named(request.name), true, `restore point "${request.name}"`)
      case 'xid':
        return this.at(await this.endOf(request.xid), request.inclusive, `transaction ${request.xid}`)
      case 'before-load':
        break
    }
    return this.at(await this.commitOfLoad(request.load), false, `load "${request.load}"`)
  }

  private reachOf(backup: BackupSummary): Reach {
    return reachFrom(this.history.ranges, this.history.spans, backup.replayFromLsn)
  }

  private done(backup: BackupSummary, wanted: StopPoint, entry: CommitEntry | undefined): ResolvedTarget {
    const { history } = this
    const reach = this.reachOf(backup)
    const timeline = wanted.kind === 'end' ? reach.timeline : timelineAt(history.spans, wanted.lsn)
    // The WAL goes on: a server that is not told to stop would fail at the record.
    const stop: StopPoint = wanted.kind === 'end' && reach.hole?.stopped ? { kind: 'before', lsn: wanted.lsn } : wanted
    return { request: this.parts.request, backup, timeline, history, stop, reach, entry }
  }

  /** A stop at an entry of the index. */
  private at(entry: CommitEntry, inclusive: boolean, target: string): ResolvedTarget {
    const backup = this.backupBefore(entry.startLsn, target)
    const stop: StopPoint = inclusive
      ? { kind: 'after', lsn: entry.startLsn, endLsn: entry.endLsn }
      : { kind: 'before', lsn: entry.startLsn }
    if (this.reachOf(backup).endLsn < entry.endLsn) throw this.notReached(backup, target)
    return this.done(backup, stop, entry)
  }

  /** The newest backup that ends at or before a position. */
  private backupBefore(lsn: Lsn, target: string): BackupSummary {
    const found = this.backups.find((one) => one.stopLsn <= lsn)
    if (found) return found
    const oldest = this.backups.at(-1)!
    const stop = formatLsn(oldest.stopLsn)
    if (this.parts.backup !== undefined) throw errors.backupTooLate({ backup: oldest.id, stop, target })
    throw errors.beforeFirst({ target, timeline: this.history.timeline, earliest: earliestOf(oldest) })
  }

  private async resolveLsn(lsn: Lsn, inclusive: boolean): Promise<ResolvedTarget> {
    const target = `LSN ${formatLsn(lsn)}`
    const backup = this.backupBefore(lsn, target)
    const reach = this.reachOf(backup)
    if (withoutPageHeader(lsn, backup.walSegmentBytes) > reach.endLsn) throw this.notReached(backup, target)
    // Within a record: PostgreSQL replays that one, and stops before the next.
    const next = await this.parts.recordFrom(this.history, lsn, reach)
    if (next !== undefined) {
      const stop = inclusive ? ({ kind: 'after', lsn, endLsn: lsn } as const) : ({ kind: 'before', lsn: next } as const)
      return this.done(backup, stop, undefined)
    }
    if (inclusive) throw this.notReached(backup, target)
    return this.done(backup, { kind: 'end', lsn: reach.endLsn }, undefined)
  }

  /** Stops before the first end of a transaction, in the order of WAL, that is later than the time: as PostgreSQL does. */
  private async resolveTime(timeUs: bigint, inclusive: boolean): Promise<ResolvedTarget> {
    const target = formatMoment(timeUs)
    for (const backup of this.backups) {
      if (!(await this.endedBefore(backup, { timeUs, inclusive }))) continue
      const later = await this.firstLater(backup.startLsn, this.reachOf(backup).endLsn, { timeUs, inclusive })
      if (!later) throw await this.timeNotReached(backup, target, timeUs)
      if (later.startLsn < backup.stopLsn) continue
      const aside = await this.asideOf(later, { timeUs, inclusive })
      return { ...this.done(backup, { kind: 'before', lsn: later.startLsn }, later), aside }
    }
    const oldest = this.backups.at(-1)!
    if (this.parts.backup !== undefined)
      throw errors.backupTooLate({ backup: oldest.id, stop: formatLsn(oldest.stopLsn), target })
    throw errors.beforeFirst({ target, timeline: this.history.timeline, earliest: earliestOf(oldest) })
  }

  private async firstLater(fromLsn: Lsn, untilLsn: Lsn, moment: Moment): Promise<CommitEntry | undefined> {
    for await (const entry of this.history.entries(fromLsn, untilLsn)) {
      if (!endsTransaction(entry) || entry.endLsn > untilLsn) continue
      if (isLater(entry, moment)) return entry
    }
    return undefined
  }

  /**
   * Whether all that a backup holds was committed by the time. Known from WAL where it is at hand without a hole; else the backup itself must
   * have ended by then.
   */
  private async endedBefore(backup: BackupSummary, moment: Moment): Promise<boolean> {
    let last: CommitEntry | undefined
    for (let untilLsn = backup.stopLsn; ; untilLsn = last.startLsn) {
      last = await this.history.lastEntry(this.firstLsn, untilLsn)
      if (!last || endsTransaction(last)) break
    }
    if (last && isLater(last, moment)) return false
    if (BigInt(Math.ceil(backup.finishedMs)) * 1000n <= moment.timeUs) return true
    return (
      last !== undefined && reachFrom(this.history.ranges, this.history.spans, last.startLsn).endLsn >= backup.stopLsn
    )
  }

  private async timeNotReached(backup: BackupSummary, target: string, timeUs: bigint): Promise<Error> {
    const reach = this.reachOf(backup)
    // With a newer backup there is more, but WAL in between is missing.
    if (reach.hole ?? backup !== this.backups[0]) return await this.holeError(backup, target)
    const last = await this.history.lastEntry(backup.startLsn, reach.endLsn)
    const latest = last
      ? `the commit of ${formatMoment(last.timeUs)} (LSN ${formatLsn(last.endLsn)})`
      : `LSN ${formatLsn(reach.endLsn)}`
    return errors.beyondEnd({
      target,
      timeline: this.history.timeline,
      latest,
      elsewhere: await this.otherTimeline(timeUs),
    })
  }

  private async holeError(backup: BackupSummary, target: string): Promise<Error> {
    const reach = this.reachOf(backup)
    const last = await this.history.lastEntry(backup.startLsn, reach.endLsn)
    const latest = last
      ? `${formatMoment(last.timeUs)} (LSN ${formatLsn(last.endLsn)})`
      : `LSN ${formatLsn(reach.endLsn)}`
    return this.holeAt(reach, target, latest)
  }

  private notReached(backup: BackupSummary, target: string): Error {
    const reach = this.reachOf(backup)
    const latest = `LSN ${formatLsn(reach.endLsn)}`
    if (!reach.hole) return errors.beyondEnd({ target, timeline: this.history.timeline, latest })
    return this.holeAt(reach, target, latest)
  }

  private holeAt(reach: Reach, target: string, latest: string): Error {
    const { hole } = reach
    const after = hole && this.backups.filter((one) => one.startLsn >= hole.toLsn).at(-1)
    return errors.inHole({
      target,
      from: formatLsn(hole?.fromLsn ?? reach.endLsn),
      to: hole ? formatLsn(hole.toLsn) : 'the next backup',
      latest,
      minimal: hole?.stopped ?? false,
      next: after ? `after it the first is ${earliestOf(after)}` : 'no backup was made after it',
    })
  }

  /** Where else a time can be found: a newer commit on a timeline that our history left. */
  private async otherTimeline(timeUs: bigint): Promise<string | undefined> {
    const { wal, signal } = this.parts
    const systemIdentifier = this.backups[0]!.systemIdentifier
    for (const timeline of knownTimelines(this.history.ranges).filter((one) => one !== this.history.timeline)) {
      const view = await openHistory({ wal, systemIdentifier, timeline, signal }).catch(() => undefined)
      const last = await view?.lastEntry(view.spans.at(-1)!.startLsn, 1n << 64n).catch(() => undefined)
      if (last && last.timeUs >= timeUs)
        return `the abandoned timeline ${timeline} goes up to ${formatMoment(last.timeUs)}: --timeline ${timeline}`
    }
    return undefined
  }

  /** No question where somebody has named the timeline. */
  private async asideOf(later: CommitEntry, moment: Moment): Promise<string | undefined> {
    const { wal, signal, timeline } = this.parts
    if (timeline !== undefined) return undefined
    const { history, firstLsn } = this
    const { systemIdentifier } = this.backups[0]!
    return await whatAnotherHad({ wal, history, systemIdentifier, firstLsn, untilLsn: later.startLsn, moment, signal })
  }

  /** First LSN from which everything that can be reached is known. */
  private get firstLsn(): Lsn {
    return this.backups.at(-1)!.startLsn
  }

  private async named(name: string): Promise<CommitEntry> {
    const found = await this.collect((entry) => entry.kind === 'restore-point' && entry.name === name)
    if (found.length === 0) throw errors.unknownName(name)
    if (found.length > 1) throw errors.ambiguous({ what: `restore point "${name}"`, points: found.map(pointOf) })
    return found[0]!
  }

  private async endOf(xid: bigint): Promise<CommitEntry> {
    const short = Number(xid & 0xffff_ffffn)
    const found = await this.collect((entry) => endsTransaction(entry) && entry.xid === short)
    if (found.length === 0) throw errors.unknownXid(String(xid))
    if (found.length > 1) throw errors.ambiguous({ what: `transaction ${xid}`, points: found.map(pointOf) })
    return found[0]!
  }

  /** The commit of the transaction that holds the load's mark. An attempt that was rolled back has a mark too: it does not count. */
  private async commitOfLoad(load: string): Promise<CommitEntry> {
    const waiting = new Set<number>()
    const found = await this.collect((entry) => {
      if (entry.kind === 'load' && entry.name === load) waiting.add(entry.xid)
      if (!endsTransaction(entry) || !waiting.delete(entry.xid)) return false
      return entry.kind === 'commit'
    })
    if (found.length === 0) throw errors.unknownLoad(load)
    if (found.length > 1) throw errors.ambiguous({ what: `load "${load}"`, points: found.map(pointOf) })
    return found[0]!
  }

  private async collect(wanted: (entry: CommitEntry) => boolean): Promise<readonly CommitEntry[]> {
    const found: CommitEntry[] = []
    for await (const entry of this.history.entries(this.firstLsn)) if (wanted(entry)) found.push(entry)
    return found
  }
}

function pointOf(entry: CommitEntry): string {
  return `${formatLsn(entry.startLsn)} of ${formatMoment(entry.timeUs)}`
}

function earliestOf(backup: BackupSummary): string {
  return `LSN ${formatLsn(backup.stopLsn)} (backup ${backup.id}, finished ${formatMoment(BigInt(Math.round(backup.finishedMs)) * 1000n)})`
}
