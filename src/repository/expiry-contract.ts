// What a repository offers for expiry: holds, backups that are about to go, leases of readers.
import type { BackupSummary } from './manifest-contract.ts'

/** A reason why a backup must be kept, in the repository itself. */
export interface BackupHold {
  readonly id: string
  readonly backup: string
  readonly warehouse: string
  readonly reason: string
  readonly by: string
  /** By the store's clock. */
  readonly atMs: number
  /** Undefined: until it is released. */
  readonly untilMs?: number | undefined
  /** `own`: WAL from the backup's start to its stop is kept with it; `since`: all WAL since its start. */
  readonly wal: 'own' | 'since'
}
/** With an `id` of its own the same hold again changes nothing. */
export type NewHold = Omit<BackupHold, 'id' | 'atMs'> & { readonly id?: string }

export interface Holds {
  /** Those in force. Rejects where one cannot be read: nobody knows then what must be kept. */
  list(signal: AbortSignal): Promise<readonly BackupHold[]>
  place(hold: NewHold, signal: AbortSignal): Promise<BackupHold>
  /** Rejects with `repository.unknown-hold`. */
  release(id: string, signal: AbortSignal): Promise<BackupHold>
}

/** A backup under a tombstone: not listed, not a parent, not restored; deleted some time after `deleteAfterMs`. */
export interface ExpiringBackup {
  readonly summary: BackupSummary
  readonly tombstone: string
  readonly deleteAfterMs: number
  readonly reason: string
}

/** As long as it lasts nothing is deleted that was listed when it began. Renews itself. */
export interface Reading extends AsyncDisposable {
  /** False where we may not write; `why` is then a sentence for people. */
  readonly leased: boolean
  readonly why: string | undefined
  /** Aborted when the lease could not be renewed in time: what is read may vanish from now on. */
  readonly lost: AbortSignal
  /** Never rejects. */
  end(): Promise<void>
}
