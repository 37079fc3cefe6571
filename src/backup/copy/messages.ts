// What the main thread and the copying threads say to each other. Everything here is structured-cloneable.
import type { SentError } from '../../base/sent-error.ts'
import type { CorruptBlock, ExtentRef, PackRef, PackWriterSeed } from '../../repository/contract.ts'
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
}

/** One piece of work: a part of a segment file, or a plain file. */
export type CopyItem = SegmentPart | PlainItem | GivenItem

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

export type CopyResult = SegmentCopied | PlainCopied | { readonly kind: 'vanished'; readonly path: string }

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
  | { readonly type: 'finished'; readonly packs: readonly PackRef[] }
  | { readonly type: 'abandoned' }
  | { readonly type: 'failed'; readonly error: SentError }
