// What is known of backups that are not complete: for those that come after their death.
import type { Lsn } from '../wal/lsn.ts'
import type { ExtentRef } from './manifest-contract.ts'

/** What a backup has stored before it is complete. */
export interface BackupProgress {
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly startLsn: Lsn
  readonly catalogVersion: number
  readonly dataChecksums: boolean
  /** Ids of packs that have ended. */
  readonly packs: readonly string[]
}

export interface InterruptedBackup extends BackupProgress {
  readonly id: string
}

/** An extent as the directory of its pack names it; `blocks` empty for a piece of a plain file. */
export interface PackExtent {
  readonly ref: ExtentRef
  readonly file: string
  readonly blocks: Uint32Array
}
