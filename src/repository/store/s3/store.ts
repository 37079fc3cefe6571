// The S3 store: a bucket of immutable objects. What is put is durable when the server confirms it, so a barrier has nothing left to do.
import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectRetentionCommand,
  type GetObjectCommandOutput,
} from '@aws-sdk/client-s3'
import type { Readable } from 'node:stream'

import { formatTime } from '../../../base/clock.ts'
import { DAY_MS } from '../../../base/units.ts'
import type {
  ObjectInfo,
  ObjectStore,
  ObjectVersion,
  ObjectWriter,
  PutOptions,
  StoreAbilities,
  StoreDescriptor,
} from '../../contract.ts'
import { storeErrors as errors } from '../../store-errors.ts'
import { requireObjectName } from '../names.ts'
import { requireFitBucket } from './bucket.ts'
import { dateOf, S3Connection } from './connection.ts'
import { headerOf, isMissing, statusOf, TornAnswer } from './failures.ts'
import { listOriginals, listPlain, listVersions, wholeSeconds, type Listing } from './listing.ts'
import type { S3Options } from './options.ts'
import { putWhole, S3Writer, type UploadParts } from './upload.ts'

/** What must be removable while the rest is locked. */
const UNLOCKED = ['leases/', 'readers/', 'tombstones/', 'revived/', 'holds/', 'checks/', 'progress/']

/** Asks the bucket whether it keeps versions, unless that is known already (in a worker thread). */
export async function openS3Store(
  options: S3Options,
  known: { versions?: boolean | undefined; signal?: AbortSignal | undefined },
): Promise<S3Store> {
  const connection = new S3Connection(options)
  const signal = known.signal ?? new AbortController().signal
  const versions = known.versions ?? (options.lock !== undefined || (await keepsVersions(connection, options, signal)))
  return new S3Store(options, connection, { versions, objectLock: options.lock !== undefined })
}

async function keepsVersions(connection: S3Connection, options: S3Options, signal: AbortSignal): Promise<boolean> {
  const call = { what: 'read the versioning of the bucket', signal }
  try {
    const answer = await connection.raw(call, (abortSignal) =>
      connection.client.send(new GetBucketVersioningCommand({ Bucket: options.bucket }), { abortSignal }),
    )
    // A bucket whose versioning was suspended still holds older versions.
    return answer.Status === 'Enabled' || answer.Status === 'Suspended'
  } catch (error) {
    // Who may not ask, or a server that knows no versions: then it is used without.
    if (statusOf(error) === 403 || statusOf(error) === 501 || statusOf(error) === 405) return false
    throw connection.fail(call, error)
  }
}

export class S3Store implements ObjectStore {
  readonly location: string
  readonly abilities: StoreAbilities
  readonly descriptor: StoreDescriptor
  readonly retention: ObjectStore['retention']
  readonly connection: S3Connection
  readonly options: S3Options

  constructor(options: S3Options, connection: S3Connection, abilities: StoreAbilities) {
    this.options = options
    this.connection = connection
    this.location = connection.location
    this.abilities = abilities
    const days = options.lock?.days
    this.retention = days === undefined ? undefined : { promisedMs: days * DAY_MS, slackMs: lockSlackMs(days) }
    this.descriptor = { kind: 's3', options, versions: abilities.versions }
  }

  private target(name: string, version?: string) {
    const Key = `${this.options.prefix}${requireObjectName(name)}`
    return { Bucket: this.options.bucket, Key, ...(version === undefined ? {} : { VersionId: version }) }
  }

  private listing(signal: AbortSignal): Listing {
    return { connection: this.connection, options: this.options, signal }
  }

  private async upload(name: string, options: PutOptions): Promise<UploadParts> {
    options.signal.throwIfAborted()
    requireObjectName(name)
    const { signal } = options
    const retainUntilMs = options.retainUntilMs ?? (await this.usualRetention(name, signal))
    return { connection: this.connection, options: this.options, name, signal, retainUntilMs }
  }

  /** Undefined where objects of that name get no lock. */
  private async usualRetention(name: string, signal: AbortSignal): Promise<number | undefined> {
    const { retention } = this
    if (!retention || UNLOCKED.some((prefix) => name.startsWith(prefix))) return undefined
    return (this.connection.roughNow() ?? (await this.now({ signal }))) + retention.promisedMs + retention.slackMs
  }

