// The same suites as s3.test.ts over buckets of a server that we did not write: what holds our own test server to the protocol as others speak it.
// Run by `npm run accept -- other-s3`; where the server is: S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY (an account that may make buckets).
import { test, type TestContext } from 'node:test'

import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'

import { isWharfError, messageOf } from '../../src/base/errors.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { ObjectStore } from '../../src/repository/contract.ts'
import type { S3Options } from '../../src/repository/store/s3/options.ts'
import { openStore } from '../../src/repository/stores.ts'
import { storeSuite } from './store-suite.ts'
import { retentionSuite, versionsSuite } from './versions-suite.ts'

const { S3_ENDPOINT: endpoint, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = process.env
const credentials = { accessKeyId: S3_ACCESS_KEY_ID!, secretAccessKey: S3_SECRET_ACCESS_KEY! }
const at = { signal: new AbortController().signal }
const client = new S3Client({ endpoint: endpoint!, region: 'us-east-1', forcePathStyle: true, credentials })
/** Amazon and Ceph take no smaller parts than 5 MiB but for the last. */
const limits = { partBytes: 5 << 20, retryMs: 20_000, firstDelayMs: 50, idleMs: 20_000 }

async function makeBucket(t: TestContext, has: { versions?: boolean; lock?: boolean }): Promise<string> {
  const bucket = `wharf-${systemRandom.bytes(6).toString('hex')}`
  await client.send(
    new CreateBucketCommand({ Bucket: bucket, ...(has.lock ? { ObjectLockEnabledForBucket: true } : {}) }),
  )
  const VersioningConfiguration = { Status: 'Enabled' as const }
  if (has.versions) await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }))
  t.after(async () => {
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    assert.deepEqual(Uploads ?? [], [], 'no parts are left behind')
    // What is locked stays: the server is thrown away afterwards, or its owner cleans up.
    if (!has.lock) await emptyBucket(bucket)
  })
  return bucket
}

async function emptyBucket(bucket: string): Promise<void> {
  const listed = await client.send(new ListObjectVersionsCommand({ Bucket: bucket }))
  for (const { Key, VersionId } of [...(listed.Versions ?? []), ...(listed.DeleteMarkers ?? [])])
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }))
  if (listed.IsTruncated) await emptyBucket(bucket)
  else await client.send(new DeleteBucketCommand({ Bucket: bucket }))
}

const opener =
  (t: TestContext, has: { versions?: boolean; lock?: boolean }, more: Partial<S3Options> = {}) =>
  async (): Promise<{ store: ObjectStore; again: () => Promise<ObjectStore> }> => {
    const bucket = await makeBucket(t, has)
    const base = { bucket, prefix: 'some/where/', endpoint, region: 'us-east-1', pathStyle: true, credentials, limits }
    const again = () => openStore({ kind: 's3', options: { ...base, ...more } })
    return { store: await again(), again }
  }

/** Suites for buckets of one kind. A server that overwrites in such buckets may not be used with them, and the store has to say so. */
async function suites(t: TestContext, has: { versions?: boolean; lock?: boolean }, more: Partial<S3Options> = {}) {
  const open = opener(t, has, more)
  const { store } = await open()
  const refusal: unknown = await store.requireFit?.(at).then(
    () => undefined,
    (error: unknown) => error,
  )
  // Where everything is locked only retention can be looked at: the suites clean up.
  if (refusal === undefined) return has.lock ? await retentionSuite(t, open) : await storeSuite(t, open)
  assert.ok(isWharfError(refusal, 'repository.overwrites'), messageOf(refusal))
  t.diagnostic(`refused: ${messageOf(refusal)}`)
  if (!has.lock) await versionsSuite(t, open)
  await retentionSuite(t, open)
}

test('bucket', (t) => suites(t, {}))

test('bucket with versions, at its root', (t) => suites(t, { versions: true }, { prefix: '' }))

for (const mode of ['compliance', 'governance'] as const)
  test(`bucket with object lock (${mode})`, (t) => suites(t, { lock: true }, { lock: { mode, days: 1 } }))
