// The archive of WAL that a repository holds.
import type { ChangeMap, CommitEntry, WalContents } from '../wal/contract.ts'
import type { Lsn } from '../wal/lsn.ts'

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
  /** Left out where decoding failed, and by older versions. */
  readonly contents?: WalContents | undefined
  readonly problem: string | undefined
}

/** What of a chunk is read without its bytes. */
export type WalIndexed = Pick<WalChunk, 'changeMap' | 'commits' | 'contents' | 'problem'>

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

export interface WalPlace {
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly startLsn: Lsn
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
  putPartial(segment: Omit<WalChunk, keyof WalIndexed>, signal: AbortSignal): Promise<void>
  list(systemIdentifier: bigint, signal: AbortSignal, timeline?: number): Promise<readonly WalChunkInfo[]>
  /** Those that begin there or later on that timeline, and all of newer timelines: as cheap as they are few. */
  listFrom(from: WalPlace, signal: AbortSignal): Promise<readonly WalChunkInfo[]>
  /** Joined ranges in order; a gap shows as two ranges. */
  ranges(systemIdentifier: bigint, signal: AbortSignal): Promise<readonly WalRange[]>
  /** Ranges as a replay sees them: one that goes over a switch to wal_level = minimal is cut there. */
  replayable(systemIdentifier: bigint, signal: AbortSignal): Promise<readonly WalRange[]>
  read(info: WalChunkInfo, signal: AbortSignal): Promise<WalChunk>
  /** Everything but the bytes, and cheaper than they. */
  readIndex(info: WalChunkInfo, signal: AbortSignal): Promise<WalIndexed>
  /**
   * One whole segment file by name (`000000010000000000000003`, `00000002.history`), or undefined where the repository has nothing of it. A segment
   * that is only begun is padded with zeros (`partial: true`), and only where no full one exists. A name that ends in `.partial` gives what was archived
   * under that name and nothing else. `endLsn` is the end of what is there. Rejects with `repository.wal-gap` where that ends before later WAL, unless it
   * reaches `until`, behind which nothing is wanted.
   */
  segment(
    systemIdentifier: bigint,
    name: string,
    signal: AbortSignal,
    until?: Lsn,
  ): Promise<{ bytes: Buffer; partial: boolean; endLsn?: Lsn } | undefined>
}
