// Putting objects that are new: at once, or in parts. Nothing is ever put over another object: every put says If-None-Match.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type ServerSideEncryption,
  type StorageClass,
} from '@aws-sdk/client-s3'
import { crc32c } from '@node-rs/crc32'
import { createHash } from 'node:crypto'

import { timeLimit } from '../../../base/clock.ts'
import { systemRandom } from '../../../base/random.ts'
import type { ObjectWriter } from '../../contract.ts'
import { storeErrors as errors } from '../../store-errors.ts'
import type { S3Connection } from './connection.ts'
import { isMissing, isTaken, mayPass, nameOf } from './failures.ts'
import type { S3Options } from './options.ts'

/** Uploads of one object that are under way at a time. */
const PARTS_AT_ONCE = 3
/** In the metadata of every object: tells our own put, whose answer was lost, from somebody else's. */
const PUT_ID = 'wharf-put'
const ABORT_MS = 30_000
const OTHER_BYTES = 'the server stored other bytes than were sent'

export interface UploadParts {
  readonly connection: S3Connection
  readonly options: S3Options
  /** Without the prefix, for messages. */
  readonly name: string
  readonly signal: AbortSignal
  /** Undefined: the object gets no lock. */
  readonly retainUntilMs: number | undefined
}

interface Checksums {
  readonly ChecksumCRC32C: string
  readonly ContentMD5?: string
}

export function crcOf(bytes: Uint8Array): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32c(bytes))
  return sum.toString('base64')
}

function checksumsOf(bytes: Uint8Array, isLocked: boolean): Checksums {
  const ChecksumCRC32C = crcOf(bytes)
  // Older servers want MD5 with every lock.
  return isLocked
    ? { ChecksumCRC32C, ContentMD5: createHash('md5').update(bytes).digest('base64') }
    : { ChecksumCRC32C }
}

/** Lock, encryption, class and metadata of a new object. */
function newObject({ options, retainUntilMs }: UploadParts, putId: string) {
  const { encryption, storageClass, lock } = options
  return {
    Metadata: { [PUT_ID]: putId },
    ...(encryption === undefined ? {} : { ServerSideEncryption: encryption.by as ServerSideEncryption }),
    ...(encryption?.keyId === undefined ? {} : { SSEKMSKeyId: encryption.keyId }),
    ...(storageClass === undefined ? {} : { StorageClass: storageClass as StorageClass }),
    ...(retainUntilMs === undefined || lock === undefined
      ? {}
      : {
          ObjectLockMode: lock.mode === 'compliance' ? ('COMPLIANCE' as const) : ('GOVERNANCE' as const),
          ObjectLockRetainUntilDate: new Date(Math.ceil(retainUntilMs / 1000) * 1000),
        }),
  }
}

function target({ options, name }: UploadParts) {
  return { Bucket: options.bucket, Key: `${options.prefix}${name}` }
}

/** Puts small objects in one call. Rejects with `repository.object-exists`. */
export async function putWhole(parts: UploadParts, body: Buffer): Promise<void> {
  const { connection, signal, name } = parts
  const putId = systemRandom.bytes(16).toString('hex')
  const command = {
    ...target(parts),
    ...newObject(parts, putId),
    ...checksumsOf(body, parts.retainUntilMs !== undefined),
    Body: body,
    ContentLength: body.length,
    IfNoneMatch: '*',
  }
  const call = { what: `write ${name}`, signal, bytes: body.length }
  await onlyOnce(parts, putId, () =>
    connection.raw(call, async (abortSignal) => {
      const { ChecksumCRC32C: stored } = await connection.client.send(new PutObjectCommand(command), { abortSignal })
      if (stored !== undefined && stored !== command.ChecksumCRC32C) throw new Error(OTHER_BYTES)
    }),
  )
}

/**
 * A put whose answer got lost may have taken effect; then the next try finds the name taken, by ourselves. `work` tries again by itself, so
 * whenever it finds the name taken the object says whose it is.
 */
async function onlyOnce(parts: UploadParts, putId: string, work: () => Promise<unknown>): Promise<void> {
  const { connection, name, signal } = parts
  const call = { what: `write ${name}`, signal }
  try {
    await work()
  } catch (error) {
    const lostItsUpload = nameOf(error) === 'NoSuchUpload'
    if (!isTaken(error) && !lostItsUpload) throw connection.fail(call, error)
    if ((await putIdOf(parts)) === putId) return
    if (lostItsUpload) throw connection.fail(call, error)
    throw errors.objectExists({ name, location: connection.location }, { cause: error })
  }
}

async function putIdOf(parts: UploadParts): Promise<string | undefined> {
  const { connection, signal, name } = parts
  try {
    const call = { what: `read ${name}`, signal }
    const head = await connection.raw(call, (abortSignal) =>
      connection.client.send(new HeadObjectCommand(target(parts)), { abortSignal }),
    )
    return head.Metadata?.[PUT_ID]
  } catch (error) {
    if (isMissing(error)) return undefined
    throw connection.fail({ what: `read ${name}`, signal }, error)
  }
}

