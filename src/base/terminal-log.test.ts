import assert from 'node:assert/strict'
import { test } from 'node:test'

import { systemClock } from './clock.ts'
import { terminalLog } from './terminal-log.ts'

test('lines for people, with fields, without secrets', () => {
  const lines: string[] = []
  const log = terminalLog({
    level: 'info',
    clock: { ...systemClock, now: () => 0 },
    color: false,
    write: (text) => lines.push(text.slice(8)),
  })
  log.debug({}, 'unseen')
  log.child({ warehouse: 'retail' }).warn({ bytes: 5n, url: 'postgresql://u:pw@h/d', note: 'a b' }, 'slow')
  log.error({ password: 'hunter2', apiToken: 'x' }, 'denied')
  assert.deepEqual(lines, [
    ' warn  slow  warehouse=retail  bytes="5"  url=postgresql://u:***@h/d  note="a b"\n',
    ' error denied  password=***  apiToken=***\n',
  ])
})
