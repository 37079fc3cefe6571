import assert from 'node:assert/strict'
import { test } from 'node:test'

import { judgeJournal } from './journal.ts'

const wal = { before: new Set(['a', 'b']), after: new Set(['c']) }

test('loads of WAL are held against the journal; without one that is said, and no proof', () => {
  assert.deepEqual(judgeJournal(wal, { hasJournal: true, ids: new Set(['a', 'c', 'older']) }), {
    proof: { committedByWal: 2, inJournal: 1, entries: 3 },
    findings: [
      { check: 'journal', message: 'load b was committed before the target, and the recovered journal lacks it' },
      { check: 'journal', message: 'load c was committed after the target, and the recovered journal has it' },
    ],
    notes: [],
  })
  assert.deepEqual(judgeJournal(wal, { hasJournal: false, ids: new Set() }), {
    proof: undefined,
    findings: [],
    notes: [
      'WAL names 2 loads that were committed before the target, and no database has a journal: they were not compared',
    ],
  })
  assert.deepEqual(
    judgeJournal({ before: new Set(), after: new Set() }, { hasJournal: false, ids: new Set() }).notes,
    [],
  )
})
