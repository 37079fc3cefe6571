import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MIB } from '../../base/units.ts'
import { estimateStep, total } from './model.ts'
import type { RecoveryRecord } from './times.ts'

function record(warehouse: string, bytes: number, ms: number): RecoveryRecord {
  const predicted = { expectedMs: ms, lowMs: ms, highMs: ms }
  return {
    at: '',
    warehouse,
    backup: 'b',
    target: 'latest',
    verified: true,
    durationMs: ms,
    steps: [{ step: 'fetch', bytes, ms, predicted }],
  }
}

test('without a measurement the first guess is named as assumed, with a wide interval', () => {
  const one = estimateStep('fetch', 1200 * MIB, { records: [], warehouse: 'retail' })
  assert.equal(one.basis, 'assumed')
  assert.equal(one.expectedMs, 11_000)
  assert.deepEqual([Math.round(one.lowMs), one.highMs], [3667, 33_000])
})

test('measured rates are used, those of the same warehouse first', () => {
  const records = [record('retail', 1000 * MIB, 6000), record('other', 1000 * MIB, 101_000)]
  const own = estimateStep('fetch', 2000 * MIB, { records, warehouse: 'retail' })
  assert.equal(own.basis, 'measured')
  assert.equal(Math.round(own.expectedMs), 11_000)
  const foreign = estimateStep('fetch', 2000 * MIB, { records: records.slice(1), warehouse: 'retail' })
  assert.equal(Math.round(foreign.expectedMs), 201_000)
})

test('the interval holds the expectation and narrows with more measurements', () => {
  const few = estimateStep('fetch', 500 * MIB, { records: [record('r', 1000 * MIB, 6000)], warehouse: 'r' })
  const many = estimateStep('fetch', 500 * MIB, {
    records: Array.from({ length: 16 }, () => record('r', 1000 * MIB, 6000)),
    warehouse: 'r',
  })
  for (const one of [few, many]) assert.ok(one.lowMs <= one.expectedMs && one.expectedMs <= one.highMs)
  assert.ok(many.highMs - many.lowMs < few.highMs - few.lowMs)
})

test('a sum is assumed as long as one of its steps is', () => {
  const records = [record('r', 1000 * MIB, 6000)]
  const fetch = estimateStep('fetch', MIB, { records, warehouse: 'r' })
  const replay = estimateStep('replay', MIB, { records, warehouse: 'r' })
  const sum = total([fetch, replay])
  assert.equal(sum.basis, 'assumed')
  assert.equal(sum.expectedMs, fetch.expectedMs + replay.expectedMs)
  assert.ok(sum.lowMs <= sum.expectedMs && sum.expectedMs <= sum.highMs)
})
