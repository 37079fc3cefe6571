import assert from 'node:assert/strict'
import { test } from 'node:test'

import { pipelinesSection } from './config.ts'

const base = { warehouse: 'dw', tasks: { a: { sql: 'a.sql' } } }
const all = { warehouses: { dw: {}, retail: {} }, runs: { pools: { disk: 2 } } }

function findings(pipelines: unknown): readonly string[] {
  const parsed = pipelinesSection.schema.safeParse(pipelines)
  if (!parsed.success) return parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  return pipelinesSection.check!(parsed.data, all).map(
    (one) => `${one.path.join('.')}: ${one.message}${one.hint === undefined ? '' : ` (${one.hint})`}`,
  )
}

test('a sound pipeline has no findings, and no pipelines are fine', () => {
  assert.deepEqual(findings({ p: base }), [])
  assert.deepEqual(findings(undefined), [])
})

test('dangling names are found at their place', () => {
  assert.deepEqual(findings({ p: { ...base, warehouse: 'retial' } }), [
    'pipelines.p.warehouse: there is no warehouse "retial" (did you mean "retail"?)',
  ])
  assert.deepEqual(findings({ p: { ...base, schedule: { after: 'q' } } }), [
    'pipelines.p.schedule.after: there is no pipeline "q" (did you mean "p"?)',
  ])
  const tasks = { load: { sql: 'a.sql' }, check: { sql: 'b.sql', needs: ['laod'], pools: { tape: 1 } } }
  assert.deepEqual(findings({ p: { ...base, tasks } }), [
    'pipelines.p.tasks.check.needs.0: there is no task "laod" (did you mean "load"?)',
    'pipelines.p.tasks.check.pools.tape: there is no pool "tape" (known: disk)',
  ])
})

test('tasks that wait for each other are found', () => {
  const tasks = { a: { sql: 'a.sql', needs: ['b'] }, b: { sql: 'b.sql', needs: ['a'] } }
  assert.deepEqual(findings({ p: { ...base, tasks } }), [
    'pipelines.p.tasks.a.needs: tasks wait for each other: a needs b needs a',
  ])
})

test('a pattern that cannot be meant is found', () => {
  const tasks = { a: { copy: { into: 't', files: '{day}.csv' } } }
  assert.deepEqual(findings({ p: { ...base, tasks } }), [
    'pipelines.p.tasks.a.copy.files: unknown placeholder {day}; only {date} and {date:FORMAT} are known',
  ])
})

test('a task is exactly one thing', () => {
  assert.deepEqual(findings({ p: { ...base, tasks: { a: {} } } }), [
    'p.tasks.a: a task has exactly one of sql, copy, command, run, not none',
  ])
  assert.deepEqual(findings({ p: { ...base, tasks: { a: { sql: 'a.sql', command: ['x'] } } } }), [
    'p.tasks.a: a task has exactly one of sql, copy, command, run, not sql and command',
  ])
  assert.deepEqual(findings({ p: { ...base, tasks: {} } }), ['pipelines.p.tasks: a pipeline has at least one task'])
})
