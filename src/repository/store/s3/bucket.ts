// What a bucket must be like before a repository is made in it.
import {
  DeleteObjectCommand,
  GetObjectLockConfigurationCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type GetObjectLockConfigurationCommandOutput,
} from '@aws-sdk/client-s3'

import { systemRandom } from '../../../base/random.ts'
import type { ObjectStore } from '../../contract.ts'
import { storeErrors as errors } from '../../store-errors.ts'
import type { S3Connection } from './connection.ts'
import { isTaken, statusOf } from './failures.ts'
import type { S3Options } from './options.ts'

/** Names of probes have a dot in front: they are no objects, so a probe that was left behind disturbs nobody. */
export const PROBE_FOLDER = '.wharf-probe/'

type Place = Pick<ObjectStore, 'location'> & { readonly connection: S3Connection; readonly options: S3Options }

export interface BucketLock {
  readonly enabled: boolean
  /** `COMPLIANCE, 30 days` where every new object would get one. */
  readonly defaultRetention: string | undefined
}

/** Undefined where the server will not say. */
export async function readBucketLock(place: Place, signal: AbortSignal): Promise<BucketLock | undefined> {
  const { connection, options } = place
  const call = { what: 'read the lock of the bucket', signal }
  let answer: GetObjectLockConfigurationCommandOutput
  try {
    answer = await connection.raw(call, (abortSignal) =>
      connection.client.send(new GetObjectLockConfigurationCommand({ Bucket: options.bucket }), { abortSignal }),
    )
  } catch (error) {
    const status = statusOf(error)
    if (status === 404) return { enabled: false, defaultRetention: undefined }
    if (status === 403 || status === 405 || status === 501) return undefined
    throw connection.fail(call, error)
  }
  const configuration = answer.ObjectLockConfiguration
  const usual = configuration?.Rule?.DefaultRetention
  const span =
    usual?.Days !== undefined ? `${usual.Days} days` : usual?.Years !== undefined ? `${usual.Years} years` : ''
  return {
    enabled: configuration?.ObjectLockEnabled === 'Enabled',
    defaultRetention: usual?.Mode === undefined ? undefined : `${usual.Mode}, ${span}`,
  }
}

/** Whether a put of a taken name is refused. Leaves nothing behind unless it is killed in between. */
export async function keepsFirst(place: Place, signal: AbortSignal): Promise<boolean> {
  const { connection, options } = place
  const Key = `${options.prefix}${PROBE_FOLDER}${systemRandom.bytes(12).toString('hex')}`
  const target = { Bucket: options.bucket, Key }
  const put = (Body: string) =>
    connection.raw({ what: 'write a probe', signal }, (abortSignal) =>
      connection.client.send(new PutObjectCommand({ ...target, Body, IfNoneMatch: '*' }), { abortSignal }),
    )
  try {
    await put('first').catch((error: unknown) => {
      // A try whose answer was lost may have been the first.
      if (!isTaken(error)) throw error
    })
    try {
      await put('second')
      return false
    } catch (error) {
      if (isTaken(error)) return true
      throw error
    }
  } catch (error) {
    if (statusOf(error) === 501 || statusOf(error) === 400) return false
    throw connection.fail({ what: 'write a probe', signal }, error)
  } finally {
    await removeProbe(place, Key, signal).catch(() => {})
  }
}

async function removeProbe({ connection, options }: Place, Key: string, signal: AbortSignal): Promise<void> {
  const { client } = connection
  const found = await client
    .send(new ListObjectVersionsCommand({ Bucket: options.bucket, Prefix: Key }), { abortSignal: signal })
    .catch(() => undefined)
  const versions = [...(found?.Versions ?? []), ...(found?.DeleteMarkers ?? [])].map((one) => one.VersionId)
  for (const VersionId of versions.length === 0 ? [undefined] : versions)
    await client.send(new DeleteObjectCommand({ Bucket: options.bucket, Key, VersionId }), { abortSignal: signal })
}

/** Rejects with `repository.overwrites`, `.default-retention`, `.no-object-lock`. */
export async function requireFitBucket(place: Place, signal: AbortSignal): Promise<void> {
  const { location, options } = place
  const lock = await readBucketLock(place, signal)
  if (lock?.defaultRetention !== undefined)
    throw errors.defaultRetention({ location, retention: lock.defaultRetention })
  if (options.lock !== undefined && lock?.enabled !== true) throw errors.noObjectLock({ location })
  if (!(await keepsFirst(place, signal))) throw errors.overwrites({ location })
}
