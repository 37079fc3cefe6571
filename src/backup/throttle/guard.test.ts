// The guard against a server whose latency the test decides; time is the test's own.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Clock } from '../../base/clock.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import { Bucket, newBucket } from './bucket.ts'
import { describeGuard, ForegroundGuard, nextRate } from './guard.ts'

const MB = 1_048_576

class World {
  at = 0
  latencyMs = 1
  readonly clock: Clock = {
    now: () => this.at,
    monotonic: () => this.at,
    sleep: async (ms, signal) => {
      await new Promise<void>((done) => setImmediate(done))
      signal?.throwIfAborted()
      this.at += ms
    },
  }
  readonly warehouse = {
    connect: () =>
      Promise.resolve({
        query: () => {
          this.at += this.latencyMs
          return Promise.resolve([])
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  } as unknown as Warehouse

  async until(holds: () => boolean): Promise<void> {
    for (let turn = 0; !holds(); turn++) {
      assert.ok(turn < 20_000, 'it never came to that')
      await new Promise<void>((done) => setImmediate(done))
    }
  }
}

void test('reading goes down to the floor while the server is slow, and up to no limit again when it is not', async () => {
  const world = new World()
  const bucket = newBucket(undefined)
  const policy = {
    query: 'q',
    targetMs: undefined,
    factor: 2,
    floorBytesPerSecond: 4 * MB,
    ceilingBytesPerSecond: undefined,
  }
  const signal = new AbortController().signal
  // As fast as it may: 100 MB/s where nothing holds it.
  const bytesRead = (): number => world.at * 100_000
  await using guard = await ForegroundGuard.begin({
    clock: world.clock,
    warehouse: world.warehouse,
    policy,
    bucket,
    bytesRead,
    signal,
  })
  assert.equal(guard.state.baselineMs, 1)
  await new Promise<void>((done) => setImmediate(done))
  assert.equal(guard.note, undefined)
  assert.equal(new Bucket(bucket).take(1e9, world.at), 0)
  world.latencyMs = 3
  await world.until(() => guard.state.rate === 4 * MB)
  assert.equal(guard.note, 'held back to 4.0 MB/s: the server answers slowly')
  assert.equal(guard.state.lowestRate, 4 * MB)
  const waited = new Bucket(bucket).take(MB, world.at) + new Bucket(bucket).take(MB, world.at)
  assert.ok(waited > 0)
  world.latencyMs = 1
  await world.until(() => guard.state.rate === undefined)
  assert.equal(guard.note, undefined)
  assert.match(
    describeGuard(guard.state)!,
    /^held back \d+ times, down to 4\.0 MB\/s: the probe took up to 3\.0 ms, 1\.0 ms before the backup$/,
  )
})

void test('the next rate is never below the floor nor above the ceiling', () => {
  const limits = { floorBytesPerSecond: 10, ceilingBytesPerSecond: 1000 }
  assert.equal(nextRate({ rate: 1000, measured: 400, slow: true }, limits), 200)
  assert.equal(nextRate({ rate: 12, measured: 4, slow: true }, limits), 10)
  assert.equal(nextRate({ rate: 900, measured: 900, slow: false }, limits), 1000)
  assert.equal(
    nextRate({ rate: undefined, measured: 400, slow: true }, { ...limits, ceilingBytesPerSecond: undefined }),
    200,
  )
  assert.equal(
    nextRate({ rate: 500, measured: 20, slow: false }, { ...limits, ceilingBytesPerSecond: undefined }),
    undefined,
  )
})
