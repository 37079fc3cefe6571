// What a repository offers to the rooms above. The format itself: doc/design/repository-format.md.
import { serviceKey } from '../base/room.ts'
import type { CommitEntry, ChangeMap, RelationFile } from '../wal/contract.ts'
import type { Listing } from '../base/packed-list.ts'
import type { Lsn } from '../wal/lsn.ts'
import type { ExpiringBackup, Holds, Reading } from './expiry-contract.ts'
import type { BackupProgress, InterruptedBackup, PackExtent } from './progress-contract.ts'
import type { S3Options } from './store/s3/options.ts'

// ---------------------------------------------------------------- stores

/** What a new object is stored with. */
export interface PutOptions {
  readonly signal: AbortSignal
  /** Durable when the call resolves, without a barrier. */
  readonly durable?: boolean
  /**
   * Epoch milliseconds until which nobody can remove the object. Left out: what the store is configured with for objects of that name.
   * Ignored where !abilities.objectLock.
   */
  readonly retainUntilMs?: number | undefined
}

/** A place for immutable, uniquely named objects: a folder or a bucket. Every driver runs the conformance suite. */
export interface ObjectStore {
  /** For messages: `file:/backups/wharf`, `s3://bucket/prefix`. Never holds credentials. */
  readonly location: string
  /** What this store can do beyond the basics. */
  readonly abilities: StoreAbilities
  /**
   * Where objects are locked: how long what a backup needs must stay, and what each object gets beyond that when it is put, so that locks of
   * shared objects need lengthening now and then instead of with each backup.
   */
  readonly retention?: { readonly promisedMs: number; readonly slackMs: number } | undefined
  /**
   * Stores a new object; rejects with `repository.object-exists` if the name is taken. When it resolves, the bytes are readable
   * by everyone, but only durable after barrier() (or with `durable: true`).
   */
  put(name: string, chunks: readonly Uint8Array[], options: PutOptions): Promise<void>
  /** Streams a new object that is too large for memory; abandon() leaves nothing behind. */
  create(name: string, options: Omit<PutOptions, 'durable'>): Promise<ObjectWriter>
  /**
   * Whole object or a range; rejects with `repository.object-missing`. A short object gives a short buffer. `version` is one of
   * versions(): without it, what the store shows under the name.
   */
  get(
    name: string,
    options: { signal: AbortSignal; offset?: number; length?: number; version?: string | undefined },
  ): Promise<Buffer>
  /** Undefined where it does not exist. `modifiedMs` is the store's clock. */
  stat(name: string, options: { signal: AbortSignal; version?: string | undefined }): Promise<ObjectInfo | undefined>
  /** All objects whose name starts with `prefix`, in byte order of their names. */
  list(prefix: string, options: { signal: AbortSignal }): AsyncIterable<ObjectInfo>
  /**
   * Every stored version of every object under `prefix`, in byte order of names and newest first within a name, delete markers included; on
   * stores without versions each object once.
   */
  versions(prefix: string, options: { signal: AbortSignal }): AsyncIterable<ObjectVersion>
  /**
   * Removing what is not there is no error. Removes exactly `version` where versions are kept; without it, the version that list() shows.
   * Rejects with `repository.object-locked` while its retention lasts.
   */
  remove(name: string, options: { signal: AbortSignal; version?: string | undefined }): Promise<void>
  /** Lengthens the retention of one version, by default the one that list() shows; never shortens. No-op where !abilities.objectLock. */
  retain(name: string, options: { signal: AbortSignal; version?: string | undefined; untilMs: number }): Promise<void>
  /**
   * Resolves once everything put through this instance before the call survives a power cut; also what others put under names that were
   * refused here as taken.
   */
  barrier(options: { signal: AbortSignal }): Promise<void>
  /** Now by the store's clock, epoch milliseconds. */
  now(options: { signal: AbortSignal }): Promise<number>
  /**
   * Proves before a repository is made that the place can keep what the format demands; rejects with why it cannot. Left out: nothing is in
   * question.
   */
  requireFit?(options: { signal: AbortSignal }): Promise<void>
  /** What a worker thread needs to open the same store: structured-cloneable. May hold secrets: never log it. */
  readonly descriptor: StoreDescriptor
}
export interface StoreAbilities {
  /** Older versions of a name are kept: what somebody puts over an object, or deletes, hides it and takes nothing away. */
  readonly versions: boolean
  /** New objects get a retention that nobody (governance: nobody without a special right) can shorten. */
  readonly objectLock: boolean
}
export interface ObjectInfo {
  readonly name: string
  readonly bytes: number
  readonly modifiedMs: number
  /** Undefined where the store keeps no versions. */
  readonly version?: string
}
export interface ObjectVersion {
  readonly name: string
  readonly version: string | undefined
  readonly bytes: number
  readonly modifiedMs: number
  /** What a plain read of the name gives. */
  readonly isLatest: boolean
  /** Hides what lies below it; holds nothing. */
  readonly isDeleteMarker: boolean
}
export interface ObjectWriter {
  write(chunk: Uint8Array): Promise<void>
  /** Makes the object appear under its name, as put() does. */
  finish(): Promise<void>
  abandon(): Promise<void>
}
export type StoreDescriptor =
  | { readonly kind: 'file'; readonly path: string }
  /** `versions` is what the bucket said when it was opened first; left out: it is asked again. */
  | { readonly kind: 's3'; readonly options: S3Options; readonly versions?: boolean }
  /** A module (file URL) that exports openStore(options): how tests bring their stores into worker threads. */
  | { readonly kind: 'module'; readonly module: string; readonly options: unknown }

