// Status and time line as text for a terminal.
import { formatPairs, formatTable } from '../base/table.ts'
import { formatDuration, formatSize } from '../base/units.ts'
import type { LossNow, Problem, ReturnTime, Status, Timeline, WarehouseStatus } from './contract.ts'

export function statusText(status: Status): string {
  const parts = [
    ...status.warehouses.map(warehouseText),
    ...(status.problems.length > 0 ? [problemsText(status.problems)] : []),
  ]
  const head = status.warehouses.length === 1 ? [] : [status.sentence]
  return [...head, ...parts].join('\n\n')
}

function warehouseText(one: WarehouseStatus): string {
  const head = `${one.warehouse}: ${one.verdict.toUpperCase()}\n${one.sentence}`
  const facts = formatPairs([
    ['  lost now (RPO)', lossText(one.rpo)],
    ['  back in (RTO)', returnText(one.rto)],
    ['  recoverable', windowText(one)],
    ['  last backup', backupText(one)],
    ['  receiving', receiverText(one)],
    ['  not protected', one.unlogged === null ? 'not known' : unloggedText(one.unlogged)],
    ['  last proven', proofText(one)],
    ['  loads', loadsText(one)],
  ])
  return [head, facts, ...(one.problems.length > 0 ? [problemsText(one.problems)] : [])].join('\n')
}

export function lossText(loss: LossNow): string {
  if (loss.basis === 'everything') return 'everything'
  if (loss.ms === null) return 'not known'
  const bytes = loss.bytes === null ? '' : `, ${formatSize(loss.bytes)} of WAL`
  return `${formatDuration(loss.ms)}${bytes}${loss.growing ? ' and growing' : ''}`
}

export function returnText(rto: ReturnTime | null): string {
  if (rto === null) return 'not known'
  const span = (one: Pick<ReturnTime, 'expectedMs' | 'lowMs' | 'highMs' | 'basis'>): string =>
    `about ${formatDuration(one.expectedMs)} (${formatDuration(one.lowMs)} to ${formatDuration(one.highMs)}, rates ${one.basis})`
  const [critical, everything] = rto.tiers ?? []
  if (!critical || !everything) return span(rto)
  return `${span(rto)}; with --critical-first the critical tier ${span(critical)}, everything ${span(everything)}`
}

function windowText(one: WarehouseStatus): string {
  const { ranges, holes } = one.window
  const first = ranges[0]
  const last = ranges.at(-1)
  if (!first || !last) return one.unknown.includes('window') ? 'not known' : 'to no moment'
  const gaps = holes === 0 ? 'no holes' : `${holes} hole${holes === 1 ? '' : 's'}`
  return `${first.fromTime} to ${last.toTime} (${gaps})`
}

function backupText(one: WarehouseStatus): string {
  const backup = one.lastBackup
  if (!backup) return one.unknown.includes('backups') ? 'not known' : 'none'
  return `${backup.id} (${backup.kind}), ${formatDuration(backup.ageMs)} ago, ${formatSize(backup.clusterBytes)} in ${formatSize(backup.storedBytes)} newly stored; ${one.backups} in all`
}

function receiverText(one: WarehouseStatus): string {
  if (one.receivers.length === 0) return one.unknown.includes('wal') ? 'not known' : 'no'
  return one.receivers
    .map(
      (r) =>
        `${r.repository} ${r.state}${r.lagBytes === null ? '' : `, ${formatSize(r.lagBytes)} behind`}${r.durableLsn === null ? '' : `, durable to ${r.durableLsn}`}`,
    )
    .join('; ')
}

function proofText(one: WarehouseStatus): string {
  if (!one.lastProof) return one.unknown.includes('proof') ? 'not known' : 'never'
  const how = one.lastProof.by === 'drill' ? ' by a drill' : ''
  return `${formatDuration(one.lastProof.ageMs)} ago${how}, took ${formatDuration(one.lastProof.durationMs)}`
}

function unloggedText(unlogged: { relations: number; bytes: number }): string {
  return unlogged.relations === 0
    ? 'nothing'
    : `${unlogged.relations} unlogged relation${unlogged.relations === 1 ? '' : 's'}, ${formatSize(unlogged.bytes)}`
}

function loadsText(one: WarehouseStatus): string {
  if (one.loads === null) return 'not known'
  return `${one.loads.running} running, ${one.loads.queued} queued, ${one.loads.failed} failed`
}

const marks: Readonly<Record<Problem['severity'], string>> = { critical: 'CRITICAL', warning: 'warning', info: 'note' }

function problemsText(problems: readonly Problem[]): string {
  return problems
    .map((one) => `  ${marks[one.severity]}: ${one.message}${one.hint === null ? '' : `\n    hint: ${one.hint}`}`)
    .join('\n')
}

export function timelineText(timeline: Timeline): string {
  const rows = [
    ...timeline.ranges.map((one) => [
      one.fromTime,
      'recoverable from here',
      `${one.fromLsn} (timeline ${one.timeline})`,
    ]),
    ...timeline.holes.map((one) => [one.fromTime, 'HOLE', `until ${one.toTime}`]),
    ...timeline.backups.map((one) => [one.finishedAt, `backup ${one.kind}`, `${one.id} in ${one.repository}`]),
    ...timeline.loads.map((one) => [
      one.committedAt,
      `load ${one.pipeline}`,
      `${one.id}: ${one.rows} rows into ${one.targets.join(', ')}`,
    ]),
    ...(timeline.proof ? [[timeline.proof.at, 'recovery proven', timeline.proof.backup]] : []),
  ].sort((a, b) => (a[0]! < b[0]! ? -1 : 1))
  const problems = timeline.problems.length === 0 ? [] : [problemsText(timeline.problems)]
  const table = rows.length === 0 ? 'nothing happened in this time' : formatTable(['TIME', 'WHAT', ''], rows)
  return [table, ...problems].join('\n\n')
}
