// Expiry that is killed, doubled, and lives through clocks that step. All calls and many histories: `npm run accept -- prune`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { seededRandom } from '../../src/base/random.ts'
import { callsOf, killBase, killedAt, stages, together } from './faults.ts'

/** So many calls of each stage, others each time. `ACCEPT_SEED` chooses them. */
const PICKS = 2
const seed = Number(process.env['ACCEPT_SEED'] ?? 1)

for (const stage of stages)
  test(`killed at a call of the store: ${stage}`, async () => {
    await using base = await killBase(seed)
    const random = seededRandom(seed)
    const calls = await callsOf(base, stage)
    assert.ok(calls > 5, `${stage} makes ${calls} calls`)
    for (let pick = 0; pick < PICKS; pick++) assert.equal(await killedAt(base, stage, random.integer(calls)), true)
    assert.equal(await killedAt(base, stage, calls + 1), false)
  })

test('two pruners, a backup and a revival at once, killed, with clocks that step', async () => {
  for (let history = 0; history < 4; history++) await together(seed + history)
})
