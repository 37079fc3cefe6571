// What policy has to decide about: the backups, WAL and holds of one warehouse in one repository.
import { messageOf } from '../../base/errors.ts'
import type { BackupSummary, Repository, WalRange } from '../../repository/contract.ts'
import type { ExpiringBackup } from '../../repository/expiry-contract.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { parseHistory } from '../../wal/timelines.ts'
import type { TimelineStep } from '../../wal/contract.ts'
import { decide, type Decision, type Held, type KnownBackup, type NamedRule } from './policy.ts'
import { windowOf } from './config.ts'
import { expiredWal, historyKey, windowBases, type KnownChunk } from './wal.ts'

export interface Survey {
  readonly backups: readonly BackupSummary[]
  readonly decision: Decision
  readonly expiring: readonly ExpiringBackup[]
  readonly holds: readonly Held[]
  /** WAL that nothing asks for; empty where a manifest cannot be read. */
  readonly wal: readonly (KnownChunk & { readonly storedBytes: number })[]
  readonly notes: readonly string[]
}

export interface SurveyRequest {
  readonly warehouse: string
  readonly rules: readonly NamedRule[]
  /** Holds from outside of the repository: the control database. */
  readonly moreHolds: readonly Held[]
}

/** Reads names, heads of manifests and histories; changes nothing. */
export async function survey(repository: Repository, request: SurveyRequest, signal: AbortSignal): Promise<Survey> {
  const notes: string[] = []
  const all = await repository.listBackups(signal, {
    onDamaged: (object, error) => notes.push(`${object} cannot be read: ${messageOf(error)}`),
  })
  const expiring = (await repository.listExpiring(signal)).filter((one) => one.summary.warehouse === request.warehouse)
  const own = all.filter((one) => one.warehouse === request.warehouse)
  const holds = [...(await repository.holds.list(signal)), ...request.moreHolds]
  const known = own.map(knownBackup)
  const gone = expiring.map((one) => knownBackup(one.summary))
  const { chunks, histories } = await readWal(repository, [...known, ...gone], signal)
  const bases = (some: readonly KnownBackup[], windowMs: number): readonly KnownBackup[] =>
    windowBases(some, { windowMs, chunks, histories })
  const decision = decide(known, request.rules, { holds, windowBases: bases })
  const kept = known.filter((one) => decision.kept.has(one.id))
  const others = all.filter((one) => one.warehouse !== request.warehouse).map(knownBackup)
  const windowMs = windowOf(request.rules)
  // Another warehouse may share the cluster (it was renamed): all that its backups need stays.
  const foreign = others.map((one): Held => ({ backup: one.id, reason: 'another warehouse', wal: 'since' }))
  const wal =
    notes.length > 0 || request.rules.length === 0
      ? []
      : expiredWal({
          kept: [...kept, ...others],
          expired: [...decision.expired, ...gone],
          chunks,
          histories,
          holds: [...holds, ...foreign],
          windowMs,
        })
  if (notes.length > 0) notes.push('until that is settled no WAL and no data expires, only whole backups do')
  for (const stop of await stopsOf(repository, known, signal))
    notes.push(
      `at ${formatLsn(stop.endLsn)} of timeline ${stop.timeline} the server went to wal_level = minimal: backups from before that lead to nothing after it`,
    )
  return { backups: own, decision, expiring, holds, wal: wal as Survey['wal'], notes }
}

/** Ends of ranges at which replay ends though WAL goes on. */
async function stopsOf(
  repository: Repository,
  backups: readonly KnownBackup[],
  signal: AbortSignal,
): Promise<readonly WalRange[]> {
  const found: WalRange[] = []
  for (const system of new Set(backups.map((one) => one.systemIdentifier)))
    found.push(...(await repository.wal.replayable(system, signal)).filter((one) => one.stopped))
  return found
}

/** The id carries the time of the store's clock; the host's clock may have jumped. */
export function knownBackup(of: BackupSummary): KnownBackup {
  const { id, systemIdentifier, timeline, replayFromLsn, stopLsn, walSegmentBytes } = of
  const atMs = timeOfId(id) ?? of.startedMs
  const doneMs = atMs + Math.max(0, of.finishedMs - of.startedMs)
  return { id, systemIdentifier, timeline, replayFromLsn, stopLsn, atMs, doneMs, walSegmentBytes }
}

export function timeOfId(id: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/.exec(id)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

async function readWal(
  repository: Repository,
  backups: readonly KnownBackup[],
  signal: AbortSignal,
): Promise<{ chunks: (KnownChunk & { storedBytes: number })[]; histories: Map<string, readonly TimelineStep[]> }> {
  const chunks: (KnownChunk & { storedBytes: number })[] = []
  const histories = new Map<string, readonly TimelineStep[]>()
  for (const system of new Set(backups.map((one) => one.systemIdentifier))) {
    const list = await repository.wal.list(system, signal)
    chunks.push(...list)
    for (const timeline of new Set(list.map((one) => one.timeline))) {
      const content = timeline === 1 ? '' : await repository.wal.history(system, timeline, signal)
      if (content !== undefined) histories.set(historyKey(system, timeline), parseHistory(timeline, content))
    }
  }
  return { chunks, histories }
}
