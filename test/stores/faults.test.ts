// Backups and WAL into buckets whose server fails: each kind of fault once by name, and some at random (`npm run accept -- store-faults`).
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { openStore } from '../../src/repository/stores.ts'
import { S3Server, type S3Fault } from '../support/s3/server.ts'
import { faultCase } from './faults.ts'
import { quick } from './world.ts'

const signal = new AbortController().signal
const at = { signal }
const limits = { ...quick, idleMs: 400, retryMs: 1500 }
const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e6))
const CASES = 6

/** Answers that come to nothing, or got lost after all was done: a put goes on to its one right end. */
const passing: readonly S3Fault[] = [
  { kind: 'status', status: 503, code: 'SlowDown' },
  { kind: 'status', status: 500, code: 'InternalError' },
  { kind: 'status', status: 409, code: 'ConditionalRequestConflict' },
  { kind: 'reset', done: false },
  { kind: 'reset', done: true },
  { kind: 'hang', done: false },
  { kind: 'hang', done: true },
  { kind: 'error-in-200', done: false },
  { kind: 'error-in-200', done: true },
]
for (const fault of passing)
  test(`${JSON.stringify(fault)}: what is put small, or in parts, is there once and whole`, async () => {
    await using server = await S3Server.start()
    const options = server.place({ versioning: true, limits })
    const store = await openStore({ kind: 's3', options })
    const isForParts = fault.kind === 'error-in-200'
    const faulty = isForParts
      ? ['CompleteMultipartUpload']
      : ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload']
    server.faults = (operation, _key, count) => (faulty.includes(operation) && count === 0 ? fault : undefined)
    const large = Buffer.alloc(3 * limits.partBytes + 7, 'large')
    await store.put('small', [Buffer.from('small')], at)
    await store.put('large', [large], at)
    assert.equal((await store.get('small', at)).toString(), 'small')
    assert.ok((await store.get('large', at)).equals(large))
    const bucket = server.buckets.get(options.bucket)!
    for (const versions of bucket.objects.values()) assert.equal(versions.length, 1, 'once')
    await assert.rejects(store.put('large', [large], at), (error) => isWharfError(error, 'repository.object-exists'))
  })

test('a body that is torn is asked for again; an upload that fails leaves neither parts nor an object', async () => {
  await using server = await S3Server.start()
  const options = server.place({ limits })
  const store = await openStore({ kind: 's3', options })
  const large = Buffer.alloc(3 * limits.partBytes, 'x')
  await store.put('there', [large], at)
  server.faults = (operation, _key, count) =>
    operation === 'GetObject' && count === 0 ? { kind: 'torn', bytes: 100 } : undefined
  assert.ok((await store.get('there', at)).equals(large))
  for (const operation of ['UploadPart', 'CompleteMultipartUpload'] as const) {
    server.faults = (one) => (one === operation ? { kind: 'status', status: 500, code: 'InternalError' } : undefined)
    await assert.rejects(store.put('never', [large], at), (error) => {
      assert.ok(isWharfError(error, 'repository.unreachable'), String(error))
      assert.equal(
        error.hint,
        'check endpoint, network and the state of the server; what was begun goes on when it is back',
      )
      return error.passing
    })
    assert.equal(await store.stat('never', at), undefined)
    assert.equal(server.buckets.get(options.bucket)!.uploads.size, 0)
  }
})

test('refusals say what to do: no bucket, wrong key, expired token, no right', async () => {
  await using server = await S3Server.start()
  const options = server.place({ limits })
  const open = (more: object) => openStore({ kind: 's3', options: { ...options, ...more } })
  const none = { ...options, bucket: 'nowhere' }
  await assert.rejects(
    openStore({ kind: 's3', options: none }),
    (error) =>
      isWharfError(error, 'repository.no-bucket') &&
      error.message === 'the bucket of s3://nowhere/some/where does not exist',
  )
  const wrong = { accessKeyId: 'AKIDTEST', secretAccessKey: 'wrong' }
  await assert.rejects((await open({})).put('a', [], { signal: AbortSignal.abort(new Error('stop')) }), /stop/)
  for (const credentials of [wrong, { ...wrong, accessKeyId: 'OTHER' }])
    await assert.rejects(
      (async () =>
        (await openStore({ kind: 's3', options: { ...options, credentials }, versions: false })).put('a', [], at))(),
      (error) => isWharfError(error, 'repository.bad-credentials'),
    )
  server.faults = (operation) =>
    operation === 'PutObject' ? { kind: 'status', status: 403, code: 'AccessDenied' } : undefined
  await assert.rejects(
    (await open({})).put('a', [], at),
    (error) =>
      isWharfError(error, 'repository.denied') &&
      error.message === `no right to write a in s3://${options.bucket}/some/where`,
  )
})

test(`${CASES} cases at random: complete, or not listed (seed ${seed})`, async () => {
  let complete = 0
  for (let number = 0; number < CASES; number++) complete += (await faultCase(seed, number)).complete
  assert.ok(complete > 0, 'some go well')
})
