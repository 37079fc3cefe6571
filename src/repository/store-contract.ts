// What a store must be to hold a repository: a place for immutable objects.
import type { S3Options } from './store/s3/options.ts'

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

export interface GetOptions {
  readonly signal: AbortSignal
  readonly offset?: number
  readonly length?: number
  readonly version?: string | undefined
  /**
   * Of AlignedPieces, and ALIGNMENT twice longer than `length`, for who reads much that nobody reads again soon: the result may be a view into it, read past
   * the page cache.
   */
  readonly memory?: Buffer | undefined
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
   * versions(): without it, what the store shows under the name. The memory is the caller's from now on.
   */
  get(name: string, options: GetOptions): Promise<Buffer>
  /** Undefined where it does not exist. `modifiedMs` is the store's clock. */
  stat(name: string, options: { signal: AbortSignal; version?: string | undefined }): Promise<ObjectInfo | undefined>
  /** All objects whose name starts with `prefix`, in byte order of their names; with `after` those behind that name, which need not be there, and at their cost alone. */
  list(prefix: string, options: { signal: AbortSignal; after?: string | undefined }): AsyncIterable<ObjectInfo>
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
  /** When it resolves the bytes are written or copied: their memory is the caller's again. */
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
