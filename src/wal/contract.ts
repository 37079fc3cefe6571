// Types of the decoded formats, for the rooms above. See README.md for the invariants.
import type { Lsn } from './lsn.ts'

/** PostgreSQL's RelFileLocator: a relation's files on disk. Tablespace 1663 is pg_default, 1664 pg_global (database 0). */
export interface RelationFile {
  readonly tablespace: number
  readonly database: number
  readonly relfilenode: number
}

/** Fork numbers as PostgreSQL has them. */
export const forks = { main: 0, fsm: 1, vm: 2, init: 3 } as const
export type ForkName = keyof typeof forks

export const BLOCK_BYTES = 8192
/** Blocks in a 1 GB segment file of a relation. */
export const BLOCKS_PER_SEGMENT = 131_072

/** What happened to one fork between two LSNs. */
export interface ForkChange {
  /** Sorted, distinct block numbers (of the fork, not of a segment) that WAL registered. */
  readonly blocks: Uint32Array
  /** Shortest length in blocks that it was cut to; 0 if created or dropped; undefined if never cut. */
  readonly cut: number | undefined
}

/** The blocks changed between two LSNs; design.md section 3. Immutable; made by ChangeMapBuilder, merged in order. */
export interface ChangeMap {
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  /** The change of one fork, or undefined where WAL did not touch it. */
  fork(file: RelationFile, fork: ForkName): ForkChange | undefined
  /** True where a database (or one of its tablespaces) was copied, moved or dropped whole: read all its files whole. */
  isDatabaseDoubtful(tablespace: number, database: number): boolean
  /** Reasons why nothing in this map may be trusted (an unknown resource manager, a gap); empty for a sound map. */
  readonly doubts: readonly string[]
  entries(): Iterable<{ readonly file: RelationFile; readonly fork: ForkName; readonly change: ForkChange }>
  doubtfulDatabases(): Iterable<{ readonly tablespace: number; readonly database: number }>
}

/** What a stretch of WAL consists of: how long its replay takes hangs on that, more than on its length. */
export interface WalContents {
  /** Records that end in it. */
  readonly records: number
  /** Bytes of images of whole pages, as they lie in the records. */
  readonly imageBytes: number
  /** What stands behind a switch to the next segment, up to that one: PostgreSQL passes over it. */
  readonly voidBytes: number
  /** References to pages that bring no image along and were not named lately: replay has to read them. */
  readonly reads: number
}

/**
 * One end of a transaction, one named restore point, or one load's mark, found in WAL. A load writes its id into its own transaction with
 * pg_logical_emit_message(true, 'wharf.load', id): so WAL alone tells which transaction a load was (P4).
 */
export interface CommitEntry {
  readonly kind: 'commit' | 'abort' | 'restore-point' | 'prepare' | 'load'
  /** Start of the record. Recovery to "before this commit" stops here. */
  readonly startLsn: Lsn
  /** End of the record: once WAL is replayed up to here, the transaction is in. */
  readonly endLsn: Lsn
  /** Top-level transaction id (32 bits, as in WAL); 0 for restore points. */
  readonly xid: number
  /** Microseconds since 1970 UTC, from the record. Not monotonic: clocks jump. */
  readonly timeUs: bigint
  /** Name of a restore point; id of a load. */
  readonly name?: string
}

/** Facts of global/pg_control that tools need, equal for all versions. */
export interface ControlData {
  readonly systemIdentifier: bigint
  readonly pgControlVersion: number
  readonly catalogVersion: number
  /** PostgreSQL's major version, from pg_control's own version number and the catalog version. */
  readonly majorVersion: number
  readonly state:
    | 'starting'
    | 'shut down'
    | 'shut down in recovery'
    | 'shutting down'
    | 'in crash recovery'
    | 'in archive recovery'
    | 'in production'
  readonly checkpointLsn: Lsn
  readonly redoLsn: Lsn
  readonly timeline: number
  readonly minRecoveryLsn: Lsn
  readonly minRecoveryTimeline: number
  /** First transaction id that the checkpoint knows nothing of, with its epoch in the upper half. */
  readonly nextXid: bigint
  readonly walLevel: 'minimal' | 'replica' | 'logical'
  readonly fullPageWrites: boolean
  readonly maxConnections: number
  readonly maxWorkerProcesses: number
  readonly maxWalSenders: number
  readonly maxPreparedTransactions: number
  readonly maxLocksPerTransaction: number
  readonly blockBytes: number
  readonly blocksPerSegment: number
  readonly walSegmentBytes: number
  /** 0: off. 1: on. */
  readonly dataChecksumVersion: number
  /** Whether the CRC of the file holds; a torn read gives false. */
  readonly crcIsGood: boolean
}

/** One switch of timelines: WAL of `timeline` is ours up to `switchLsn`, then the next one's. */
export interface TimelineStep {
  readonly timeline: number
  readonly switchLsn: Lsn
  readonly reason: string
}
