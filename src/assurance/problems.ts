// What is wrong now: a table of checks over the facts. Each gives problems or nothing; none knows of the others.
import { DAY_MS, formatDuration, formatSize } from '../base/units.ts'
import type { Targets } from './config.ts'
import type { LossNow, Problem, Severity } from './contract.ts'
import type { Backups, Facts, Failure, Known } from './facts.ts'
import { isCutOff, joinedByTime, receiverState } from './loss.ts'

export interface Judged {
  readonly facts: Facts
  readonly loss: LossNow
  readonly targets: Targets
  readonly nowMs: number
}

type Check = (judged: Judged) => readonly (Problem | undefined)[]

/** Makes a problem; the code gets this room's name. */
export function problem(severity: Severity, code: string, message: string, hint?: string | null): Problem {
  return { code: `assurance.${code}`, severity, message, hint: hint ?? null }
}

/** Codes that make the verdict `unknown`: what they could not ask decides whether anything can be recovered. */
export const UNKNOWN_CODE = 'assurance.unknown'

export function unknown(why: Failure, severity: Severity = 'critical'): Problem {
  return { code: UNKNOWN_CODE, severity, message: `cannot tell ${why.what}: ${why.message}`, hint: why.hint }
}

function list<T>(known: Known<readonly T[]>): readonly T[] {
  return known.known ? known.value : []
}

const unanswered: Check = ({ facts }) => [
  ...[facts.backups, facts.window, facts.wal].filter((one) => !one.known).map((one) => unknown(one.why)),
  ...[facts.walRanges, facts.checks, facts.unlogged, facts.estimate, facts.proof, facts.loads]
    .filter((one) => !one.known)
    .map((one) => unknown(one.why, 'warning')),
  ...(facts.drills && !facts.drills.known ? [unknown(facts.drills.why, 'warning')] : []),
]

const noRepository: Check = ({ facts }) =>
  facts.repositories.length > 0
    ? []
    : [
        problem(
          'critical',
          'no-repository',
          `${facts.warehouse} names no repository to be backed up to`,
          'add "repositories: [...]" to the warehouse in wharf.yaml',
        ),
      ]

const noBackup: Check = ({ facts }) =>
  !facts.backups.known || facts.backups.value.length > 0 || facts.repositories.length === 0
    ? []
    : [
        problem(
          'critical',
          'no-backup',
          `${facts.warehouse} has no complete backup: nothing could be recovered`,
          `wharf backup run ${facts.warehouse}`,
        ),
      ]

const receiving: Check = ({ facts, targets, nowMs, loss }) => {
  if (!facts.wal.known || facts.repositories.length === 0) return []
  const hint = '"wharf up" runs the receiver; "wharf wal status" shows where it stands'
  if (facts.wal.value.length === 0) {
    return [
      problem(
        'critical',
        'not-receiving',
        `no WAL of ${facts.warehouse} is received: changes since the newest recovery point would be lost`,
        hint,
      ),
    ]
  }
  return facts.wal.value.map((status) => {
    const state = receiverState(status, nowMs)
    if (state === 'streaming') return undefined
    const heard =
      status.lastMessageAt === undefined
        ? 'never'
        : `${formatDuration(Math.max(0, nowMs - Date.parse(status.lastMessageAt)))} ago`
    const why = status.error ? `: ${status.error.message}` : ''
    const isLong = status.lastMessageAt === undefined || nowMs - Date.parse(status.lastMessageAt) > targets.rpo
    const othersReceive = loss.basis === 'receiver'
    const severity = state === 'stopped' || state === 'silent' || isLong ? 'critical' : 'warning'
    return problem(
      othersReceive ? 'warning' : severity,
      'not-receiving',
      `WAL of ${facts.warehouse} is not reaching repository ${status.repository} (${state}, last heard of the server ${heard})${why}`,
      status.error?.hint ?? hint,
    )
  })
}

const lag: Check = ({ facts, loss, targets }) =>
  loss.basis !== 'receiver' || loss.ms === null || loss.ms <= targets.rpo
    ? []
    : [
        problem(
          'warning',
          'rpo-missed',
          `${facts.warehouse} would lose ${formatDuration(loss.ms)} of changes, more than the target of ${formatDuration(targets.rpo)}`,
          'look at "wharf wal status": a slow repository or network holds WAL back',
        ),
      ]

const holes: Check = ({ facts }) => {
  if (isCutOff(facts)) {
    return [
      problem(
        'critical',
        'wal-hole',
        `WAL of ${facts.warehouse} is missing after the newest recovery point, or the server went to wal_level = minimal there: what is received now cannot be used`,
        `a new backup starts a new window: wharf backup run ${facts.warehouse}`,
      ),
    ]
  }
  const stretches = joinedByTime(list(facts.window))
  return stretches
    .slice(1)
    .map((next, index) =>
      problem(
        'warning',
        'window-hole',
        `${facts.warehouse} cannot be recovered to moments between ${moment(stretches[index]!.to.toTime)} and ${moment(next.from.fromTime)}`,
        'WAL of that stretch is lost, or the server went to wal_level = minimal; later moments are not affected',
      ),
    )
}

/** To the second, for people: `2026-11-21 12:38:02 UTC`. */
function moment(time: string): string {
  return `${time.slice(0, 10)} ${time.slice(11, 19)} UTC`
}

