// What the main thread and the copying threads say to each other. Everything here is structured-cloneable.
import type { SentError } from '../../base/sent-error.ts'
import type { CorruptBlock, ExtentRef, MapRun, PackRef, PackWriterSeed } from '../../repository/contract.ts'
import type { FreshExtent } from '../plan/overlay.ts'
import type { SourceDescriptor } from '../source/reading.ts'
import type { ThreadThrottle } from '../throttle/throttle.ts'

/** What a copying thread is started with. Holds the data key, and perhaps a password: never log it. */
export interface WorkerStart {
  readonly seed: PackWriterSeed
  readonly source: SourceDescriptor
  /** Whether the cluster has page checksums. */
  readonly checksums: boolean
  readonly throttle: ThreadThrottle
  /** One Int32: not 0 once everything must stop. Read between groups of blocks, since a busy thread gets no messages. */
  readonly stop: SharedArrayBuffer
  /** One BigUint64: bytes read so far by all threads. */
  readonly bytesRead: SharedArrayBuffer
  /** One BigUint64: bytes read so far for audits. */
  readonly bytesAudited: SharedArrayBuffer
}

/** One piece of work: a part of a segment file, or a plain file. */
export type CopyItem = SegmentPart | PlainItem | GivenItem | StoredItem

export interface SegmentPart {
  readonly kind: 'segment'
  readonly path: string
  /** Number of the file's first block within its fork: for checksums. */
  readonly firstBlock: number
  /** Which blocks (numbers within the file): a stretch, or a sorted list. */
  readonly blocks: { readonly from: number; readonly count: number } | Uint32Array
}

export interface PlainItem {
  readonly kind: 'plain'
  readonly path: string
  readonly bytes: number
  /** SHA-256 (hex) of the parent's copy, where that is as long: an equal file is not stored again. */
  readonly knownSha256: string | undefined
}

/** A plain file whose content the main thread has already. */
export interface GivenItem {
  readonly kind: 'given'
  readonly path: string
  readonly content: Uint8Array
}

/** A part of a stored segment, to be read back from the repository. */
export interface StoredItem {
  readonly kind: 'stored'
  readonly path: string
  /** Number of the file's first block within its fork: for checksums. */
  readonly firstBlock: number
  readonly extents: readonly ExtentRef[]
  readonly runs: readonly MapRun[]
  /** Whether the blocks on disk are read as well and compared. */
  readonly compare: boolean
  /** Whether the pages themselves must be good: then a bad one, or an empty one, counts as damage. */
  readonly verifyPages?: boolean
  /** End of the change map: pages with this LSN or a later one have changed since. */
  readonly mapEndLsn: bigint
}

export interface StoredRead {
  readonly kind: 'stored'
  readonly path: string
  /** Blocks (numbers within the file) that are whole on disk and differ in more than hints. */
  readonly differing: readonly number[]
  /** Blocks that are bad on disk, while the stored image is good. */
  readonly rotten: readonly number[]
  /** Blocks of pages of an unknown kind that differ under the same LSN. */
  readonly unsure: number
  readonly comparedBlocks: number
  /** Why the stored image cannot be used; undefined where it is whole. */
  readonly damaged: string | undefined
}

export type CopyResult = SegmentCopied | PlainCopied | StoredRead | { readonly kind: 'vanished'; readonly path: string }

export interface SegmentCopied {
  readonly kind: 'segment'
  readonly path: string
  readonly fresh: readonly FreshExtent[]
  /** First block that was not there any more; undefined if all were. */
  readonly endedAt: number | undefined
  readonly corrupt: readonly CorruptBlock[]
  readonly storedBlocks: number
}

export interface PlainCopied {
  readonly kind: 'plain'
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  /** Undefined where the content equals the parent's. */
  readonly extents: readonly ExtentRef[] | undefined
}

export type ToWorker =
  | { readonly type: 'copy'; readonly batch: number; readonly items: readonly CopyItem[] }
  | { readonly type: 'finish' }
  | { readonly type: 'abandon' }

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'copied'; readonly batch: number; readonly results: readonly CopyResult[] }
  /** A pack has ended; one that copies goes on. */
  | { readonly type: 'packed'; readonly pack: string }
  | { readonly type: 'finished'; readonly packs: readonly PackRef[] }
  | { readonly type: 'abandoned' }
  | { readonly type: 'failed'; readonly error: SentError }
