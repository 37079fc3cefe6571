// What happened to the backups of one warehouse in a period: from the repositories, and from the events of the control database where it runs.
import { messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { runningControlDatabase } from '../../control/running.ts'
import { repositories, type BackupKind, type BackupSummary } from '../../repository/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { backupSection, defaultPolicy } from '../config.ts'
import { coverageOf, type ScheduleCoverage } from './coverage.ts'

export interface Period {
  readonly fromMs: number
  readonly toMs: number
}

export interface ReportedBackup {
  readonly id: string
  readonly repository: string
  readonly kind: BackupKind
  readonly startedAt: string
  readonly durationMs: number
  readonly readBytes: number
  readonly newBytes: number
  readonly storedBytes: number
  readonly sharedBytes: number
  readonly staticBytes: number
  readonly deferredBytes: number
  readonly auditedBytes: number
  readonly clusterBytes: number
  /** Of the cluster, by what was read. */
  readonly readBytesPerSecond: number
  readonly corruptBlocks: number
  /** No more in the repository: known from the event of its end. */
  readonly gone: boolean
}

export interface ReportedFailure {
  readonly at: string
  readonly repository: string | null
  readonly kind: string | null
  readonly code: string | null
  readonly message: string
}

export interface KindTotals {
  readonly kind: BackupKind
  readonly count: number
  readonly medianMs: number
  readonly longestMs: number
  readonly readBytes: number
  readonly storedBytes: number
  readonly readBytesPerSecond: number
}

export interface PeriodReport {
  readonly warehouse: string
  readonly from: string
  readonly to: string
  readonly backups: readonly ReportedBackup[]
  readonly totals: readonly KindTotals[]
  readonly failures: readonly ReportedFailure[]
  readonly alerts: readonly { readonly at: string; readonly reason: string; readonly count: number | null }[]
  /** WAL that came in the period, as stored, by repository. */
  readonly wal: readonly { readonly repository: string; readonly chunks: number; readonly storedBytes: number }[]
  readonly coverage: readonly ScheduleCoverage[]
  readonly warnings: readonly string[]
}

interface EventRow {
  readonly at: Date
  readonly kind: string
  readonly data: Readonly<Record<string, unknown>>
}

/** A repository that is away is a warning: the others tell what they know. */
export async function collectPeriod(
  context: Context,
  warehouse: string,
  options: Period & { readonly signal: AbortSignal },
): Promise<PeriodReport> {
  const { fromMs, toMs, signal } = options
  const warnings: string[] = []
  const stored = await askRepositories(context, { warehouse, warnings, ...options })
  const events = await readEvents(context, { warehouse, warnings, ...options })
  const backups = [...stored.backups, ...goneBackups(events, stored.known)].toSorted((one, other) =>
    one.startedAt < other.startedAt ? -1 : 1,
  )
  signal.throwIfAborted()
  const policy = context.section(backupSection)[warehouse] ?? defaultPolicy
  const made = backups.map(({ kind, startedAt }) => ({ kind, startedMs: Date.parse(startedAt) }))
  return {
    warehouse,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    backups,
    totals: totalsOf(backups),
    failures: events.filter((one) => one.kind === 'backup.failed').map(failureOf),
    alerts: events
      .filter((one) => one.kind === 'backup.alert')
      .map(({ at, data }) => ({
        at: at.toISOString(),
        reason: text(data['reason']) ?? '',
        count: number(data['count']),
      })),
    wal: stored.wal,
    coverage: coverageOf(policy, made, { fromMs, untilMs: Math.min(toMs, context.clock.now()) }),
    warnings,
  }
}

type Asking = Period & { readonly warehouse: string; readonly warnings: string[]; readonly signal: AbortSignal }

async function askRepositories(context: Context, asking: Asking) {
  const { warehouse, warnings, signal, fromMs, toMs } = asking
  const { declaration } = (await context.use(warehouses)).get(warehouse)
  const service = await context.use(repositories)
  const backups: ReportedBackup[] = []
  const known = new Set<string>()
  const wal: { repository: string; chunks: number; storedBytes: number }[] = []
  const isWithin = (ms: number): boolean => ms >= fromMs && ms < toMs
  for (const name of declaration.repositories) {
    try {
      const repository = await service.open(name, signal)
      const onDamaged = (object: string, error: Error): void =>
        void warnings.push(`${name}: ${object}: ${messageOf(error)}`)
      const all = await repository.listBackups(signal, { warehouse, onDamaged })
      for (const one of all) known.add(one.id)
      backups.push(...all.filter((one) => isWithin(one.startedMs)).map((one) => reported(one, name)))
      let [chunks, storedBytes] = [0, 0]
      for (const systemIdentifier of new Set(all.map((one) => one.systemIdentifier))) {
        for (const chunk of await repository.wal.list(systemIdentifier, signal)) {
          if (!isWithin(chunk.modifiedMs)) continue
          chunks++
          storedBytes += chunk.storedBytes
        }
      }
      wal.push({ repository: name, chunks, storedBytes })
    } catch (error) {
      signal.throwIfAborted()
      warnings.push(`repository ${name} could not be asked: ${messageOf(error)}`)
    }
  }
  return { backups, known, wal }
}

function reported(one: BackupSummary, repository: string): ReportedBackup {
  const { statistics } = one
  return {
    id: one.id,
    repository,
    kind: one.kind,
    startedAt: new Date(one.startedMs).toISOString(),
    ...bytesOf(statistics),
    durationMs: statistics.durationMs,
    readBytesPerSecond: rate(statistics),
    corruptBlocks: one.corruptBlocks,
    gone: false,
  }
}

function bytesOf(from: BackupSummary['statistics']) {
  const { clusterBytes, readBytes, newBytes, storedBytes, sharedBytes, staticBytes, deferredBytes, auditedBytes } = from
  return { clusterBytes, readBytes, newBytes, storedBytes, sharedBytes, staticBytes, deferredBytes, auditedBytes }
}

function rate(of: { readBytes: number; durationMs: number }): number {
  return of.durationMs > 0 ? Math.round((of.readBytes / of.durationMs) * 1000) : 0
}

/** Events are a plus: failures and what has expired are only there. */
async function readEvents(context: Context, asking: Asking): Promise<readonly EventRow[]> {
  const { warehouse, warnings, fromMs, toMs } = asking
  try {
    const control = await runningControlDatabase(context)
    if (!control) {
      warnings.push('the control database does not run: failures, alerts and expired backups are not in this report')
      return []
    }
    return await control.query<EventRow>(
      `select at, kind, data from control.event
        where kind in ('backup.finished', 'backup.failed', 'backup.alert') and subject = $1 and at >= $2 and at < $3 order by id`,
      [warehouse, new Date(fromMs).toISOString(), new Date(toMs).toISOString()],
    )
  } catch (error) {
    warnings.push(`the control database could not be asked: ${messageOf(error)}`)
    return []
  }
}

function goneBackups(events: readonly EventRow[], known: ReadonlySet<string>): readonly ReportedBackup[] {
  return events
    .filter(({ kind, data }) => kind === 'backup.finished' && !known.has(text(data['backup']) ?? ''))
    .map(({ at, data }) => {
      const bytes = (name: string): number => number(data[name]) ?? 0
      const durationMs = bytes('durationMs')
      return {
        id: text(data['backup']) ?? '',
        repository: text(data['repository']) ?? '',
        kind: (text(data['kind']) ?? 'incremental') as BackupKind,
        startedAt: new Date(at.getTime() - durationMs).toISOString(),
        durationMs,
        readBytes: bytes('readBytes'),
        newBytes: bytes('newBytes'),
        storedBytes: bytes('storedBytes'),
        sharedBytes: bytes('sharedBytes'),
        staticBytes: bytes('staticBytes'),
        deferredBytes: bytes('deferredBytes'),
        auditedBytes: bytes('auditedBytes'),
        clusterBytes: bytes('clusterBytes'),
        readBytesPerSecond: rate({ readBytes: bytes('readBytes'), durationMs }),
        corruptBlocks: 0,
        gone: true,
      }
    })
}

function failureOf({ at, data }: EventRow): ReportedFailure {
  return {
    at: at.toISOString(),
    repository: text(data['repository']),
    kind: text(data['kind']),
    code: text(data['code']),
    message: text(data['message']) ?? 'unknown',
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

/** Pure: fullest kind first. */
export function totalsOf(backups: readonly ReportedBackup[]): readonly KindTotals[] {
  return (['full', 'differential', 'incremental'] as const).flatMap((kind) => {
    const own = backups.filter((one) => one.kind === kind)
    if (own.length === 0) return []
    const times = own.map((one) => one.durationMs).toSorted((one, other) => one - other)
    const readBytes = own.reduce((sum, one) => sum + one.readBytes, 0)
    const durationMs = times.reduce((sum, one) => sum + one, 0)
    return [
      {
        kind,
        count: own.length,
        medianMs: times[Math.floor((times.length - 1) / 2)]!,
        longestMs: times.at(-1)!,
        readBytes,
        storedBytes: own.reduce((sum, one) => sum + one.storedBytes, 0),
        readBytesPerSecond: rate({ readBytes, durationMs }),
      },
    ]
  })
}
