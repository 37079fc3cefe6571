// What assurance tells: how much would be lost now, how long recovery would take, what is wrong. JSON as it is; the console
// and --json have the same. Times ISO 8601, durations in milliseconds, null where something is not known or not there.
import { serviceKey } from '../base/room.ts'
import type { WalStatus } from '../backup/contract.ts'

/**
 * `protected`: everything is as wanted. `degraded`: recoverable within limits, but something is off. `unprotected`: changes made now,
 * or all data, would be lost. `unknown`: it could not be found out, which is never shown as good. `none`: nothing is declared.
 */
export type Verdict = 'protected' | 'degraded' | 'unprotected' | 'unknown' | 'none'
export type Severity = 'critical' | 'warning' | 'info'

/** Something that is wrong now. `code` is stable, e.g. `assurance.no-backup`. */
export interface Problem {
  readonly code: string
  readonly severity: Severity
  readonly message: string
  readonly hint: string | null
}

/** How much would be lost if the warehouse were lost now. */
export interface LossNow {
  /** Age of the oldest change that would be lost; 0 when nothing would; null when everything would, or when it is not known. */
  readonly ms: number | null
  readonly bytes: number | null
  /**
   * `receiver`: the receiver's own position. `last-contact`: the receiver is cut off, so this grows. `window`: nobody receives; counted
   * from the newest recovery point. `everything`: nothing can be recovered. `unknown`: could not be asked.
   */
  readonly basis: 'receiver' | 'last-contact' | 'window' | 'everything' | 'unknown'
  readonly growing: boolean
  /** The repository from which the least would be lost. */
  readonly repository: string | null
}

export interface ReturnTime {
  readonly expectedMs: number
  /** Bounds of the 80 % interval. */
  readonly lowMs: number
  readonly highMs: number
  readonly basis: 'measured' | 'assumed'
  /** When each tier answers again, first back first; `standard` is everything. */
  readonly tiers?:
    | readonly {
        readonly tier: 'critical' | 'standard'
        readonly bytes: number
        readonly expectedMs: number
        readonly lowMs: number
        readonly highMs: number
        readonly basis: 'measured' | 'assumed'
      }[]
    | undefined
  readonly steps: readonly {
    readonly step: string
    readonly bytes: number
    readonly bytesPerSecond: number
    readonly ms: number
  }[]
}

export interface ReceiverView {
  readonly repository: string
  readonly state: WalStatus['state'] | 'silent'
  readonly timeline: number | null
  readonly durableLsn: string | null
  readonly serverLsn: string | null
  readonly lagBytes: number | null
  readonly lagMs: number | null
  readonly lastMessageAt: string | null
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null
}

export interface RangeView {
  readonly timeline: number
  readonly fromLsn: string
  readonly toLsn: string
  readonly fromTime: string
  readonly toTime: string
}

export interface BackupView {
  readonly id: string
  readonly repository: string
  readonly kind: 'full' | 'differential' | 'incremental'
  readonly parent: string | null
  readonly startedAt: string
  readonly finishedAt: string
  readonly startLsn: string
  readonly stopLsn: string
  readonly clusterBytes: number
  readonly readBytes: number
  readonly newBytes: number
  readonly storedBytes: number
  readonly sharedBytes: number
  readonly durationMs: number
  readonly corruptBlocks: number
  readonly unloggedBytes: number
}

export interface LoadRunView {
  readonly runId: string
  readonly pipeline: string
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'
  readonly businessDate: string | null
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly rows: number | null
  readonly tasksDone: number
  readonly tasks: number
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string | undefined } | null
}

export interface WarehouseStatus {
  readonly warehouse: string
  readonly verdict: Verdict
  /** The verdict in one or two sentences. */
  readonly sentence: string
  readonly rpo: LossNow
  /** Null where nothing can be recovered or the time could not be estimated. */
  readonly rto: ReturnTime | null
  readonly receivers: readonly ReceiverView[]
  readonly window: { readonly ranges: readonly RangeView[]; readonly holes: number }
  readonly lastBackup: (BackupView & { readonly ageMs: number }) | null
  readonly backups: number
  /** What a plain restore brings back empty. */
  readonly unlogged: { readonly relations: number; readonly bytes: number } | null
  readonly lastProof: {
    readonly at: string
    readonly backup: string
    readonly durationMs: number
    /** Left out: not told. */
    readonly by?: 'recovery' | 'drill' | undefined
    readonly ageMs: number
  } | null
  /** Null where loads could not be asked. */
  readonly loads: {
    readonly running: number
    readonly queued: number
    /** Pipelines whose newest run failed. */
    readonly failed: number
    readonly recent: readonly LoadRunView[]
  } | null
  readonly problems: readonly Problem[]
  /** What could not be asked: a null or empty value of these means `not known`, not `none`. */
  readonly unknown: readonly FactName[]
}
export type FactName =
  | 'wal'
  | 'backups'
  | 'window'
  | 'walRanges'
  | 'checks'
  | 'unlogged'
  | 'estimate'
  | 'proof'
  | 'loads'

export interface Status {
  readonly at: string
  readonly verdict: Verdict
  readonly sentence: string
  readonly warehouses: readonly WarehouseStatus[]
  /** Problems that belong to no warehouse. */
  readonly problems: readonly Problem[]
}

/** One point of `wharf history`; values over its step: the worst for lag and times, the last for sizes. */
export interface HistoryPoint {
  readonly at: string
  readonly rpoMs: number | null
  readonly lagBytes: number | null
  readonly rtoMs: number | null
  readonly clusterBytes: number | null
  readonly storedBytes: number | null
}
export interface History {
  readonly warehouse: string
  readonly from: string
  readonly to: string
  readonly stepMs: number
  readonly points: readonly HistoryPoint[]
}

/** What `wharf timeline` shows. */
export interface Timeline {
  readonly warehouse: string
  readonly from: string
  readonly to: string
  readonly ranges: readonly RangeView[]
  /** Between ranges: moments that cannot be recovered. */
  readonly holes: readonly {
    readonly fromTime: string
    readonly toTime: string
    readonly fromLsn: string
    readonly toLsn: string
  }[]
  readonly backups: readonly BackupView[]
  /** Newest first. */
  readonly loads: readonly TimelineLoad[]
  readonly proof: { readonly at: string; readonly backup: string; readonly durationMs: number } | null
  /** What could not be asked. */
  readonly problems: readonly Problem[]
}
export interface TimelineLoad {
  readonly id: string
  readonly pipeline: string
  readonly task: string
  readonly runId: string
  readonly committedAt: string
  readonly rows: number
  readonly logged: boolean
  readonly targets: readonly string[]
}

export interface Recoverability {
  /** Never rejects for what cannot be reached: that becomes a problem and the verdict `unknown`. */
  status(options: { warehouse?: string; signal: AbortSignal }): Promise<Status>
  timeline(warehouse: string, options: { fromMs: number; toMs: number; signal: AbortSignal }): Promise<Timeline>
}
export const recoverability = serviceKey<Recoverability>('recoverability')