/** Streams an object: in one call where it is small, else in parts. Holds up to four parts in memory. */
export class S3Writer implements ObjectWriter {
  private readonly parts: UploadParts
  private readonly putId = systemRandom.bytes(16).toString('hex')
  private part: Buffer | undefined
  private filled = 0
  private uploadId: string | undefined
  private readonly done: CompletedPart[] = []
  private readonly underWay = new Set<Promise<void>>()
  private failure: unknown
  private state: 'open' | 'finished' | 'gone' = 'open'

  constructor(parts: UploadParts) {
    this.parts = parts
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.parts.signal.throwIfAborted()
    const { partBytes } = this.parts.connection.limits
    for (let at = 0; at < chunk.length;) {
      this.part ??= Buffer.allocUnsafeSlow(partBytes)
      const length = Math.min(chunk.length - at, partBytes - this.filled)
      this.part.set(chunk.subarray(at, at + length), this.filled)
      this.filled += length
      at += length
      if (this.filled === partBytes) await this.flush()
    }
  }

  /** Sends the part at hand; waits while as many as may are under way. */
  private async flush(): Promise<void> {
    const body = this.part!.subarray(0, this.filled)
    this.part = undefined
    this.filled = 0
    this.uploadId ??= await this.begin()
    const number = this.done.push({}) // its place is taken, so that parts stay in order
    const sending = this.send(number, body)
      .catch((error: unknown) => {
        this.failure ??= error
      })
      .finally(() => this.underWay.delete(sending))
    this.underWay.add(sending)
    if (this.underWay.size >= PARTS_AT_ONCE) await Promise.race(this.underWay)
    if (this.failure !== undefined) throw this.failure
  }

  private async begin(): Promise<string> {
    const { connection, signal, name } = this.parts
    const command = {
      ...target(this.parts),
      ...newObject(this.parts, this.putId),
      ChecksumAlgorithm: 'CRC32C' as const,
    }
    const { UploadId } = await connection.call({ what: `write ${name}`, signal }, (abortSignal) =>
      connection.client.send(new CreateMultipartUploadCommand(command), { abortSignal }),
    )
    if (UploadId === undefined || UploadId === '')
      throw connection.fail({ what: `write ${name}`, signal }, new Error('the server gave no id for the upload'))
    return UploadId
  }

  private async send(number: number, body: Buffer): Promise<void> {
    const { connection, signal, name, retainUntilMs } = this.parts
    const sums = checksumsOf(body, retainUntilMs !== undefined)
    const command = {
      ...target(this.parts),
      ...sums,
      UploadId: this.uploadId,
      PartNumber: number,
      Body: body,
      ContentLength: body.length,
    }
    const call = { what: `write part ${number} of ${name}`, signal, bytes: body.length }
    const { ETag, ChecksumCRC32C } = await connection.call(call, (abortSignal) =>
      connection.client.send(new UploadPartCommand(command), { abortSignal }),
    )
    if (ChecksumCRC32C !== undefined && ChecksumCRC32C !== sums.ChecksumCRC32C)
      throw connection.fail(call, new Error(OTHER_BYTES))
    this.done[number - 1] = {
      PartNumber: number,
      ETag,
      ...(ChecksumCRC32C === undefined ? {} : { ChecksumCRC32C }),
    }
  }

  async finish(): Promise<void> {
    const { name, signal } = this.parts
    if (this.state !== 'open') throw new Error(`finish() of ${name} called twice or after abandon()`)
    signal.throwIfAborted()
    this.state = 'finished'
    if (this.uploadId === undefined) {
      await putWhole(this.parts, this.part?.subarray(0, this.filled) ?? Buffer.alloc(0))
      return
    }
    try {
      if (this.filled > 0) await this.flush()
      await Promise.all(this.underWay)
      if (this.failure !== undefined) throw this.failure
      await this.complete()
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  /** The answer may be 200 and hold an error all the same: the library tells, and an answer without an ETag is none. */
  private async complete(): Promise<void> {
    const { connection, signal, name } = this.parts
    const command = {
      ...target(this.parts),
      UploadId: this.uploadId,
      MultipartUpload: { Parts: this.done },
      IfNoneMatch: '*',
    }
    await onlyOnce(this.parts, this.putId, () =>
      connection.raw({ what: `write ${name}`, signal }, async (abortSignal) => {
        const answer = await connection.client.send(new CompleteMultipartUploadCommand(command), { abortSignal })
        if (answer.ETag === undefined)
          throw Object.assign(new Error('the server did not confirm the upload'), { name: 'InternalError' })
      }),
    )
  }

  async abandon(): Promise<void> {
    if (this.state !== 'open') return
    this.state = 'gone'
    this.part = undefined
    if (this.uploadId !== undefined) await this.abort()
  }

  /** Gives the parts back. A part that is still being sent would survive: they are waited for. Never rejects. */
  private async abort(): Promise<void> {
    const { connection, name } = this.parts
    await Promise.allSettled(this.underWay)
    const call = { what: `give up ${name}`, signal: timeLimit(ABORT_MS) }
    await connection
      .raw(call, (abortSignal) =>
        connection.client.send(new AbortMultipartUploadCommand({ ...target(this.parts), UploadId: this.uploadId }), {
          abortSignal,
        }),
      )
      .catch((error: unknown) => void mayPass(error))
  }
}
