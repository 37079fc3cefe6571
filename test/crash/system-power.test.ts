// P2, acceptance 4: the store forgets everything that is not behind a barrier. Here 1 cut (`ACCEPT_COUNT`, `ACCEPT_SEED`); 20 with
// `npm run accept -- power-cut`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { runCuts } from './power/cuts.ts'

const cuts = Number(process.env['ACCEPT_COUNT'] ?? 1)
const seed = Number(process.env['ACCEPT_SEED'] ?? 1)

void test(
  `nothing acknowledged is lost in ${cuts} power cuts (ACCEPT_SEED=${seed})`,
  { timeout: 300_000 + cuts * 60_000 },
  async (t) => {
    const failures: string[] = []
    await runCuts({
      seed,
      from: 0,
      to: cuts,
      log: (line) => t.diagnostic(line),
      signal: t.signal,
      done: (_cases, failure) => {
        if (failure !== undefined) failures.push(failure)
      },
    })
    assert.deepEqual(failures, [])
  },
)
