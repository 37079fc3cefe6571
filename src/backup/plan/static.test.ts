import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import type { SegmentMap } from '../../repository/contract.ts'
import { DAY_MS } from '../../base/units.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { auditBudgetBytes, chooseAudit, isOneImage, runsWithin, type Auditable } from './static.ts'

const extent = (number: number) => ({ pack: 'a'.repeat(32), number, offset: number, storedBytes: 1, plainBytes: 1 })
const mapOf = (blockCount: number, runs: SegmentMap['runs'], extents = runs.length): SegmentMap => ({
  file: 'base/5/1',
  blockCount,
  extents: Array.from({ length: extents }, (_, number) => extent(number)),
  runs,
})

test('one image is what one backup read in one go', () => {
  const runs = [
    { block: 0, count: 128, extent: 0, place: 0 },
    { block: 128, count: 72, extent: 1, place: 0 },
  ]
  assert.equal(isOneImage(mapOf(200, runs)), true)
  assert.equal(isOneImage(mapOf(0, [])), true)
  assert.equal(isOneImage(mapOf(72, [{ block: 0, count: 72, extent: 0, place: 3 }])), false)
  const patched = [
    { block: 0, count: 5, extent: 0, place: 0 },
    { block: 5, count: 1, extent: 1, place: 0 },
    { block: 6, count: 122, extent: 0, place: 6 },
  ]
  assert.equal(isOneImage(mapOf(128, patched, 2)), false)
})

test('the budget follows the time since the last backup, a week at most', () => {
  const policy = { sharePerDay: 0.01, bytesPerSecond: undefined }
  assert.equal(auditBudgetBytes(policy, { clusterBytes: 1e6, sinceMs: DAY_MS }), 10_000)
  assert.equal(auditBudgetBytes(policy, { clusterBytes: 1e6, sinceMs: 30 * DAY_MS }), 70_000)
  assert.equal(auditBudgetBytes(policy, { clusterBytes: 1e6, sinceMs: -5 }), 0)
})

test('round after round every block is audited once before any is twice, within the budget', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 128, max: 900 }),
      (sizes, budgetBlocks) => {
        let all: Auditable[] = sizes.map((blockCount, at) => ({
          path: `${at}`,
          blockCount,
          auditedMs: 0,
          auditBlock: 0,
        }))
        const seen = sizes.map((size) => Array.from({ length: size }, () => 0))
        const total = sizes.reduce((sum, size) => sum + size, 0)
        // Every run audits at least what is left of its budget in whole extents.
        for (let now = 1; now <= Math.ceil(total / 128) + sizes.length; now++) {
          const chosen = chooseAudit(all, budgetBlocks * BLOCK_BYTES)
          assert.ok(chosen.reduce((sum, one) => sum + one.count, 0) <= budgetBlocks)
          for (const [index, { segment, from, count, ends }] of chosen.entries()) {
            for (let at = from; at < from + count; at++) seen[Number(segment.path)]![at]!++
            const next = ends
              ? { auditedMs: now * 1000 + index, auditBlock: 0 }
              : { auditedMs: segment.auditedMs, auditBlock: from + count }
            all = all.map((one) => (one.path === segment.path ? { ...one, ...next } : one))
          }
          const flat = seen.flat()
          assert.ok(Math.max(...flat) - Math.min(...flat) <= 1)
        }
        assert.ok(
          seen.flat().every((times) => times > 0),
          'nothing is left out',
        )
      },
    ),
    { numRuns: 30 },
  )
})

test('runs within a stretch are cut at both ends', () => {
  const map = mapOf(200, [
    { block: 0, count: 128, extent: 0, place: 0 },
    { block: 128, count: 72, extent: 1, place: 4 },
  ])
  assert.deepEqual(runsWithin(map, 100, 50), [
    { block: 100, count: 28, extent: 0, place: 100 },
    { block: 128, count: 22, extent: 1, place: 4 },
  ])
})
