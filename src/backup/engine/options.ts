// What a backup is asked for, and what it gives back.
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { BackupKind, ManifestDraft, Repository } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import type { FileSource } from '../../warehouse/rights.ts'
import type { AuditPolicy } from '../plan/static.ts'
import type { TierRule } from '../plan/tiers.ts'
import type { SnapshotSource } from '../snapshot/snapshot.ts'
import type { ClusterFiles } from '../source/cluster-files.ts'
import type { ThrottlePolicy } from '../throttle/throttle.ts'
import type { StandbySource } from './enter.ts'
import type { BackupAlert } from './outcome.ts'
import type { Report } from './progress.ts'

/** WAL on its way into the repository for as long as the backup lasts. */
export interface Receiving {
  /** Resolves once all WAL of the timeline before `lsn` is durable in the repository, sealing early what is wanted. */
  waitUntilDurable(at: { timeline: number; lsn: Lsn }, signal: AbortSignal): Promise<void>
}

export interface TakeOptions {
  readonly warehouse: Warehouse
  /** The standby whose files are read instead of those of `warehouse`, its primary. WAL still comes from the primary. */
  readonly standby?: StandbySource | undefined
  /** Files are read from a snapshot that is taken between start and stop. */
  readonly snapshot?: SnapshotSource | undefined
  readonly repository: Repository
  /** Called before the server is told of the backup, so that no WAL since its start is missed. */
  readonly receive: (scope: AsyncDisposableStack) => Promise<Receiving>
  /** Where the files are read; what it opens ends with the scope. */
  readonly files: (dataDirectory: string, scope: AsyncDisposableStack) => ClusterFiles | Promise<ClusterFiles>
  /** What `files` reads: decides about the rights that are needed. Default: disk. */
  readonly source?: FileSource
  /** Default: nothing is held back. */
  readonly throttle?: ThrottlePolicy | undefined
  readonly kind: BackupKind
  /** Shares nothing with any other backup, and proves nothing static: for full backups. */
  readonly independent?: boolean
  /** Default: every relation is of tier standard. */
  readonly tiers?: readonly TierRule[]
  /** Undefined: nothing is audited. */
  readonly audit?: AuditPolicy | undefined
  readonly workers: number
  /** Whether the server takes its first checkpoint at once. */
  readonly fastCheckpoint: boolean
  /** How long to wait for loads that are not logged; default: without end. */
  readonly unloggedWaitMs?: number | undefined
  readonly madeBy: string
  /** Go on although all backups of the warehouse are of another cluster: it was upgraded or made anew on purpose. */
  readonly adopt?: boolean
  /** How often it is noted what has been stored, for a backup that must go on after the death of this one. Default 10 s. */
  readonly noteEveryMs?: number
  readonly clock: Clock
  readonly log: Log
  readonly report: Report
  readonly signal: AbortSignal
}

export interface TakenBackup {
  readonly manifest: ManifestDraft
  /** What an operator should know although the backup is good: why whole reads, files left out, parts of the map missing. */
  readonly notes: readonly string[]
  readonly alerts: readonly BackupAlert[]
}
