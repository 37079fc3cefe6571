// Recoverability in /metrics. A value that is not known has no sample: an absent series alerts, a zero would lie.
import type { MetricFamily, MetricSource } from '../base/room.ts'
import { SECOND_MS } from '../base/units.ts'
import { recoverability, type ReceiverView, type Severity, type Status, type WarehouseStatus } from './contract.ts'

type Sample = MetricFamily['samples'][number]
type Reading = (one: WarehouseStatus) => readonly Sample[]

interface Gauge {
  readonly name: string
  readonly help: string
  readonly read: Reading
}

function one(label: Readonly<Record<string, string>>, value: number | null | undefined): readonly Sample[] {
  return value === null || value === undefined ? [] : [{ labels: label, value }]
}

function each(status: WarehouseStatus, read: (receiver: ReceiverView) => number | null): readonly Sample[] {
  return status.receivers.flatMap((receiver) =>
    one({ warehouse: status.warehouse, repository: receiver.repository }, read(receiver)),
  )
}

const seconds = (ms: number | null | undefined) => (ms === null || ms === undefined ? null : ms / SECOND_MS)
const severities: readonly Severity[] = ['critical', 'warning', 'info']

const gauges: readonly Gauge[] = [
  {
    name: 'wharf_protected',
    help: '1 if the warehouse is protected or only degraded, 0 if it is unprotected or if it cannot be told.',
    read: (s) => one({ warehouse: s.warehouse }, s.verdict === 'protected' || s.verdict === 'degraded' ? 1 : 0),
  },
  {
    name: 'wharf_rpo_seconds',
    help: 'Age of the oldest change that would be lost now; +Inf if everything would.',
    read: (s) => one({ warehouse: s.warehouse }, s.rpo.basis === 'everything' ? Infinity : seconds(s.rpo.ms)),
  },
  {
    name: 'wharf_rto_seconds',
    help: 'Expected time to recover now.',
    read: (s) => one({ warehouse: s.warehouse }, seconds(s.rto?.expectedMs)),
  },
  {
    name: 'wharf_rto_low_seconds',
    help: 'Lower bound of the 80 % interval.',
    read: (s) => one({ warehouse: s.warehouse }, seconds(s.rto?.lowMs)),
  },
  {
    name: 'wharf_rto_high_seconds',
    help: 'Upper bound of the 80 % interval.',
    read: (s) => one({ warehouse: s.warehouse }, seconds(s.rto?.highMs)),
  },
  {
    name: 'wharf_rto_measured',
    help: '1 if the rates behind the time to recover were measured here, 0 if they are assumed.',
    read: (s) => one({ warehouse: s.warehouse }, s.rto === null ? null : Number(s.rto.basis === 'measured')),
  },
  {
    name: 'wharf_wal_lag_bytes',
    help: 'WAL at the server that is not durable in the repository yet.',
    read: (s) => each(s, (r) => r.lagBytes),
  },
  { name: 'wharf_wal_lag_seconds', help: 'Age of the oldest such WAL.', read: (s) => each(s, (r) => seconds(r.lagMs)) },
  {
    name: 'wharf_wal_streaming',
    help: '1 while WAL is received.',
    read: (s) => each(s, (r) => Number(r.state === 'streaming')),
  },
  {
    name: 'wharf_backup_age_seconds',
    help: 'Age of the newest complete backup.',
    read: (s) => one({ warehouse: s.warehouse }, seconds(s.lastBackup?.ageMs)),
  },
  {
    name: 'wharf_backup_cluster_bytes',
    help: 'Protected bytes at the newest backup.',
    read: (s) => one({ warehouse: s.warehouse }, s.lastBackup?.clusterBytes),
  },
  {
    name: 'wharf_backups',
    help: 'Complete backups.',
    read: (s) => one({ warehouse: s.warehouse }, s.unknown.includes('backups') ? null : s.backups),
  },
  {
    name: 'wharf_window_holes',
    help: 'Holes in the recoverable window.',
    read: (s) => one({ warehouse: s.warehouse }, s.unknown.includes('window') ? null : s.window.holes),
  },
  {
    name: 'wharf_unlogged_bytes',
    help: 'Bytes of unlogged relations: a recovery brings them back empty.',
    read: (s) => one({ warehouse: s.warehouse }, s.unlogged?.bytes),
  },
  {
    name: 'wharf_proof_age_seconds',
    help: 'Time since the last verified recovery.',
    read: (s) => one({ warehouse: s.warehouse }, seconds(s.lastProof?.ageMs)),
  },
  {
    name: 'wharf_loads_running',
    help: 'Loads under way.',
    read: (s) => one({ warehouse: s.warehouse }, s.loads?.running),
  },
  {
    name: 'wharf_loads_failed',
    help: 'Pipelines whose newest run failed.',
    read: (s) => one({ warehouse: s.warehouse }, s.loads?.failed),
  },
  {
    name: 'wharf_problems',
    help: 'Problems that are there now.',
    read: (s) =>
      severities.flatMap((severity) =>
        one({ warehouse: s.warehouse, severity }, s.problems.filter((p) => p.severity === severity).length),
      ),
  },
]

/** Families of a status; those without any sample are left out. */
export function statusMetrics(status: Status): readonly MetricFamily[] {
  return gauges
    .map(({ name, help, read }) => ({ name, help, type: 'gauge' as const, samples: status.warehouses.flatMap(read) }))
    .filter((family) => family.samples.length > 0)
}

export const recoverabilityMetrics: MetricSource = {
  name: 'recoverability',
  gather: async (context, signal) => statusMetrics(await (await context.use(recoverability)).status({ signal })),
}
