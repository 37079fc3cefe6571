// What a repository offers to the rooms above. The format itself: doc/design/repository-format.md.
import { serviceKey } from '../base/room.ts'
import type { Notices, TableCopies } from './copies-contract.ts'
import type { ExpiringBackup, Holds, Reading } from './expiry-contract.ts'
import type { KeptLoads } from './kept-contract.ts'
import type {
  BackupSummary,
  BackupWriter,
  ExtentReader,
  Manifest,
  ManifestList,
  MapRef,
  PackWriterSeed,
  SegmentMap,
} from './manifest-contract.ts'
import type { InterruptedBackup, PackExtent } from './progress-contract.ts'
import type { ObjectStore } from './store-contract.ts'
import type { WalArchive } from './wal-contract.ts'

// Rooms above import from here alone.
export type * from './copies-contract.ts'
export type * from './kept-contract.ts'
export type * from './manifest-contract.ts'
export type * from './store-contract.ts'
export type * from './wal-contract.ts'

export interface Repository {
  /** Name in wharf.yaml. */
  readonly name: string
  /** Random id made at init, authenticated everywhere. */
  readonly id: string
  readonly encrypted: boolean
  readonly store: ObjectStore
  readonly wal: WalArchive
  readonly copies: TableCopies
  readonly kept: KeptLoads
  readonly notices: Notices
  /** When a check last looked at objects and found nothing wrong, by the store's clock; undefined: never. */
  lastGoodCheck(signal: AbortSignal): Promise<number | undefined>
  /** Complete backups, oldest first. A manifest that is damaged rejects with `repository.damaged-manifest` unless `onDamaged` is given. */
  listBackups(
    signal: AbortSignal,
    options?: { warehouse?: string; onDamaged?: (object: string, error: Error) => void },
  ): Promise<readonly BackupSummary[]>
  /** Rejects with `repository.unknown-backup`, and with `repository.backup-expiring` where it is under a tombstone. `without`: lists that come back empty, and cost neither time nor memory. */
  readManifest(id: string, signal: AbortSignal, options?: { without?: readonly ManifestList[] }): Promise<Manifest>
  /** Backups under a tombstone, oldest first. */
  listExpiring(signal: AbortSignal): Promise<readonly ExpiringBackup[]>
  readonly holds: Holds
  beginReading(options: { purpose: string; signal: AbortSignal }): Promise<Reading>
  /** Backups that hold a lease and have no manifest yet. */
  listUnfinished(signal: AbortSignal): Promise<
    readonly {
      readonly id: string
      readonly warehouse: string
      readonly startedMs: number
      readonly leaseUntilMs: number
    }[]
  >
  /** Rejects with `repository.busy` while another backup of the warehouse holds a lease. */
  beginBackup(options: { warehouse: string; signal: AbortSignal }): Promise<BackupWriter>
  /** Backups of the warehouse that were never completed, oldest first, as far as they have noted what they stored. Completing one ends them all. */
  listInterrupted(warehouse: string, signal: AbortSignal): Promise<readonly InterruptedBackup[]>
  /** What a pack holds, by its directory: proven are the names and places, not yet the content. Rejects with `repository.damaged-object`, `.object-missing`. */
  readPackExtents(pack: string, signal: AbortSignal): Promise<readonly PackExtent[]>
  readMaps(refs: readonly MapRef[], signal: AbortSignal): Promise<readonly SegmentMap[]>
  /** For the main thread; worker threads open their own from `readerSeed` with openExtentReader(). */
  openExtentReader(): ExtentReader
  readonly readerSeed: PackWriterSeed
  close(): Promise<void>
}

export interface Repositories {
  /** As declared in wharf.yaml. */
  list(): readonly { readonly name: string; readonly location: string; readonly encrypted: boolean }[]
  /** Opens once per program run. Rejects with `repository.unknown`, `.not-initialised`, `.wrong-key`, `.unreachable`, … */
  open(name: string, signal: AbortSignal): Promise<Repository>
}
export const repositories = serviceKey<Repositories>('repositories')