// ---------------------------------------------------------------- extents and maps

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
  readonly plain: Buffer
  /** Numbers within the segment file of the blocks that the extent says it holds; empty for plain files. */
  readonly blocks: Uint32Array
}
export interface ExtentWanted {
  readonly ref: ExtentRef
  /** What the extent must say it holds. */
  readonly file: string
}

// ---------------------------------------------------------------- manifests

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
  /** Barrier, manifest, barrier, read back. When it resolves the backup is complete. Rejects with `repository.lease-lost` if it held too long. */
  commit(manifest: ManifestDraft, signal: AbortSignal): Promise<void>
  abandon(): Promise<void>
  /** Says which packs have been stored since the last time, for a backup that comes after the death of this one. */
  noteProgress(progress: BackupProgress, signal: AbortSignal): Promise<void>
  /** Packs of an interrupted backup that the manifest will name: the next barrier makes them durable. Rejects with `repository.object-missing`. */
  adoptPacks(packs: readonly string[], signal: AbortSignal): Promise<void>
}

// ---------------------------------------------------------------- WAL

/** A stretch of WAL bytes with what was found in it. */
export interface WalChunk {
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly startLsn: Lsn
  readonly walSegmentBytes: number
  readonly postgresVersion: number
  readonly bytes: Buffer
  /** Undefined where decoding failed: then `problem` says why. The bytes are kept all the same. */
  readonly changeMap: ChangeMap | undefined
  readonly commits: readonly CommitEntry[]
  readonly problem: string | undefined
}

/** From the name of a chunk alone. */
export interface WalChunkInfo {
  readonly object: string
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  readonly storedBytes: number
  /** When the store got it, by the store's clock. */
  readonly modifiedMs: number
  /** Its WAL has a record at which every replay ends: the server went to wal_level = minimal. */
  readonly minimal?: true
}

/** A contiguous range of WAL of one timeline that the repository holds. */
export interface WalRange {
  readonly timeline: number
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  /** The WAL goes on, but no replay does: at `endLsn` the server went to wal_level = minimal. Only `replayable` says so. */
  readonly stopped?: true
}

