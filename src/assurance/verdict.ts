// From facts to the status of one warehouse. Pure: the same facts at the same time give the same verdict.
import type { RecoveryEstimate } from '../recovery/contract.ts'
import { formatDuration } from '../base/units.ts'
import type { Targets } from './config.ts'
import type {
  BackupView,
  FactName,
  LossNow,
  Problem,
  ReceiverView,
  ReturnTime,
  Verdict,
  WarehouseStatus,
} from './contract.ts'
import type { Backups, Facts } from './facts.ts'
import { joinedByTime, lossNow, receiverState } from './loss.ts'
import { newestBackup, newestOfEachPipeline, problemsOf, UNKNOWN_CODE } from './problems.ts'

const factNames: readonly FactName[] = [
  'wal',
  'backups',
  'window',
  'walRanges',
  'checks',
  'unlogged',
  'estimate',
  'proof',
  'loads',
]

export function judge(facts: Facts, targets: Targets, nowMs: number): WarehouseStatus {
  const loss = lossNow(facts, nowMs)
  const problems = problemsOf({ facts, loss, targets, nowMs })
  const rto =
    facts.estimate.known && facts.estimate.value && loss.basis !== 'everything'
      ? returnTime(facts.estimate.value)
      : null
  const verdict = verdictOf(problems, loss)
  const newest = newestBackup(facts)
  const ranges = facts.window.known ? facts.window.value : []
  return {
    warehouse: facts.warehouse,
    verdict,
    sentence: sentenceOf({ verdict, loss, rto, problems }),
    rpo: loss,
    rto,
    receivers: receivers(facts, nowMs),
    window: { ranges, holes: Math.max(0, joinedByTime(ranges).length - 1) },
    lastBackup: newest ? { ...backupView(newest), ageMs: Math.max(0, nowMs - newest.finishedMs) } : null,
    backups: facts.backups.known ? facts.backups.value.length : 0,
    unlogged: facts.unlogged.known ? facts.unlogged.value : null,
    lastProof: lastProof(facts, nowMs),
    loads: loads(facts),
    problems,
    unknown: factNames.filter((name) => !facts[name].known),
  }
}

/** The worst decides; not knowing is worse than a known warning and never passes for good. */
function verdictOf(problems: readonly Problem[], loss: LossNow): Verdict {
  const critical = problems.filter((one) => one.severity === 'critical')
  if (critical.some((one) => one.code !== UNKNOWN_CODE)) return 'unprotected'
  if (critical.length > 0 || loss.basis === 'unknown') return 'unknown'
  return problems.some((one) => one.severity === 'warning') ? 'degraded' : 'protected'
}

function sentenceOf(at: {
  verdict: Verdict
  loss: LossNow
  rto: ReturnTime | null
  problems: readonly Problem[]
}): string {
  if (at.loss.basis === 'everything')
    return 'Losing the server now would lose everything: there is nothing to recover from.'
  if (at.loss.basis === 'unknown') return 'It cannot be told what could be recovered now.'
  const back = at.rto
    ? `Back in about ${formatDuration(at.rto.expectedMs)}${at.rto.basis === 'assumed' ? ' (assumed rates)' : ''}.`
    : 'How long recovery takes is not known.'
  return `${lossSentence(at.loss)} ${back}`
}

function lossSentence(loss: LossNow): string {
  if (loss.ms === 0 && !loss.growing) return 'Losing the server now would lose nothing that was committed.'
  const amount = loss.ms === null ? 'an unknown stretch' : formatDuration(loss.ms)
  if (loss.basis === 'receiver') return `Losing the server now would lose at most the last ${amount} of changes.`
  return `Losing the server now would lose all changes of the last ${amount}, and this grows: no WAL is received.`
}

function returnTime(estimate: RecoveryEstimate): ReturnTime {
  const { expectedMs, lowMs, highMs, basis, steps, tiers } = estimate
  return { expectedMs, lowMs, highMs, basis, steps, ...(tiers === undefined ? {} : { tiers }) }
}

function receivers(facts: Facts, nowMs: number): readonly ReceiverView[] {
  if (!facts.wal.known) return []
  return facts.wal.value.map((one) => ({
    repository: one.repository,
    state: receiverState(one, nowMs),
    timeline: one.timeline ?? null,
    durableLsn: one.durableLsn ?? null,
    serverLsn: one.serverLsn ?? null,
    lagBytes: one.lagBytes ?? null,
    lagMs: one.lagMs ?? null,
    lastMessageAt: one.lastMessageAt ?? null,
    error: one.error ? { code: one.error.code, message: one.error.message, hint: one.error.hint ?? null } : null,
  }))
}

/** A position as PostgreSQL prints it. */
function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase()
}

export function backupView(one: Backups[number]): BackupView {
  const { clusterBytes, readBytes, newBytes, storedBytes, sharedBytes, durationMs } = one.statistics
  return {
    id: one.id,
    repository: one.repository,
    kind: one.kind,
    parent: one.parent ?? null,
    startedAt: new Date(one.startedMs).toISOString(),
    finishedAt: new Date(one.finishedMs).toISOString(),
    startLsn: lsnText(one.startLsn),
    stopLsn: lsnText(one.stopLsn),
    clusterBytes,
    readBytes,
    newBytes,
    storedBytes,
    sharedBytes,
    durationMs,
    corruptBlocks: one.corruptBlocks,
    unloggedBytes: one.unloggedBytes,
  }
}

function lastProof(facts: Facts, nowMs: number): WarehouseStatus['lastProof'] {
  if (!facts.proof.known || !facts.proof.value) return null
  return { ...facts.proof.value, ageMs: Math.max(0, nowMs - Date.parse(facts.proof.value.at)) }
}

function loads(facts: Facts): WarehouseStatus['loads'] {
  if (!facts.loads.known) return null
  const runs = facts.loads.value
  return {
    running: runs.filter((run) => run.state === 'running').length,
    queued: runs.filter((run) => run.state === 'queued').length,
    failed: newestOfEachPipeline(facts).filter((run) => run.state === 'failed').length,
    recent: runs.map((run) => ({
      ...run,
      businessDate: run.businessDate ?? null,
      startedAt: run.startedAt ?? null,
      finishedAt: run.finishedAt ?? null,
      rows: run.rows ?? null,
      error: run.error ?? null,
    })),
  }
}

const rank: readonly Verdict[] = ['unprotected', 'unknown', 'degraded', 'protected', 'none']

/** The worst of several; `none` for none. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  return rank.find((one) => verdicts.includes(one)) ?? 'none'
}
