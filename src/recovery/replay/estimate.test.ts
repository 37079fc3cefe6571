import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { RecoveryRecord } from '../rates/times.ts'
import { estimateReplay } from './estimate.ts'

const copy = (workMs: number) => ({ workMs, steps: [{ kind: 'copy' as const }] })
const sql = (workMs: number) => ({ workMs, steps: [{ kind: 'statement' as const }] })

function replayOf(ms: number, basisMs: number, count: number, warehouse = 'dw'): RecoveryRecord {
  return {
    at: '2026-11-20T03:00:00Z',
    warehouse,
    backup: '',
    target: 'loads that were not logged',
    verified: false,
    durationMs: ms,
    way: 'loads',
    repository: 'r',
    machine: 'm',
    steps: [{ step: 'load', ms, bytes: 1, count, basisMs }],
  }
}

test('a replay takes as long as the same one took before, whatever begins it', () => {
  const loads = [copy(4000), copy(5000), sql(1000)]
  for (const ms of [1200, 4000, 20_000]) {
    const { expectedMs, basis } = estimateReplay(loads, { records: [replayOf(ms, 10_000, 3)], warehouse: 'dw' })
    assert.equal(basis, 'measured')
    assert.ok(Math.abs(expectedMs - ms) < 1, `${expectedMs} for ${ms}`)
  }
})

test('replays of the same warehouse go before those of others, and what took less than it takes to begin teaches nothing', () => {
  const records = [replayOf(100_000, 10_000, 2, 'other'), replayOf(2330, 10_000, 2), replayOf(90_000, 10, 2)]
  const { expectedMs } = estimateReplay([copy(10_000), copy(10_000)], { records, warehouse: 'dw' })
  assert.equal(Math.round(expectedMs), 300 + 30 + 4000)
})

test('without any replay copies are taken to be quicker than at first, SQL is not', () => {
  const of = { records: [], warehouse: 'dw' }
  assert.deepEqual(estimateReplay([copy(8000), sql(1000)], of), {
    expectedMs: 330 + 1200 + 1000,
    lowMs: 165 + 1100,
    highMs: 660 + 4400,
    basis: 'assumed',
    firstMs: 9000,
  })
  assert.equal(estimateReplay([copy(8000), sql(1000)], { ...of, soFarMs: 90 }).expectedMs, 90 + 30 + 1200 + 1000)
  assert.equal(estimateReplay([], of).expectedMs, 0)
})