export interface WalArchive {
  /**
   * Stores one chunk durably. The same range with the same bytes again is no error, and nothing is stored where other chunks hold all of it already;
   * other bytes reject with `repository.wal-conflict`.
   */
  put(chunk: WalChunk, signal: AbortSignal): Promise<WalChunkInfo>
  /** Makes a chunk that was found durable, whoever put it and died before it was. */
  settle(info: WalChunkInfo, signal: AbortSignal): Promise<void>
  putHistory(systemIdentifier: bigint, timeline: number, content: string, signal: AbortSignal): Promise<void>
  history(systemIdentifier: bigint, timeline: number, signal: AbortSignal): Promise<string | undefined>
  /** Keeps a segment that its server never finished (`.partial`) under that name: it is in no range and serves no request for the whole one. */
  putPartial(segment: Omit<WalChunk, 'changeMap' | 'commits' | 'problem'>, signal: AbortSignal): Promise<void>
  list(systemIdentifier: bigint, signal: AbortSignal, timeline?: number): Promise<readonly WalChunkInfo[]>
  /** Joined ranges in order; a gap shows as two ranges. */
  ranges(systemIdentifier: bigint, signal: AbortSignal): Promise<readonly WalRange[]>
  /** Ranges as a replay sees them: one that goes over a switch to wal_level = minimal is cut there. */
  replayable(systemIdentifier: bigint, signal: AbortSignal): Promise<readonly WalRange[]>
  read(info: WalChunkInfo, signal: AbortSignal): Promise<WalChunk>
  /** The change map and commits alone, cheaper than the bytes. */
  readIndex(info: WalChunkInfo, signal: AbortSignal): Promise<Pick<WalChunk, 'changeMap' | 'commits' | 'problem'>>
  /**
   * One whole segment file by name (`000000010000000000000003`, `00000002.history`), or undefined where the repository has nothing of it. A segment
   * that is only begun is padded with zeros (`partial: true`), and only where no full one exists. A name that ends in `.partial` gives what was archived
   * under that name and nothing else.
   */
  segment(
    systemIdentifier: bigint,
    name: string,
    signal: AbortSignal,
  ): Promise<{ bytes: Buffer; partial: boolean } | undefined>
}

// ---------------------------------------------------------------- copies of unlogged tables

/** One table of a copy: its rows as `COPY … TO STDOUT (FORMAT binary)` gives them. */
export interface CopiedTable {
  readonly database: string
  readonly schema: string
  readonly name: string
  /** In the order of the stream, with their types as format_type() prints them. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: number
  /** Of the stream. */
  readonly bytes: number
  readonly sha256: string
}

/** Unlogged tables as they were at one moment each: what a plain restore brings back empty. Immutable. */
export interface TableCopy {
  readonly id: string
  readonly warehouse: string
  readonly systemIdentifier: bigint
  readonly postgresVersion: number
  /** When the first snapshot was taken, epoch milliseconds at the server. */
  readonly takenMs: number
  readonly tables: readonly CopiedTable[]
  /** For each database the newest load that is not logged and that the copy holds; none where there was none. */
  readonly loads: readonly { readonly database: string; readonly load: string }[]
}

export interface TableCopyWriter {
  readonly id: string
  /** Stores one table; `rows` is asked after the stream has ended. */
  add(
    table: Pick<CopiedTable, 'database' | 'schema' | 'name' | 'columns'>,
    content: { readonly stream: AsyncIterable<Buffer>; rows(): number },
    signal: AbortSignal,
  ): Promise<CopiedTable>
  /** The copy is complete and durable when it resolves; before that it does not exist for readers. */
  commit(about: Omit<TableCopy, 'id' | 'warehouse' | 'tables'>, signal: AbortSignal): Promise<TableCopy>
}

export interface TableCopies {
  begin(options: { warehouse: string; signal: AbortSignal }): Promise<TableCopyWriter>
  /** Complete copies, oldest first. */
  list(warehouse: string, signal: AbortSignal): Promise<readonly TableCopy[]>
  /** The stream as it was stored; rejects with `repository.damaged-object` at the first byte that is not. Proven whole when it has ended. */
  read(copy: TableCopy, table: CopiedTable, signal: AbortSignal): AsyncIterable<Buffer>
  /** Its head first: what is half removed is no copy. */
  remove(copy: TableCopy, signal: AbortSignal): Promise<void>
}

// ---------------------------------------------------------------- notices

/** Something an operator must hear of, left in the repository by who could reach nobody else (`wharf wal push` on the server's host). */
export interface Notice {
  readonly warehouse: string
  /** Stable word, as in events: `wal-conflict`. */
  readonly reason: string
  /** When, by the clock of who left it (epoch milliseconds). */
  readonly atMs: number
  readonly data: Readonly<Record<string, string>>
}

export interface Notices {
  put(notice: Notice, signal: AbortSignal): Promise<void>
  /** Oldest first. What cannot be read is passed over: check names it. */
  list(warehouse: string, signal: AbortSignal): Promise<readonly (Notice & { readonly object: string })[]>
  remove(object: string, signal: AbortSignal): Promise<void>
}

// ---------------------------------------------------------------- the repository

export interface Repository {
  /** Name in wharf.yaml. */
  readonly name: string
  /** Random id made at init, authenticated everywhere. */
  readonly id: string
  readonly encrypted: boolean
  readonly store: ObjectStore
  readonly wal: WalArchive
  readonly copies: TableCopies
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
