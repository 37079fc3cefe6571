// What a backup is made of: extents, maps of segments, manifests, and their writers.
import type { Listing } from '../base/packed-list.ts'
import type { Lsn } from '../wal/lsn.ts'
import type { RelationFile } from '../wal/contract.ts'
import type { BackupProgress } from './progress-contract.ts'
import type { StoreDescriptor } from './store-contract.ts'

/** Where an extent lies. `pack` is 32 hex digits; `number` counts from 0 within the pack. */
export interface ExtentRef {
  readonly pack: string
  readonly number: number
  /** Bytes from the start of the pack object, and length as stored (compressed and sealed). */
  readonly offset: number
  readonly storedBytes: number
  readonly plainBytes: number
}

/** A run of blocks of one segment file: `count` blocks from `block` on, at places `place`, `place`+1, … of extent `extent`. */
export interface MapRun {
  readonly block: number
  readonly count: number
  /** Index into SegmentMap.extents. */
  readonly extent: number
  readonly place: number
}

/** For one relation segment file: where each of its blocks is. Complete: runs cover 0 … blockCount − 1 without holes. */
export interface SegmentMap {
  /** Path within the data directory as in the manifest, e.g. `base/16384/16385.2`, `pg_tblspc/16400/PG_18_…/5/16401`. */
  readonly file: string
  readonly blockCount: number
  readonly extents: readonly ExtentRef[]
  readonly runs: readonly MapRun[]
}

/** A stored segment map: name of the object that holds it, place in it, and its SHA-256 (hex). Shared between manifests. */
export interface MapRef {
  readonly object: string
  readonly offset: number
  readonly bytes: number
  readonly sha256: string
}

/** Seals extents into packs. Usable in worker threads: open one from a PackWriterSeed. */
export interface PackWriter {
  /**
   * Compresses, seals and appends up to 128 blocks of one segment file, or up to 1 MiB of a plain file. `blocks` lists their numbers within
   * the segment file in order; empty for plain files. The pack rolls over by itself.
   */
  append(extent: { file: string; blocks: Uint32Array; plain: Buffer }): Promise<ExtentRef>
  /** Ends the last pack, with a barrier of the writer's own store: the packs are durable when it resolves. */
  finish(): Promise<{ packs: readonly PackRef[] }>
  abandon(): Promise<void>
}
export interface PackRef {
  readonly id: string
  readonly bytes: number
  readonly sha256: string
}
/**
 * Structured-cloneable; holds a secret (the data keys): never log it. In a worker thread: openPackWriter(seed), openExtentReader(seed) of
 * `repository/workers.ts`.
 */
export type PackWriterSeed = { readonly store: StoreDescriptor } & Readonly<Record<string, unknown>>

/** Reads extents back, verified. Usable in worker threads. */
export interface ExtentReader {
  /**
   * The plain bytes of extents of one pack, in the order asked; neighbours are fetched together. Rejects with `repository.damaged-extent`
   * naming pack, extent and file on any mismatch (seal, checksum, file or block list).
   */
  read(pack: string, wanted: readonly ExtentWanted[], signal: AbortSignal): AsyncIterable<ExtentRead>
}
export interface ExtentRead {
  readonly wanted: ExtentWanted
  /** The caller's from now on: nobody else looks at its memory. */
  readonly plain: Buffer
  /** Numbers within the segment file of the blocks that the extent says it holds; empty for plain files. */
  readonly blocks: Uint32Array
}
export interface ExtentWanted {
  readonly ref: ExtentRef
  /** What the extent must say it holds. */
  readonly file: string
}

export type BackupKind = 'full' | 'differential' | 'incremental'

/** A file of the data directory as the backup holds it. Paths use `/`; tablespaces appear under `pg_tblspc/<oid>/`. */
export type ManifestFile = {
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  /** Epoch milliseconds at the source. */
  readonly modifiedMs: number
  readonly bytes: number
} & (
  | {
      readonly kind: 'segment'
      readonly map: MapRef
      /** Backup whose data the map last took in. */ readonly storedBy: string
      /** Start of the backup that last read the blocks that WAL names, or proved that it names none: replay for this file begins here at the latest. */
      readonly imageLsn: Lsn
      /** When all blocks that are stored had last been seen on disk, by the backups' clock: read whole, or audited. 0 where nobody knows. */
      readonly auditedMs: number
      /** Where the audit of this segment goes on; 0 where none has begun. */
      readonly auditBlock: number
    }
  | { readonly kind: 'plain'; readonly extents: readonly ExtentRef[]; readonly sha256: string }
)

