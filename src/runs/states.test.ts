import assert from 'node:assert/strict'
import { test } from 'node:test'

import { attemptTable, runTable, taskTable, transition } from './states.ts'

test('every event of every table leads to exactly one state', () => {
  const check = <State extends string, Event extends string>(
    table: Readonly<Record<State, Readonly<Record<Event, State | null>>>>,
  ): void => {
    const [row] = Object.values(table) as [Readonly<Record<Event, State | null>>]
    for (const event of Object.keys(row) as Event[]) assert.doesNotThrow(() => transition(table, event), event)
  }
  check(runTable)
  check(taskTable)
  check(attemptTable)
})

test('what has ended stays as it is, but for a retry', () => {
  const leaving = (row: Readonly<Record<string, string | null>>): string[] =>
    Object.entries(row).flatMap(([event, to]) => (to === null ? [] : [event]))
  assert.deepEqual(leaving(taskTable.succeeded), [])
  assert.deepEqual(leaving(runTable.succeeded), [])
  for (const ended of ['failed', 'skipped', 'cancelled'] as const)
    assert.deepEqual(leaving(taskTable[ended]), ['retry'])
  for (const ended of ['failed', 'cancelled'] as const) assert.deepEqual(leaving(runTable[ended]), ['retry'])
  for (const ended of ['succeeded', 'failed', 'lost', 'released', 'cancelled'] as const)
    assert.deepEqual(leaving(attemptTable[ended]), [])
})

test('only a ready task can be claimed, and only a running one can end by its worker', () => {
  assert.deepEqual(transition(taskTable, 'claim'), { from: ['ready'], to: 'running' })
  for (const event of ['succeed', 'fail', 'failAgain', 'lose', 'loseForGood', 'release', 'cancelled'] as const) {
    assert.deepEqual(transition(taskTable, event).from, ['running'])
  }
})

test('an event with two targets is refused', () => {
  const table = { a: { go: 'b' }, b: { go: 'a' } } as const
  assert.throws(() => transition(table, 'go'), { message: 'event "go" must lead to exactly one state' })
})
