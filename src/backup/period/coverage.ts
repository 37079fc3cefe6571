// Whether the backups that the policy asks for were made: each occurrence of a schedule against the backups that began before the next one.
import { occurrencesBetween } from '../../runs/calendar.ts'
import type { BackupKind } from '../../repository/contract.ts'
import type { BackupPolicy } from '../config.ts'

export interface ScheduleCoverage {
  readonly schedule: string
  readonly when: string
  readonly kind: BackupKind
  /** Occurrences in the period; null for schedules that follow a pipeline: how often it succeeded is not known here. */
  readonly expected: number | null
  readonly made: number
  /** Nominal times of occurrences without a backup, ISO 8601; the newest twenty. */
  readonly missed: readonly string[]
}

export interface MadeBackup {
  readonly kind: BackupKind
  readonly startedMs: number
}

/** A fuller backup than asked for counts: without a parent an increment becomes a full one. */
const FULLNESS: Readonly<Record<BackupKind, number>> = { incremental: 0, differential: 1, full: 2 }
const MOST_OCCURRENCES = 10_000
const MOST_MISSED = 20

/** Pure. `until` is the end of the period or now, whichever is earlier: what is not due yet is not missed. */
export function coverageOf(
  policy: Pick<BackupPolicy, 'schedules'>,
  made: readonly MadeBackup[],
  period: { readonly fromMs: number; readonly untilMs: number },
): readonly ScheduleCoverage[] {
  return Object.entries(policy.schedules).map(([schedule, rule]) => {
    const fitting = made.filter((one) => FULLNESS[one.kind] >= FULLNESS[rule.kind])
    if ('after' in rule) {
      const within = fitting.filter((one) => one.startedMs >= period.fromMs && one.startedMs < period.untilMs)
      return { schedule, when: `after ${rule.after}`, kind: rule.kind, expected: null, made: within.length, missed: [] }
    }
    const range = { after: new Date(period.fromMs - 1), until: new Date(period.untilMs) }
    const due = occurrencesBetween(rule, range, MOST_OCCURRENCES)
    const missed = due.filter((at, index) => {
      const next = due[index + 1]?.getTime() ?? Infinity
      return !fitting.some((one) => one.startedMs >= at.getTime() && one.startedMs < next)
    })
    return {
      schedule,
      when: `${rule.cron} ${rule.timezone}`,
      kind: rule.kind,
      expected: due.length,
      made: due.length - missed.length,
      missed: missed.slice(-MOST_MISSED).map((at) => at.toISOString()),
    }
  })
}
