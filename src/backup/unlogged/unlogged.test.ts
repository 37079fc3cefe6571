import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import type { TableCopy } from '../../repository/contract.ts'
import { foreignWrites, type Observation } from './others.ts'
import { matcherOf, patternProblem } from './patterns.ts'
import type { UnloggedTable } from './survey.ts'
import { judge } from './unprotected.ts'

const look = (at: number, rowsWritten: number, rowsByLoads: number, oid = 1): Observation => ({
  at: `2026-11-20T0${at}:00:00.000Z`,
  oid,
  rowsWritten,
  rowsByLoads,
})

void test('rows that the journal does not explain are named with the looks between which they came', () => {
  assert.equal(foreignWrites([look(1, 10, 10)]), undefined)
  assert.deepEqual(foreignWrites([look(1, 15, 10)]), { rows: 5, after: null, before: look(1, 0, 0).at })
  assert.deepEqual(foreignWrites([look(1, 10, 10), look(2, 12, 10), look(3, 32, 30)]), {
    rows: 2,
    after: look(1, 0, 0).at,
    before: look(2, 0, 0).at,
  })
  // A load whose rows PostgreSQL has not counted yet is no stranger.
  assert.equal(foreignWrites([look(1, 10, 10), look(2, 10, 30), look(3, 30, 30)]), undefined)
  // Made anew, or counted anew after a crash: what was before does not count.
  assert.equal(foreignWrites([look(1, 15, 10), look(2, 0, 10, 2)]), undefined)
  assert.deepEqual(foreignWrites([look(1, 15, 0), look(2, 3, 0)]), {
    rows: 3,
    after: look(1, 0, 0).at,
    before: look(2, 0, 0).at,
  })
})

void test('patterns name schema.table in any database, or database.schema.table', () => {
  const matches = matcherOf(['stage.*', 'mart.public.f_?'])
  assert.ok(matches({ database: 'any', schema: 'stage', name: 'orders' }))
  assert.ok(matches({ database: 'mart', schema: 'public', name: 'f_?' }))
  assert.ok(!matches({ database: 'other', schema: 'public', name: 'f_?' }))
  assert.ok(!matches({ database: 'mart', schema: 'public', name: 'f_1' }))
  assert.ok(!matches({ database: 'any', schema: 'stages', name: 'orders' }))
  assert.equal(patternProblem('orders'), '"orders" is not written schema.table or database.schema.table')
  assert.equal(patternProblem('stage.'), '"stage." has an empty part')
  assert.equal(patternProblem('stage.*'), undefined)
  const part = fc.string({ minLength: 1 }).filter((text) => !text.includes('.') && !text.includes('*'))
  fc.assert(
    fc.property(part, part, part, (database, schema, name) => {
      assert.ok(matcherOf([`${schema}.${name}`])({ database, schema, name }))
      assert.ok(matcherOf([`${database}.${schema}.*`])({ database, schema, name }))
    }),
  )
})

const table: UnloggedTable = {
  database: 'dw',
  schema: 'stage',
  name: 'orders',
  oid: 1,
  relfilenode: 1,
  root: 'stage.orders',
  bytes: 8192,
  rowsWritten: 10,
  rowsByLoads: 10,
  lastLoad: {
    id: 'L1',
    pipeline: 'nightly',
    task: 'fill',
    runId: 'R1',
    committedAt: '2026-11-20T02:00:00.000Z',
    inputs: ['a.csv'],
  },
}
const copyAt = (time: string): { repository: string; copy: TableCopy } => ({
  repository: 'main',
  copy: {
    id: 'C1',
    warehouse: 'w',
    systemIdentifier: 1n,
    postgresVersion: 180000,
    takenMs: Date.parse(time),
    tables: [{ database: 'dw', schema: 'stage', name: 'orders', columns: [], rows: 10, bytes: 1, sha256: '' }],
    loads: [],
  },
})

void test('a copy protects until the next write, whoever wrote', () => {
  const none = judge(table, { copies: [], foreign: undefined })
  assert.deepEqual([none.copyIsCurrent, none.since], [false, table.lastLoad!.committedAt])
  assert.deepEqual(none.remedies, [
    'copy: add "dw.stage.orders" to backup.<warehouse>.unlogged.copy, then wharf backup copy',
    'replay: run load L1 (nightly/fill) again after the recovery, from a.csv',
    'protect: alter table stage.orders set logged',
  ])
  const after = judge(table, { copies: [copyAt('2026-11-20T03:00:00Z')], foreign: undefined })
  assert.deepEqual([after.copyIsCurrent, after.since], [true, null])
  assert.deepEqual(after.remedies, ['copy C1 in main brings it back: wharf recover copies'])
  const before = judge(table, { copies: [copyAt('2026-11-20T01:00:00Z')], foreign: undefined })
  assert.deepEqual([before.copyIsCurrent, before.since], [false, table.lastLoad!.committedAt])
  const foreign = { rows: 3, after: '2026-11-20T04:00:00.000Z', before: '2026-11-20T05:00:00.000Z' }
  const stranger = judge(table, { copies: [copyAt('2026-11-20T03:00:00Z')], foreign })
  assert.deepEqual([stranger.copyIsCurrent, stranger.since], [false, foreign.after])
})
