import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { guardLimits, guardStep, nextWait, WORTH_BYTES, type GuardState } from './state.ts'

const GB = 1024 ** 3
const limits = guardLimits(100 * GB, { percent: 10 })

void test('the floor is a share of the disk or a size, and enough lies above it and within the disk', () => {
  assert.deepEqual(limits, { floorBytes: 10 * GB, enoughBytes: 15 * GB, calmMs: 60_000 })
  assert.equal(guardLimits(100 * GB, { bytes: 20 * GB }).enoughBytes, 30 * GB)
  assert.equal(guardLimits(10 * GB, { bytes: 8 * GB }).enoughBytes, 9 * GB)
})

void test('the slot goes below the floor, and only where it holds WAL worth a hole', () => {
  const at = { limits, waitMs: 60_000 }
  const state: GuardState = { state: 'receiving' }
  const step = (freeBytes: number, heldBytes: number) => guardStep(state, { now: 0, freeBytes, heldBytes }, at).action
  assert.equal(step(10 * GB, 50 * GB), 'none')
  assert.equal(step(10 * GB - 1, 50 * GB), 'give up')
  assert.equal(step(0, WORTH_BYTES), 'give up')
  assert.equal(step(0, WORTH_BYTES - 1), 'none', 'something else fills the disk')
})

void test('it comes back only after enough has been free without a break, later each time', () => {
  const at = { limits, waitMs: 60_000 }
  let state: GuardState = { state: 'given up', calmSince: undefined, waitMs: 60_000 }
  const look = (now: number, freeBytes: number) => {
    const step = guardStep(state, { now, freeBytes, heldBytes: 0 }, at)
    state = step.next
    return step.action
  }
  assert.equal(look(0, 12 * GB), 'none', 'above the floor is not enough')
  assert.equal(look(1000, 15 * GB), 'none')
  assert.equal(look(50_000, 15 * GB - 1), 'none', 'a break: from the beginning')
  assert.equal(look(61_000, 40 * GB), 'none')
  assert.equal(look(120_999, 40 * GB), 'none')
  assert.equal(look(121_000, 40 * GB), 'resume')
  assert.deepEqual([60_000, 120_000, 3_000_000, 3_600_000].map(nextWait), [120_000, 240_000, 3_600_000, 3_600_000])
})

void test('however the free space moves, the slot never goes twice within the wait', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 50, maxLength: 400 }), (shares) => {
      let state: GuardState = { state: 'receiving' }
      let waitMs = 60_000
      let gone: number | undefined
      for (const [at, share] of shares.entries()) {
        const sight = { now: at * 5000, freeBytes: share * GB, heldBytes: 50 * GB }
        const step = guardStep(state, sight, { limits, waitMs })
        state = step.next
        if (step.action === 'give up') {
          if (gone !== undefined) assert.ok(sight.now - gone >= waitMs / 2)
          gone = sight.now
        }
        if (step.action === 'resume') waitMs = nextWait(waitMs)
      }
    }),
  )
})