/** A block that was bad at the source: stored as it was, never restored silently. */
export interface CorruptBlock {
  readonly file: string
  /** Number within the segment file. */
  readonly block: number
  readonly reason: 'checksum' | 'header' | 'unreadable'
}

/** A file of a relation of tier `scratch`: left out, restored as nothing but its length. */
export interface ScratchFile {
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  readonly bytes: number
}

/** A relation of which an audit found more changed than the change maps had named: read whole from then on. */
export interface DistrustedRelation {
  readonly file: RelationFile
  /** Backup whose audit found it. */
  readonly since: string
  readonly reason: string
}

/** Images of segments that a deferring tier has left as an older backup of the same timeline took them. */
export interface OlderImage {
  /** Start of that backup. */
  readonly lsn: Lsn
  readonly backup: string
  /** When it began, by its host's clock. */
  readonly atMs: number
  /** Bytes of segments as old as that. */
  readonly bytes: number
  /** Its backup_label: what replay from there begins with. */
  readonly label: string
}

export interface ManifestTablespace {
  readonly oid: number
  readonly name: string
  /** Absolute path at the source; undefined for in-place tablespaces (directories under pg_tblspc). */
  readonly location: string | undefined
}

/** One relation of one database at backup time. */
export interface MappedRelation {
  readonly database: string
  readonly databaseOid: number
  readonly schema: string
  readonly name: string
  readonly oid: number
  readonly file: RelationFile
  /** pg_class.relkind. */
  readonly kind: string
  /** pg_class.relpersistence. */
  readonly persistence: 'p' | 'u' | 't'
  /** oid of the table that an index or TOAST table belongs to. */
  readonly belongsTo: number | undefined
  readonly tier: 'critical' | 'standard' | 'scratch'
}

/** One backup: everything needed to restore it but the blocks. Immutable. 64-bit values are bigint. */
export interface Manifest {
  readonly id: string
  readonly warehouse: string
  readonly node: string
  readonly kind: BackupKind
  readonly parent: string | undefined
  /** Shares nothing with any other backup. */
  readonly independent: boolean
  readonly systemIdentifier: bigint
  readonly timeline: number
  /** History file content of `timeline`, empty for timeline 1. */
  readonly history: string
  readonly startLsn: Lsn
  readonly stopLsn: Lsn
  /** Where replay must begin: startLsn, or the oldest imageLsn where a tier defers its reading. */
  readonly replayFromLsn: Lsn
  /** Redo position of the start checkpoint equals startLsn; location of the checkpoint record itself. */
  readonly checkpointLsn: Lsn
  readonly startedMs: number
  readonly finishedMs: number
  readonly postgresVersion: number
  readonly catalogVersion: number
  readonly walSegmentBytes: number
  readonly blockBytes: number
  readonly dataChecksums: boolean
  /** Exactly what pg_backup_stop returned. */
  readonly backupLabel: string
  /** Oldest first; empty where no reading was deferred. A restore begins with the label of the first, and is consistent at stopLsn only. */
  readonly olderImages: readonly OlderImage[]
  readonly tablespaceMap: string
  readonly tablespaces: readonly ManifestTablespace[]
  /** Empty folders and folders whose content is left out; all that must exist. */
  readonly folders: readonly { readonly path: string; readonly mode: number }[]
  readonly files: readonly ManifestFile[]
  readonly relations: readonly MappedRelation[]
  /** Files of unlogged relations that were left out (main, fsm, vm forks), with their size at backup time. */
  readonly unlogged: readonly { readonly path: string; readonly bytes: number }[]
  /** Files of relations of tier `scratch` that were left out, with all their forks, indexes and TOAST. */
  readonly scratch: readonly ScratchFile[]
  readonly distrusted: readonly DistrustedRelation[]
  readonly corrupt: readonly CorruptBlock[]
  /** Settings that a restore needs or wants to know: from pg_settings, secrets left out. */
  readonly settings: Readonly<Record<string, string>>
  /** Configuration files outside the data directory (path at the source → content). */
  readonly outsideFiles: readonly { readonly path: string; readonly content: string }[]
  /** Packs that any map or plain file of this manifest names. */
  readonly packs: readonly string[]
  readonly statistics: BackupStatistics
  /** Version of wharf that made it. */
  readonly madeBy: string
}

