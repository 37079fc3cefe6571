import assert from 'node:assert/strict'
import { test } from 'node:test'

import { decide } from './finish.ts'
import { errors } from './errors.ts'

const task = { retries: 3, retryDelayMs: 1000 }
const passing = errors.timedOut({ task: 'a', timeoutMs: 1 })

test('the delay doubles with each failure and is capped at an hour', () => {
  const delays = [0, 1, 2].map((failures) => decide(task, { kind: 'failed', error: passing }, failures))
  assert.deepEqual(
    delays.map((one) => [one.event, one.delayMs]),
    [
      ['failAgain', 1000],
      ['failAgain', 2000],
      ['failAgain', 4000],
    ],
  )
  assert.equal(decide({ retries: 99, retryDelayMs: 60_000 }, { kind: 'failed', error: passing }, 30).delayMs, 3_600_000)
})

test('after as many failures as there are retries it is over', () => {
  assert.equal(decide(task, { kind: 'failed', error: passing }, 3).event, 'fail')
})

test('an error that will not pass is not tried again; a defect may pass', () => {
  const lasting = errors.unknownRun('x')
  assert.equal(decide(task, { kind: 'failed', error: lasting }, 0).event, 'fail')
  assert.equal(decide(task, { kind: 'failed', error: new Error('defect') }, 0).event, 'failAgain')
})
