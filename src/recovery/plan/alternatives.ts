// Other backups that lead to the same target: an older one has more WAL to replay, and may have less to fetch. Shown beside the chosen one, so that
// nobody has to believe that it is the best.
import { formatDuration, formatSize } from '../../base/units.ts'
import type { BackupSummary } from '../../repository/contract.ts'
import { total, type Total } from '../rates/model.ts'
import type { WalMix } from '../rates/wal-mix.ts'
import { liesOn, reachFrom } from '../target/history.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import type { PlanParts } from './plan.ts'
import { questionOf, sizedSteps } from './steps.ts'

export interface Alternative {
  readonly backup: string
  readonly kind: string
  readonly finishedAt: string
  readonly bytes: number
  readonly walBytes: number
  readonly time: Total
}

/** How many are shown. */
export const mostShown = 3
/** Predictions nearer to each other than this are no reason to choose otherwise. */
const CLEARLY = 0.85

/** Newest first. The number of files is taken to be that of the chosen backup. */
export function alternativesOf(parts: PlanParts, backups: readonly BackupSummary[]): readonly Alternative[] {
  const count = parts.manifest.files.length
  return otherBackups(parts.resolved, backups)
    .slice(0, mostShown)
    .map((one) => {
      const size = {
        bytes: one.statistics.clusterBytes,
        walBytes: Number(parts.resolved.stop.lsn - one.replayFromLsn),
      }
      return {
        backup: one.id,
        kind: one.kind,
        finishedAt: new Date(one.finishedMs).toISOString(),
        ...size,
        time: total(sizedSteps(parts, { ...size, count, wal: walOf(parts, one) }), questionOf(parts)),
      }
    })
}

function walOf({ survey, resolved }: PlanParts, { replayFromLsn }: BackupSummary): WalMix | undefined {
  return survey?.between(replayFromLsn, resolved.stop.lsn)
}

/** Backups on the same way that the WAL of the repository takes to the target. */
export function otherBackups(resolved: ResolvedTarget, backups: readonly BackupSummary[]): readonly BackupSummary[] {
  const { history, stop, backup } = resolved
  return backups
    .filter(
      (one) =>
        one.id !== backup.id &&
        one.systemIdentifier === backup.systemIdentifier &&
        liesOn(history.spans, one) &&
        one.stopLsn <= stop.lsn &&
        reachFrom(history.ranges, history.spans, one.replayFromLsn).endLsn >= stop.lsn,
    )
    .toSorted((a, b) => b.finishedMs - a.finishedMs)
}

export interface ChosenBackup {
  readonly id: string
  /** Named by whoever asked for the plan. */
  readonly asked: boolean
  readonly finishedAt: string
  readonly time: Total
}

/** One that had not ended at the target's time may lead to the same state, where nothing was committed meanwhile. */
export function whyNotNewest({ id, asked }: Pick<ChosenBackup, 'id' | 'asked'>): string {
  return asked
    ? `backup ${id} is taken as asked, though a newer one leads to the target`
    : `backup ${id} is chosen: the newest that had ended by then, though one that ended later leads to the same state`
}

/** Why this backup and none of the others. */
export function whyChosen(chosen: ChosenBackup, others: readonly Alternative[]): string {
  const better = others.find((one) => one.time.expectedMs < chosen.time.expectedMs * CLEARLY)
  const sooner = better === undefined ? '' : `; --backup ${better.backup} is predicted to be back sooner`
  if (others.length === 0) return `no other backup leads to the target than ${chosen.id}`
  if (others.some((one) => Date.parse(one.finishedAt) > Date.parse(chosen.finishedAt)))
    return `${whyNotNewest(chosen)}${sooner}`
  if (better) return `backup ${chosen.id} is chosen, the newest${sooner}`
  return `backup ${chosen.id} is chosen: the newest that leads to the target, so the least WAL is replayed`
}

export function alternativeLines(because: string, others: readonly Alternative[]): readonly string[] {
  if (others.length === 0) return []
  return [
    because,
    ...others.map(
      (one) =>
        `with ${one.backup} (${one.kind}, ended ${one.finishedAt}): ${formatSize(one.bytes)} and ${formatSize(one.walBytes)} of WAL, ${formatDuration(one.time.expectedMs)} (80 %: ${formatDuration(one.time.lowMs)} to ${formatDuration(one.time.highMs)}, ${one.time.basis})`,
    ),
  ]
}
