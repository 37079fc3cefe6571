// Which moments the repository can bring back now: pure, from backups and the WAL that is there.
import type { BackupSummary, WalRange } from '../../repository/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { TimelineStep } from '../../wal/contract.ts'
import type { RecoverableRange } from '../contract.ts'

export interface WindowFacts {
  readonly backups: readonly BackupSummary[]
  /** WAL ranges of the backups' system identifier as a replay sees them; a hole, and a switch to wal_level = minimal, shows as two. */
  readonly ranges: readonly WalRange[]
  /** History of each timeline that has WAL: the switches that led to it. */
  readonly histories: ReadonlyMap<number, readonly TimelineStep[]>
  /** Newest time (epoch milliseconds) to which the WAL of a range reaches. */
  readonly endTimeOf: (range: WalRange) => number
}

interface Stretch {
  readonly timeline: number
  readonly from: Lsn
  readonly to: Lsn
  readonly fromMs: number
  readonly toMs: number
}

/**
 * From the stop of each complete backup on, as far as WAL goes without a hole, on its own timeline and on those that branch off from it.
 * Stretches of one timeline that touch are one.
 */
export function recoverableRanges(facts: WindowFacts): readonly RecoverableRange[] {
  const stretches = facts.backups.flatMap((backup) => stretchesOf(backup, facts))
  return joinStretches(stretches).map((one) => ({
    timeline: one.timeline,
    fromLsn: formatLsn(one.from),
    toLsn: formatLsn(one.to),
    fromTime: new Date(one.fromMs).toISOString(),
    toTime: new Date(one.toMs).toISOString(),
  }))
}

function stretchesOf(backup: BackupSummary, facts: WindowFacts): Stretch[] {
  const home = facts.ranges.find(
    (range) =>
      range.timeline === backup.timeline && range.startLsn <= backup.replayFromLsn && range.endLsn >= backup.stopLsn,
  )
  // Without its own WAL a backup cannot be made consistent: it serves no moment at all.
  if (!home) return []
  const found: Stretch[] = [
    {
      timeline: home.timeline,
      from: backup.stopLsn,
      to: home.endLsn,
      fromMs: backup.finishedMs,
      toMs: Math.max(backup.finishedMs, facts.endTimeOf(home)),
    },
  ]
  for (const [timeline, steps] of facts.histories) {
    const tip = tipOf(timeline, steps, backup, facts)
    if (tip) found.push(tip)
  }
  return found
}

/** The part on `timeline` itself, where all WAL on the way from the backup to it is there. */
function tipOf(
  timeline: number,
  steps: readonly TimelineStep[],
  backup: BackupSummary,
  facts: WindowFacts,
): Stretch | undefined {
  const from = steps.findIndex((step) => step.timeline === backup.timeline)
  if (from < 0 || timeline === backup.timeline) return undefined
  let at = backup.stopLsn
  for (const [index, step] of steps.entries()) {
    if (index < from) continue
    if (step.switchLsn < at) return undefined
    // The segment of the switch may be there only as the next timeline's, which begins with a copy of it.
    const timelines = [...steps.slice(index).map((one) => one.timeline), timeline]
    if (!covers(facts.ranges, { timelines, from: at, to: step.switchLsn })) return undefined
    at = step.switchLsn
  }
  const own = facts.ranges.find((range) => range.timeline === timeline && range.startLsn <= at && range.endLsn > at)
  return (
    own && {
      timeline,
      from: at,
      to: own.endLsn,
      fromMs: backup.finishedMs,
      toMs: Math.max(backup.finishedMs, facts.endTimeOf(own)),
    }
  )
}

function covers(ranges: readonly WalRange[], wanted: { timelines: readonly number[]; from: Lsn; to: Lsn }): boolean {
  let covered = wanted.from
  for (;;) {
    if (covered >= wanted.to) return true
    const next = ranges.find(
      (range) => wanted.timelines.includes(range.timeline) && range.startLsn <= covered && range.endLsn > covered,
    )
    if (!next) return false
    covered = next.endLsn
  }
}

function joinStretches(stretches: readonly Stretch[]): Stretch[] {
  const sorted = stretches.toSorted(
    (one, other) => one.timeline - other.timeline || (one.from < other.from ? -1 : one.from > other.from ? 1 : 0),
  )
  const joined: Stretch[] = []
  for (const one of sorted) {
    const last = joined.at(-1)
    if (last === undefined || last.timeline !== one.timeline || one.from > last.to) joined.push(one)
    else {
      joined[joined.length - 1] = {
        ...last,
        to: one.to > last.to ? one.to : last.to,
        fromMs: Math.min(last.fromMs, one.fromMs),
        toMs: Math.max(last.toMs, one.toMs),
      }
    }
  }
  return joined
}