  async put(name: string, chunks: readonly Uint8Array[], options: PutOptions): Promise<void> {
    const upload = await this.upload(name, options)
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    if (bytes <= this.connection.limits.partBytes) {
      await putWhole(upload, Buffer.concat(chunks))
      return
    }
    const writer = new S3Writer(upload)
    try {
      for (const chunk of chunks) await writer.write(chunk)
      await writer.finish()
    } catch (error) {
      await writer.abandon()
      throw error
    }
  }

  async create(name: string, options: Omit<PutOptions, 'durable'>): Promise<ObjectWriter> {
    return new S3Writer(await this.upload(name, options))
  }

  async get(
    name: string,
    options: { signal: AbortSignal; offset?: number; length?: number; version?: string | undefined },
  ): Promise<Buffer> {
    const { signal, offset = 0, length, version } = options
    signal.throwIfAborted()
    if (length !== undefined && length <= 0) {
      if (!(await this.stat(name, options))) throw errors.objectMissing({ name, location: this.location })
      return Buffer.alloc(0)
    }
    const range =
      length !== undefined ? `bytes=${offset}-${offset + length - 1}` : offset > 0 ? `bytes=${offset}-` : undefined
    const input = { ...this.target(name, version), ...(range === undefined ? {} : { Range: range }) }
    const call = { what: `read ${name}`, signal, bytes: length ?? this.connection.limits.partBytes }
    try {
      return await this.connection.raw(call, async (abortSignal) =>
        bodyOf(await this.connection.client.send(new GetObjectCommand(input), { abortSignal }), abortSignal),
      )
    } catch (error) {
      // Past the end: there is nothing to give.
      if (statusOf(error) === 416) return Buffer.alloc(0)
      if (!isMissing(error)) throw this.connection.fail(call, error)
      const hidden = version === undefined ? await this.hidden(name, error, signal) : undefined
      if (hidden) return this.get(name, { ...options, version: hidden.version })
      throw errors.objectMissing({ name, location: this.location }, { cause: error })
    }
  }

  async stat(
    name: string,
    options: { signal: AbortSignal; version?: string | undefined },
  ): Promise<ObjectInfo | undefined> {
    const { signal, version } = options
    signal.throwIfAborted()
    const call = { what: `read ${name}`, signal }
    try {
      const found = await this.head(name, options)
      const known = this.abilities.versions ? found.VersionId : undefined
      return {
        name,
        bytes: found.ContentLength ?? 0,
        modifiedMs: wholeSeconds(found.LastModified),
        ...(known === undefined ? {} : { version: known }),
      }
    } catch (error) {
      if (!isMissing(error) && statusOf(error) !== 405) throw this.connection.fail(call, error)
      return version === undefined ? this.hidden(name, error, signal) : undefined
    }
  }

  private head(name: string, options: { signal: AbortSignal; version?: string | undefined }) {
    const input = this.target(name, options.version)
    return this.connection.raw({ what: `read ${name}`, signal: options.signal }, (abortSignal) =>
      this.connection.client.send(new HeadObjectCommand(input), { abortSignal }),
    )
  }

  /** The object that a delete marker hides. Our own removals leave no markers. */
  private async hidden(name: string, error: unknown, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    if (!this.abilities.versions || headerOf(error, 'x-amz-delete-marker') !== 'true') return undefined
    return this.original(name, signal)
  }

  /** What list() shows under that name. */
  private async original(name: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    for await (const one of listOriginals(name, this.listing(signal))) return one.name === name ? one : undefined
    return undefined
  }

  list(prefix: string, options: { signal: AbortSignal; after?: string | undefined }): AsyncGenerator<ObjectInfo> {
    const listing = { ...this.listing(options.signal), after: options.after }
    return this.abilities.versions ? listOriginals(prefix, listing) : listPlain(prefix, listing)
  }

