// What the main thread and the restoring threads say to each other. Everything here is structured-cloneable.
import type { SentError } from '../../base/sent-error.ts'
import type { ExtentRef, PackWriterSeed } from '../../repository/contract.ts'

export interface WorkerStart {
  /** Holds a secret (the data key): never log it. Undefined where nothing is read from the repository. */
  readonly seed: PackWriterSeed | undefined
  /** For messages. */
  readonly backup: string
  /** Whether what is written goes past the page cache. */
  readonly direct?: boolean | undefined
  /** One Int32: not 0 once everything must stop; a busy thread gets no messages. */
  readonly stop: SharedArrayBuffer
  /** BigUint64: bytes put in place (or read, when verifying) so far; those of them that were left as holes; those that were written. */
  readonly counters: SharedArrayBuffer
}

/** A file that extents are written to; it exists with its final length. */
export interface OpenTarget {
  /** Absolute. */
  readonly path: string
  /** As in the manifest. */
  readonly file: string
  /** It was there before and may hold anything: only what differs is written. Left out: it is new, and all zeros. */
  readonly over?: true | undefined
}

/** One extent and where its bytes go. */
export interface ExtentItem {
  /** Index into WriteTask.targets. */
  readonly target: number
  readonly ref: ExtentRef
  /** For blocks: triples of place in the extent, count, block number in the file. Undefined: a piece of a plain file. */
  readonly runs: readonly number[] | undefined
  /** Byte offset in the file of a plain piece; 0 for blocks. */
  readonly offset: number
}

/** Extents of one pack. */
export interface WriteTask {
  readonly type: 'write'
  readonly pack: string
  readonly targets: readonly OpenTarget[]
  readonly items: readonly ExtentItem[]
}

/** The same extents, read as for a restore, and nothing written. Each finding is a DamagedExtent (validate/messages.ts). */
export interface AuthenticateTask extends Omit<WriteTask, 'type'> {
  readonly type: 'authenticate'
}

/** Files that are whole: sizes are held against the manifest, plain files are read back and hashed, then all are fsynced if `durable`. */
export interface SettleTask {
  readonly type: 'settle'
  readonly durable: boolean
  readonly files: readonly {
    readonly path: string
    readonly file: string
    readonly bytes: number
    readonly sha256: string | undefined
  }[]
}

/** Page checksums (or headers only) of segment files of a stopped cluster. */
export interface VerifyTask {
  readonly type: 'verify'
  readonly checksums: boolean
  /** `firstBlock`: number of the file's first block within its fork. */
  readonly files: readonly { readonly path: string; readonly file: string; readonly firstBlock: number }[]
}

export type Task = WriteTask | AuthenticateTask | SettleTask | VerifyTask
export type ToWorker = { readonly task: Task; readonly id: number }
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly id: number; readonly findings: readonly string[] }
  | { readonly type: 'failed'; readonly error: SentError }
