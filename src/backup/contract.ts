// What the backup room tells others: positions of WAL receiving and what the repositories can serve.
import { serviceKey } from '../base/room.ts'
import type { BackupSummary, WalRange } from '../repository/contract.ts'

/** Where receiving stands for one warehouse and repository. LSNs as text. */
export interface WalStatus {
  readonly warehouse: string
  readonly repository: string
  /** False for one that WAL need not be in to count as durable. Missing: true. */
  readonly required?: boolean
  readonly state: 'streaming' | 'connecting' | 'stopped' | 'failing'
  readonly timeline: number | undefined
  /** End of WAL that is durable in the repository; undefined before the first chunk. */
  readonly durableLsn: string | undefined
  readonly serverLsn: string | undefined
  readonly lagBytes: number | undefined
  /** Age of the newest WAL at the server that is not durable here yet; 0 when nothing is missing. Milliseconds. */
  readonly lagMs: number | undefined
  readonly lastMessageAt: string | undefined
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string } | undefined
  /** Present where receiving is synchronous: what commits wait for is durable in this folder before it is in the repository. */
  readonly synchronous?:
    | { readonly spool: string; readonly flushedLsn: string | undefined; readonly warnings: readonly string[] }
    | undefined
}

/** A stretch of time to which the warehouse can be recovered now. Times ISO 8601. */
export interface RecoverableRange {
  readonly timeline: number
  readonly fromLsn: string
  readonly toLsn: string
  readonly fromTime: string
  readonly toTime: string
}

/** A scheduled check of a repository that has not happened for twice its interval. */
export interface OverdueCheck {
  readonly repository: string
  /** Of the newest check that found nothing wrong; undefined: never. Epoch milliseconds. */
  readonly lastGoodMs: number | undefined
  /** Since that check, or since the oldest backup. */
  readonly ageMs: number
  readonly limitMs: number
}

export interface Protection {
  /** Warehouses as declared, with the names of the repositories that protect them (may be none). */
  warehouses(): readonly { readonly name: string; readonly repositories: readonly string[] }[]
  walStatus(warehouse: string, signal: AbortSignal): Promise<readonly WalStatus[]>
  backups(warehouse: string, signal: AbortSignal): Promise<readonly (BackupSummary & { readonly repository: string })[]>
  /** Ranges of points after a complete backup without holes; holes show as several ranges. */
  recoverableWindow(warehouse: string, signal: AbortSignal): Promise<readonly RecoverableRange[]>
  walRanges(warehouse: string, signal: AbortSignal): Promise<readonly WalRange[]>
  /** Of the repositories of the warehouse that have `check` configured. */
  overdueChecks(warehouse: string, signal: AbortSignal): Promise<readonly OverdueCheck[]>
  /** Unlogged relations of the newest backup: what a recovery would bring back empty. */
  unlogged(warehouse: string, signal: AbortSignal): Promise<{ readonly relations: number; readonly bytes: number }>
}
export const protection = serviceKey<Protection>('protection')
