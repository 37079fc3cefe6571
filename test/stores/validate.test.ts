// `wharf repository validate-store` against servers that are right, and against servers that are wrong in one way each.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import type { ObjectStore } from '../../src/repository/contract.ts'
import { openStore } from '../../src/repository/stores.ts'
import { validateStore, type ValidationCheck } from '../../src/repository/validate/validate.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { S3Server, type PlaceOptions, type S3ServerOptions } from '../support/s3/server.ts'
import { quick } from './world.ts'

const signal = new AbortController().signal
/** Does not wait for locks to end: `sleep` moves the server's clock instead. */
async function validate(server: S3Server, place: PlaceOptions): Promise<ValidationCheck[]> {
  const store = await openStore({
    kind: 's3',
    options: server.place({ limits: { ...quick, partBytes: 8 << 20 }, ...place }),
  })
  const sleep = (ms: number) => Promise.resolve(void (server.skewMs += ms))
  return await validateStore({ store, clock: { ...systemClock, sleep }, signal })
}

const failed = (checks: readonly ValidationCheck[]) =>
  checks.filter((one) => one.result === 'failed').map((one) => one.check)

test('a bucket with lock, one with versions, a plain one and a folder pass, and nothing is left', async (t) => {
  await using server = await S3Server.start({ pageSize: 10 })
  for (const place of [{ lock: { mode: 'compliance', days: 30 } }, { versioning: true }, {}] as PlaceOptions[]) {
    const checks = await validate(server, place)
    assert.deepEqual(failed(checks), [], JSON.stringify(checks))
    assert.equal(
      checks.find((one) => one.check === 'versions')!.result,
      Object.keys(place).length > 0 ? 'passed' : 'warning',
    )
    assert.equal(checks.find((one) => one.check === 'object-lock')!.result, place.lock ? 'passed' : 'skipped')
  }
  for (const bucket of server.buckets.values())
    assert.equal(bucket.objects.size, 0, [...bucket.objects.keys()].join(' '))
  const path = await mkdtemp(join(tmpdir(), 'wharf-validate-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  const checks = await validateStore({ store: await openStore({ kind: 'file', path }), clock: systemClock, signal })
  assert.deepEqual(failed(checks), [])
  assert.deepEqual(
    (await readdir(path, { recursive: true, withFileTypes: true })).filter((one) => one.isFile()),
    [],
  )
})

const wrongs: Readonly<
  Record<
    string,
    { server?: S3ServerOptions; place?: PlaceOptions; bend?: (server: S3Server) => void; failed: string[] }
  >
> = {
  'puts over old objects': {
    server: { conditionalPuts: false },
    failed: ['bucket', 'conditional-put', 'race', 'multipart'],
  },
  'locks everything': {
    place: { lock: true, defaultRetention: { mode: 'GOVERNANCE', days: 1 } },
    failed: ['bucket', 'listing', 'consistency', 'versions'],
  },
  'lists late': { bend: (server) => void (server.listLagMs = 60_000), failed: ['listing'] },
  'loses what it confirmed': {
    bend: (server) =>
      void (server.faults = (operation, key) =>
        operation === 'PutObject' && key.endsWith('/race') ? { kind: 'lost' } : undefined),
    failed: ['race'],
  },
  'tears what it confirmed': {
    bend: (server) =>
      void (server.faults = (operation, key) =>
        operation === 'PutObject' && key.endsWith('/ranges') ? { kind: 'short', bytes: 5 } : undefined),
    failed: ['read-back'],
  },
  'says 200 and means no': {
    bend: (server) =>
      void (server.faults = (operation) =>
        operation === 'CompleteMultipartUpload' ? { kind: 'error-in-200', done: false } : undefined),
    failed: ['multipart'],
  },
}
for (const [what, wrong] of Object.entries(wrongs))
  test(`a server that ${what} is found`, async () => {
    await using server = await S3Server.start(wrong.server)
    wrong.bend?.(server)
    const checks = await validate(server, wrong.place ?? {})
    assert.deepEqual(failed(checks), wrong.failed, JSON.stringify(checks))
  })

test('a clock that is off is a warning; a store that is away is one failure', async () => {
  await using server = await S3Server.start()
  server.skewMs = -3_600_000
  const clock = (await validate(server, {})).find((one) => one.check === 'clock')!
  assert.equal(clock.result, 'warning')
  assert.match(
    clock.what,
    /^the clock of the store is 36\d\d\.\d s behind ours: leases use the store's, people see both$/,
  )
  const path = join(tmpdir(), 'wharf-validate-none')
  const away: ObjectStore = new FaultyStore(await openStore({ kind: 'file', path }), () => undefined)
  const checks = await validateStore({ store: away, clock: systemClock, signal })
  assert.deepEqual(checks, [{ check: 'reach', result: 'failed', what: `cannot reach file:${path}: no such folder` }])
})
