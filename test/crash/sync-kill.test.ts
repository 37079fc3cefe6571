// A slice of `npm run accept -- sync`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { runSyncKills } from './sync-kill.ts'

void test(
  'synchronous: every acknowledged commit is found after server and receiver were killed',
  { timeout: 600_000 },
  async (t) => {
    const failures: string[] = []
    const { run, commits } = await runSyncKills({
      seed: 1,
      from: 0,
      to: 3,
      major: 18,
      signal: t.signal,
      done: (_cases, failure) => failure !== undefined && failures.push(failure),
      log: () => {},
    })
    t.diagnostic(`${run} kills, ${commits} acknowledged commits`)
    assert.deepEqual(failures, [])
    assert.equal(run, 3)
  },
)
