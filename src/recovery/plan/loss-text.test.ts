import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Loss } from './loss.ts'
import { lossLines, uncountedNotes } from './loss-text.ts'

const none: Loss = {
  unlogged: { relations: [], bytes: 0 },
  scratch: { relations: [], bytes: 0 },
  transactions: undefined,
  uncounted: undefined,
  loads: [],
  hole: undefined,
  corrupt: [],
}

test('that nothing is lost is said only where it was counted', () => {
  assert.deepEqual(lossLines(none), ['nothing that the repository holds'])
  assert.deepEqual(lossLines(none, 'nothing is missing'), ['nothing is missing'])
  assert.deepEqual(uncountedNotes(none), [])
  const unknown = { ...none, uncounted: 'WAL at 0/5000000 is damaged' }
  assert.deepEqual(lossLines(unknown, 'nothing is missing'), [
    'unknown: what comes after the target could not be counted',
  ])
  assert.deepEqual(uncountedNotes(unknown), [
    'what comes after the target could not be counted: WAL at 0/5000000 is damaged',
  ])
})
