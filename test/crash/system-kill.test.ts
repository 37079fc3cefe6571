// P2, acceptance 4: kill −9 of any process of the whole system. Here 2 kills (`ACCEPT_COUNT`, `ACCEPT_SEED`); 50 with `npm run accept -- kill`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { runKills } from './system/run-kills.ts'

const kills = Number(process.env['ACCEPT_COUNT'] ?? 2)
const seed = Number(process.env['ACCEPT_SEED'] ?? 4)

void test(
  `the system goes on after ${kills} kills (ACCEPT_SEED=${seed})`,
  { timeout: 600_000 + kills * 120_000 },
  async (t) => {
    const failures: string[] = []
    await runKills({
      major: 18,
      seed,
      from: 0,
      to: kills,
      log: (line) => t.diagnostic(line),
      signal: t.signal,
      done: (_cases, failure) => {
        if (failure !== undefined) failures.push(failure)
      },
    })
    assert.deepEqual(failures, [])
  },
)