  async *versions(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectVersion> {
    const listing = this.listing(options.signal)
    if (this.abilities.versions) yield* listVersions(prefix, listing)
    else
      for await (const one of listPlain(prefix, listing))
        yield { ...one, version: undefined, isLatest: true, isDeleteMarker: false }
  }

  async remove(name: string, options: { signal: AbortSignal; version?: string | undefined }): Promise<void> {
    const { signal } = options
    signal.throwIfAborted()
    requireObjectName(name)
    let version = this.abilities.versions ? options.version : undefined
    if (this.abilities.versions && version === undefined) {
      // Without a version the server would only lay a marker over it.
      version = (await this.original(name, signal))?.version
      if (version === undefined) return
    }
    const call = { what: `remove ${name}`, signal }
    try {
      await this.connection.raw(call, (abortSignal) =>
        this.connection.client.send(new DeleteObjectCommand(this.target(name, version)), { abortSignal }),
      )
    } catch (error) {
      if (isMissing(error)) return
      throw (await this.locked(name, { signal, version, cause: error })) ?? this.connection.fail(call, error)
    }
  }

  /** A refusal to remove because of a lock looks like any other refusal: the object tells. */
  private async locked(
    name: string,
    at: { signal: AbortSignal; version: string | undefined; cause: unknown },
  ): Promise<Error | undefined> {
    if (statusOf(at.cause) === undefined || statusOf(at.cause)! >= 500) return undefined
    const head = await this.head(name, at).catch(() => undefined)
    const until = head?.ObjectLockRetainUntilDate?.getTime()
    const isHeld = head?.ObjectLockLegalHoldStatus === 'ON'
    if (!isHeld && (until === undefined || until <= (await this.now(at)))) return undefined
    return errors.objectLocked(
      { name, location: this.location, until: isHeld || until === undefined ? undefined : formatTime(until) },
      { cause: at.cause },
    )
  }

  async retain(
    name: string,
    options: { signal: AbortSignal; version?: string | undefined; untilMs: number },
  ): Promise<void> {
    const { signal, untilMs } = options
    signal.throwIfAborted()
    requireObjectName(name)
    const { lock } = this.options
    if (!lock) return
    const version = options.version ?? (await this.original(name, signal))?.version
    if (version === undefined) throw errors.objectMissing({ name, location: this.location })
    const call = { what: `lengthen the lock of ${name}`, signal }
    try {
      const head = await this.head(name, { signal, version })
      const until = Math.ceil(untilMs / 1000) * 1000
      if ((head.ObjectLockRetainUntilDate?.getTime() ?? 0) >= until) return
      const Retention = {
        Mode: lock.mode === 'compliance' ? ('COMPLIANCE' as const) : ('GOVERNANCE' as const),
        RetainUntilDate: new Date(until),
      }
      await this.connection.raw(call, (abortSignal) =>
        this.connection.client.send(new PutObjectRetentionCommand({ ...this.target(name, version), Retention }), {
          abortSignal,
        }),
      )
    } catch (error) {
      if (isMissing(error)) throw errors.objectMissing({ name, location: this.location }, { cause: error })
      throw this.connection.fail(call, error)
    }
  }

  async barrier(options: { signal: AbortSignal }): Promise<void> {
    options.signal.throwIfAborted()
  }

  /** From the Date of an answer, whatever it says otherwise; to the second, as the times of objects. */
  async now(options: { signal: AbortSignal }): Promise<number> {
    options.signal.throwIfAborted()
    let date: number | undefined
    const call = { what: 'read the clock', signal: options.signal }
    await this.connection.call(call, async (abortSignal) => {
      const command = new HeadObjectCommand(this.target('format'))
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args)
          date = dateOf(result.response) ?? date
          return result
        },
        { step: 'deserialize', priority: 'low', name: 'wharfNow' },
      )
      try {
        await this.connection.client.send(command, { abortSignal })
      } catch (error) {
        if (date === undefined) throw error
      }
    })
    if (date === undefined) throw this.connection.fail(call, new Error('its answers carry no Date'))
    return date
  }

  requireFit(options: { signal: AbortSignal }): Promise<void> {
    return requireFitBucket(this, options.signal)
  }
}

/**
 * Objects get a quarter more than the days that are asked for (a day at least): then what a backup shares with older ones needs its lock
 * lengthened once in so many days and not by each backup.
 */
export function lockSlackMs(days: number): number {
  return Math.max(DAY_MS, (days * DAY_MS) / 4)
}

async function bodyOf(answer: GetObjectCommandOutput, signal: AbortSignal): Promise<Buffer> {
  const stream = answer.Body as Readable
  const stop = () => stream.destroy(new TornAnswer('it stopped in the middle of an answer'))
  signal.addEventListener('abort', stop, { once: true })
  try {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    if (answer.ContentLength !== undefined && bytes.length !== answer.ContentLength)
      throw new TornAnswer(`an answer had ${bytes.length} of ${answer.ContentLength} bytes`)
    return bytes
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
