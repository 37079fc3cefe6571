// Which backups of one warehouse in one repository are kept, and by which rule. Pure: facts in, decision out; no clock.
import type { Lsn } from '../../wal/lsn.ts'

/** What policy looks at. Times are epoch milliseconds. */
export interface KnownBackup {
  readonly id: string
  readonly systemIdentifier: bigint
  readonly timeline: number
  /** Where replay begins: WAL from here on is needed. */
  readonly replayFromLsn: Lsn
  readonly stopLsn: Lsn
  /** When it began, by the store's clock: what orders backups, whatever their timelines are called. */
  readonly atMs: number
  /** When it was complete: moments from here on can be reached with it. */
  readonly doneMs: number
  readonly walSegmentBytes: number
}

export interface RetentionRule {
  readonly count?: number | undefined
  readonly ageMs?: number | undefined
  readonly gfs?: {
    readonly daily?: number | undefined
    readonly weekly?: number | undefined
    readonly monthly?: number | undefined
    readonly yearly?: number | undefined
  }
  /** Every moment so far back stays reachable. */
  readonly windowMs?: number | undefined
  readonly keepAtLeast: number
}

/** A rule and whose it is: `retention`, `tier critical`. */
export interface NamedRule extends RetentionRule {
  readonly name: string
}

/** Why a backup must stay, whatever the rules say. */
export interface Held {
  readonly backup: string
  readonly reason: string
  readonly wal: 'own' | 'since'
}

/** Backups that moments of the window depend on: given by the caller, who knows the WAL (see wal.ts). */
export type WindowBases = (backups: readonly KnownBackup[], windowMs: number) => readonly KnownBackup[]

export interface Decision {
  /** Backup → why it is kept, for people. In order of time. */
  readonly kept: ReadonlyMap<string, readonly string[]>
  readonly expired: readonly KnownBackup[]
}

/** Oldest first: by time, then by position; never by the number of a timeline. */
export function inOrder(backups: readonly KnownBackup[]): KnownBackup[] {
  return backups.toSorted((one, other) => {
    if (one.atMs !== other.atMs) return one.atMs - other.atMs
    if (one.replayFromLsn !== other.replayFromLsn) return one.replayFromLsn < other.replayFromLsn ? -1 : 1
    return one.id < other.id ? -1 : 1
  })
}

/**
 * A backup is kept as long as any rule asks for it. Ages count back from the newest backup, not from now: nothing expires only because backups
 * have stopped, or because a clock jumped. The newest is always kept. No rules: everything is kept.
 */
export function decide(
  backups: readonly KnownBackup[],
  rules: readonly NamedRule[],
  of: { readonly holds: readonly Held[]; readonly windowBases: WindowBases },
): Decision {
  const sorted = inOrder(backups)
  const reasons = new Map<string, string[]>(sorted.map((one) => [one.id, []]))
  const keep = (some: readonly KnownBackup[], why: string): void => {
    for (const one of some) reasons.get(one.id)!.push(why)
  }
  if (rules.length === 0) keep(sorted, 'no retention is configured')
  for (const rule of rules) applyRule(sorted, rule, { keep, windowBases: of.windowBases })
  for (const hold of of.holds) reasons.get(hold.backup)?.push(`hold: ${hold.reason}`)
  if (rules.length > 0) keep(sorted.slice(-1), 'newest')
  return {
    kept: new Map([...reasons].filter(([, why]) => why.length > 0)),
    expired: sorted.filter((one) => reasons.get(one.id)!.length === 0),
  }
}

interface Keeping {
  readonly keep: (some: readonly KnownBackup[], why: string) => void
  readonly windowBases: WindowBases
}

function applyRule(sorted: readonly KnownBackup[], rule: NamedRule, { keep, windowBases }: Keeping): void {
  const say = (what: string): string => (rule.name === 'retention' ? what : `${rule.name}: ${what}`)
  const newestMs = sorted.at(-1)?.atMs ?? 0
  const { count, ageMs, gfs, windowMs, keepAtLeast } = rule
  keep(last(sorted, keepAtLeast), say(`keep_at_least ${keepAtLeast}`))
  if (count !== undefined) keep(last(sorted, count), say(`count ${count}`))
  if (ageMs !== undefined) {
    const young = sorted.filter((one) => newestMs - one.atMs <= ageMs)
    keep(young, say('age'))
  }
  for (const period of periods) {
    const wanted = gfs?.[period]
    if (wanted === undefined) continue
    keep(newestPerPeriod(sorted, period, wanted), say(`gfs ${period} ${wanted}`))
  }
  if (windowMs !== undefined) {
    keep(
      sorted.filter((one) => newestMs - one.atMs <= windowMs),
      say('window'),
    )
    keep(windowBases(sorted, windowMs), say('window: the backup before it'))
  }
}

function last<T>(all: readonly T[], count: number): readonly T[] {
  return count === 0 ? [] : all.slice(-count)
}

export const periods = ['daily', 'weekly', 'monthly', 'yearly'] as const
export type Period = (typeof periods)[number]

/** The newest backup of each of the last `count` days (weeks, …) that have one. UTC; weeks begin on Monday. */
export function newestPerPeriod(sorted: readonly KnownBackup[], period: Period, count: number): readonly KnownBackup[] {
  const newest = new Map<string, KnownBackup>()
  for (const one of sorted) newest.set(periodOf(one.atMs, period), one)
  return last(inOrder([...newest.values()]), count)
}

const DAY = 86_400_000
/** 1970-01-05 was a Monday. */
const FIRST_MONDAY_DAYS = 4

export function periodOf(atMs: number, period: Period): string {
  const date = new Date(atMs).toISOString()
  if (period === 'daily') return date.slice(0, 10)
  if (period === 'monthly') return date.slice(0, 7)
  if (period === 'yearly') return date.slice(0, 4)
  return String(Math.floor((Math.floor(atMs / DAY) - FIRST_MONDAY_DAYS) / 7))
}