const oldBackup: Check = ({ facts, targets, nowMs }) => {
  const newest = newestBackup(facts)
  if (!newest) return []
  const age = nowMs - newest.finishedMs
  const old =
    age <= targets.backup_age
      ? undefined
      : problem(
          'warning',
          'backup-old',
          `the newest backup of ${facts.warehouse} is ${formatDuration(age)} old`,
          `wharf backup run ${facts.warehouse}; a schedule keeps it fresh`,
        )
  const corrupt =
    newest.corruptBlocks === 0
      ? undefined
      : problem(
          'critical',
          'corrupt-blocks',
          `${newest.corruptBlocks} blocks were already corrupt in ${facts.warehouse} when backup ${newest.id} was taken`,
          `wharf backup show ${newest.id} names them`,
        )
  return [old, corrupt]
}

/** The newest complete backup by the time it ended, over all repositories. */
export function newestBackup(facts: Facts): Backups[number] | undefined {
  const backups: Backups = facts.backups.known ? facts.backups.value : []
  return backups.toSorted((a, b) => b.finishedMs - a.finishedMs)[0]
}

const unlogged: Check = ({ facts }) => {
  if (!facts.unlogged.known || facts.unlogged.value.relations === 0) return []
  const { relations, bytes } = facts.unlogged.value
  return [
    problem(
      'info',
      'unlogged',
      `${relations === 1 ? 'one unlogged relation' : `${relations} unlogged relations`} of ${facts.warehouse} (${formatSize(bytes)}) would come back empty: unlogged data is not protected`,
      'ALTER TABLE … SET LOGGED protects a table',
    ),
  ]
}

const proof: Check = ({ facts, targets, nowMs }) => {
  if (!facts.proof.known || list(facts.backups).length === 0) return []
  const how = `wharf drill run ${facts.warehouse} proves the newest backup; drills in wharf.yaml do it on a schedule`
  if (!facts.proof.value)
    return [
      problem('info', 'never-proven', `no recovery of ${facts.warehouse} has been carried out and verified yet`, how),
    ]
  const age = nowMs - Date.parse(facts.proof.value.at)
  return age <= targets.proof_age
    ? []
    : [
        problem(
          'warning',
          'proof-old',
          `the last verified recovery of ${facts.warehouse} was ${Math.round(age / DAY_MS)} days ago`,
          how,
        ),
      ]
}

const drills: Check = ({ facts }) => {
  const standing = facts.drills?.known ? facts.drills.value : undefined
  if (!standing) return []
  const { last, evidenceProblems } = standing
  const failed =
    last?.outcome === 'failed'
      ? problem(
          last.grave ? 'critical' : 'warning',
          'drill-failed',
          `the last drill of ${facts.warehouse} (${last.id}) failed: ${last.findings.slice(0, 3).join('; ')}`,
          `wharf drill show ${last.id}; mend it, then prove it: wharf drill run ${facts.warehouse}`,
        )
      : undefined
  const edited =
    evidenceProblems.length === 0
      ? undefined
      : problem(
          'warning',
          'drill-evidence',
          `evidence of drills is not as it was written: ${evidenceProblems.slice(0, 3).join('; ')}`,
          'wharf drill list shows all of it; find out who has written to the folder drills under home',
        )
  return [failed, edited]
}

const overdueChecks: Check = ({ facts }) =>
  list(facts.checks).map(({ repository, lastGoodMs, ageMs, limitMs }) =>
    problem(
      'warning',
      'check-overdue',
      lastGoodMs === undefined
        ? `repository ${repository} was never checked without a finding in the ${formatDuration(ageMs)} since its oldest backup, and its schedule allows ${formatDuration(limitMs)}`
        : `the last check of repository ${repository} without a finding was ${formatDuration(ageMs)} ago, and its schedule allows ${formatDuration(limitMs)}`,
      `"wharf up" runs scheduled checks; by hand: wharf repository check ${repository}`,
    ),
  )

const slowReturn: Check = ({ facts, targets }) => {
  const estimate = facts.estimate.known ? facts.estimate.value : undefined
  if (!estimate || targets.rto === undefined || estimate.expectedMs <= targets.rto) return []
  return [
    problem(
      'warning',
      'rto-missed',
      `recovering ${facts.warehouse} would take about ${formatDuration(estimate.expectedMs)}, more than the target of ${formatDuration(targets.rto)}`,
      'a fresh backup shortens replay',
    ),
  ]
}

const failedLoads: Check = ({ facts }) =>
  newestOfEachPipeline(facts)
    .filter((run) => run.state === 'failed')
    .map((run) =>
      problem(
        'warning',
        'load-failed',
        `load ${run.pipeline}${run.businessDate === undefined ? '' : ` of ${run.businessDate}`} failed${run.error ? `: ${run.error.message}` : ''}`,
        run.error?.hint ?? `wharf load retry ${run.runId}`,
      ),
    )

/** Runs come newest first: the first of each pipeline that has ended or is under way. */
export function newestOfEachPipeline(facts: Facts) {
  const seen = new Set<string>()
  return list(facts.loads).filter((run) => !seen.has(run.pipeline) && seen.add(run.pipeline))
}

const checks: readonly Check[] = [
  unanswered,
  noRepository,
  noBackup,
  receiving,
  lag,
  holes,
  oldBackup,
  drills,
  overdueChecks,
  slowReturn,
  failedLoads,
  unlogged,
  proof,
]
const order: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 }

/** All problems, the worst first. */
export function problemsOf(judged: Judged): readonly Problem[] {
  return checks
    .flatMap((check) => check(judged))
    .filter((one) => one !== undefined)
    .sort((a, b) => order[a.severity] - order[b.severity])
}
