// The bucket against its promise, over any sequence of reads: never more than rate × time + burst + what one thread reads at a time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

import fc from 'fast-check'

import { Bucket, newBucket, setRate } from './bucket.ts'

const BURST_SECONDS = 0.1

void test('in any stretch of time no more is read than the rate allows, and a reader that keeps up never waits', () => {
  const reads = fc.array(
    fc.record({ bytes: fc.integer({ min: 0, max: 1_048_576 }), pauseMs: fc.double({ min: 0, max: 300, noNaN: true }) }),
    { minLength: 1, maxLength: 60 },
  )
  fc.assert(
    fc.property(fc.integer({ min: 10_000, max: 500_000_000 }), reads, (rate, all) => {
      const bucket = new Bucket(newBucket(rate))
      const done: { at: number; bytes: number }[] = []
      let now = 1_000_000
      let ahead = 0
      for (const { bytes, pauseMs } of all) {
        now += pauseMs
        const wait = bucket.take(bytes, now)
        ahead = Math.max(0, ahead - (pauseMs / 1000) * rate)
        // Nobody waits longer than what was read before takes at the rate.
        assert.ok(wait <= (ahead / rate) * 1000 + 1, `waits ${wait} ms with ${ahead} bytes ahead`)
        ahead += bytes
        done.push({ at: now + wait, bytes })
      }
      for (const [first, start] of done.entries()) {
        let bytes = 0
        for (const [index, { at }] of done.entries()) {
          if (index < first) continue
          // The read that begins at the end of the stretch is not over yet.
          const allowed = rate * ((at - start.at) / 1000 + BURST_SECONDS) + done[first]!.bytes
          assert.ok(
            bytes <= allowed * 1.001 + 2 * (index - first + 1) * (rate / 1e6) + 1,
            `${bytes} bytes, ${allowed} allowed`,
          )
          bytes += done[index]!.bytes
        }
      }
    }),
  )
})

void test('no limit never waits, and a limit can be given and taken back', () => {
  const state = newBucket(undefined)
  const bucket = new Bucket(state)
  assert.equal(bucket.take(1e9, 5000), 0)
  setRate(state, 1_000_000)
  assert.equal(bucket.take(1_000_000, 5000), 0)
  assert.equal(bucket.take(1_000_000, 5000), 900)
  assert.equal(bucket.take(1, 5000), 1900)
  setRate(state, undefined)
  assert.equal(bucket.take(1e9, 5000), 0)
})

void test('threads that take turns at the same time get different ones', async () => {
  const state = newBucket(1_000_000)
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.module).then(({ Bucket }) => {
      const bucket = new Bucket(workerData.state)
      const waits = []
      for (let n = 0; n < 2000; n++) waits.push(bucket.take(1000, 10_000))
      parentPort.postMessage(waits)
    })`
  const module = new URL('./bucket.ts', import.meta.url).href
  const waits = await Promise.all(
    Array.from({ length: 3 }, () => {
      const worker = new Worker(code, { eval: true, workerData: { module, state } })
      return new Promise<number[]>((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
    }),
  )
  const later = waits.flat().filter((wait) => wait > 0)
  // 6000 turns of a millisecond each, the first hundred at once.
  assert.equal(new Set(later).size, later.length)
  assert.equal(Math.max(...later), 5899)
})
