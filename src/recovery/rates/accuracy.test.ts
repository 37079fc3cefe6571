import assert from 'node:assert/strict'
import { test } from 'node:test'

import { accuracyOf, scoreOf } from './accuracy.ts'
import type { RecoveryRecord } from './times.ts'

const predicted = (expectedMs: number, basis: 'measured' | 'assumed' = 'measured') => ({
  expectedMs,
  lowMs: expectedMs * 0.8,
  highMs: expectedMs * 1.2,
  basis,
})

function record(durationMs: number, more: Partial<RecoveryRecord> = {}): RecoveryRecord {
  return {
    at: '2026-11-20T14:05:00Z',
    warehouse: 'retail',
    backup: 'b',
    target: 'latest',
    verified: true,
    durationMs,
    predicted: predicted(1000),
    steps: [
      { step: 'fetch', bytes: 1, ms: 500, predicted: predicted(480) },
      { step: 'replay', bytes: 1, ms: durationMs - 500, predicted: predicted(520) },
    ],
    ...more,
  }
}

test('median error, coverage and bias are those of the predictions that rested on measurements', () => {
  const found = accuracyOf([
    record(1000),
    record(1100, { way: 'drill' }),
    record(1250),
    record(2000),
    record(5000, { predicted: predicted(1000, 'assumed') }),
  ])
  assert.equal(found.measured.count, 4)
  assert.equal(found.measured.coverage, 0.5)
  assert.equal(found.measured.bias, 1.1)
  assert.ok(Math.abs(found.measured.medianError! - 100 / 1100) < 1e-9)
  assert.equal(found.assumed.count, 1)
  assert.deepEqual(
    found.ways.map((one) => [one.way, one.count]),
    [
      ['drill', 1],
      ['node', 3],
    ],
  )
  assert.deepEqual(
    found.worst.map((one) => [one.measuredMs, one.step]),
    [
      [2000, 'replay'],
      [1250, 'replay'],
    ],
  )
  assert.deepEqual(
    found.recoveries.map((one) => [one.measuredMs, one.predicted.basis]),
    [
      [5000, 'assumed'],
      [2000, 'measured'],
      [1250, 'measured'],
      [1100, 'measured'],
      [1000, 'measured'],
    ],
  )
})

test('what took many times as long is further off than what took half as long', () => {
  const found = accuracyOf([record(450), record(9000), record(1000)])
  assert.deepEqual(
    found.worst.map((one) => one.measuredMs),
    [9000, 450],
  )
})

test('a step of which only first guesses were put to the test is told apart from those that were measured before', () => {
  const steps = (basis: 'measured' | 'assumed') => [
    { step: 'fetch' as const, bytes: 1, ms: 600, predicted: predicted(500, basis) },
    { step: 'verify' as const, kind: 'full', bytes: 1, ms: 4000, predicted: predicted(1000, 'assumed') },
  ]
  const found = accuracyOf([record(1000, { steps: steps('assumed') }), record(1000, { steps: steps('measured') })])
  assert.deepEqual(
    found.steps.map((one) => [one.step, one.count, one.expectedMs, one.measuredMs, one.bias]),
    [['fetch', 1, 500, 600, 1.2]],
  )
  assert.deepEqual(
    found.guessed.map((one) => [one.step, one.kind, one.count, one.bias]),
    [['verify', 'full', 2, 4]],
  )
})

test('of nothing nothing is said', () => {
  assert.deepEqual(scoreOf([]), {
    count: 0,
    medianError: undefined,
    coverage: undefined,
    bias: undefined,
    expectedMs: undefined,
    measuredMs: undefined,
  })
})
