// P5 in small; in full: npm run accept -- increment.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { measure } from '../accept/increment.ts'
import { requirement } from '../support/requirements.ts'

void test('an increment reads what changed, and nothing else', async (t) => {
  if (!requirement(t, 'strace')) return
  const gigabytes = Number(process.env['ACCEPT_GIGABYTES'] ?? 0.1)
  const failures = await measure({
    seed: Number(process.env['ACCEPT_SEED'] ?? 1),
    gigabytes,
    log: (line) => t.diagnostic(line),
    demandSpeed: false,
  })
  assert.deepEqual(failures, [])
})
