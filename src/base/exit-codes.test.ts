import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { exitCodes } from './errors.ts'

test('doc/exit-codes.md lists the exit codes of the program', () => {
  const text = readFileSync(new URL('../../doc/exit-codes.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| (\d+) \| `(\w+)` \| (.+) \|$/gm)].map(([, code, name]) => [name, Number(code)])
  assert.deepEqual(Object.fromEntries(rows), { ...exitCodes })
})