/** A manifest about to be written. Its longest lists need not lie in memory; files that are no array come in the order of their paths. */
export type ManifestDraft = Omit<Manifest, 'files' | 'relations'> & {
  readonly files: Listing<ManifestFile>
  readonly relations: Listing<MappedRelation>
}

/** The long lists of a manifest. */
export type ManifestList =
  | 'files'
  | 'relations'
  | 'folders'
  | 'unlogged'
  | 'scratch'
  | 'corrupt'
  | 'packs'
  | 'outsideFiles'

export interface BackupStatistics {
  /** Bytes of the cluster's protected files. */
  readonly clusterBytes: number
  readonly readBytes: number
  /** Plain bytes newly stored, and what they take in the repository. */
  readonly newBytes: number
  readonly storedBytes: number
  /** Plain bytes shared with older backups without reading them. */
  readonly sharedBytes: number
  /** Of those, bytes of files that were not even opened, since no WAL has touched them since their image. */
  readonly staticBytes: number
  /** Of those shared, bytes of changed files that a tier has left as an older image: not static. */
  readonly deferredBytes: number
  /** Bytes of unchanged files that were read only to compare them with what is stored: not among readBytes. */
  readonly auditedBytes: number
  /** Bytes of relations of tier `scratch` that were left out: not among clusterBytes. */
  readonly skippedScratchBytes: number
  /** Size of the change map from the parent's start to this backup's, as it is stored; 0 where none was needed. */
  readonly changeMapBytes: number
  readonly durationMs: number
}

/** Cheap facts of a manifest, from its head alone. */
export type BackupSummary = Omit<
  Manifest,
  | 'files'
  | 'relations'
  | 'unlogged'
  | 'scratch'
  | 'distrusted'
  | 'folders'
  | 'history'
  | 'backupLabel'
  | 'olderImages'
  | 'tablespaceMap'
  | 'settings'
  | 'outsideFiles'
  | 'packs'
  | 'corrupt'
> & { readonly corruptBlocks: number; readonly unloggedBytes: number }

/** A backup being written: holds a lease, renewed by itself, from the start until commit or abandon. */
export interface BackupWriter {
  readonly id: string
  readonly seed: PackWriterSeed
  openPackWriter(): Promise<PackWriter>
  /**
   * Takes maps one by one while packs are still being written; they become objects when finishMaps() is called, once, when all packs are finished: that
   * is a durability barrier first. Refs are good from the moment they are given.
   */
  addMap(map: SegmentMap, signal: AbortSignal): Promise<MapRef>
  finishMaps(packs: readonly PackRef[], signal: AbortSignal): Promise<void>
  /** Stores maps (bundled) after a durability barrier; call once, when all packs are finished. Refs in the order given. */
  writeMaps(maps: readonly SegmentMap[], packs: readonly PackRef[], signal: AbortSignal): Promise<readonly MapRef[]>
  /** Barrier, manifest, barrier, read back. When it resolves the backup is complete. Rejects with `repository.lease-lost` if it held too long, `.backup-uncertain` where it failed and the store may hold it all the same. */
  commit(manifest: ManifestDraft, signal: AbortSignal): Promise<void>
  abandon(): Promise<void>
  /** Says which packs have been stored since the last time, for a backup that comes after the death of this one. */
  noteProgress(progress: BackupProgress, signal: AbortSignal): Promise<void>
  /** Packs of an interrupted backup that the manifest will name: the next barrier makes them durable. Rejects with `repository.object-missing`. */
  adoptPacks(packs: readonly string[], signal: AbortSignal): Promise<void>
}
