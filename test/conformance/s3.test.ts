// The conformance suites over buckets: without versions, with versions, with object lock, in small pages.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { ObjectStore } from '../../src/repository/contract.ts'
import { openStore } from '../../src/repository/stores.ts'
import { S3Server, type PlaceOptions, type S3ServerOptions } from '../support/s3/server.ts'
import { storeSuite } from './store-suite.ts'
import { retentionSuite } from './versions-suite.ts'

/** Small parts: objects of a test go in several. */
const limits = { partBytes: 64 * 1024, retryMs: 5000, firstDelayMs: 10, idleMs: 5000 }

async function opener(
  t: TestContext,
  place: PlaceOptions,
  server: S3ServerOptions = {},
): Promise<() => Promise<{ store: ObjectStore; again: () => Promise<ObjectStore> }>> {
  const s3 = await S3Server.start(server)
  t.after(() => s3[Symbol.asyncDispose]())
  t.after(() => {
    for (const bucket of s3.buckets.values()) assert.deepEqual(bucket.overwritten, [], 'nothing was ever overwritten')
    for (const bucket of s3.buckets.values()) assert.equal(bucket.uploads.size, 0, 'no parts are left behind')
  })
  return async () => {
    const options = s3.place({ limits, ...place })
    const again = () => openStore({ kind: 's3', options })
    return { store: await again(), again }
  }
}

test('bucket', async (t) => storeSuite(t, await opener(t, {})))

test('bucket with versions, at its root, in pages of three', async (t) =>
  storeSuite(t, await opener(t, { versioning: true, prefix: '' }, { pageSize: 3 })))

test('bucket, session token, pages of two', async (t) => {
  const account = { accessKeyId: 'AKIDTOKEN', secretAccessKey: 'x', sessionToken: 'token/with+signs==' }
  await storeSuite(t, await opener(t, {}, { pageSize: 2, accounts: [account] }))
})

for (const mode of ['compliance', 'governance'] as const)
  test(`bucket with object lock (${mode})`, async (t) =>
    retentionSuite(t, await opener(t, { lock: { mode, days: 1 } })))
