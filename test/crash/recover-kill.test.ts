// A few of what `npm run accept -- recover-kill` does many times.
import { test } from 'node:test'

import { killInPlace } from './recover-kill.ts'

test(
  'killed between two changes of a recovery in place: nothing starts by mistake, and a rerun completes',
  { timeout: 600_000 },
  async (t) => {
    await killInPlace({ kills: 2, seed: 4, major: 15, log: (line) => t.diagnostic(line) })
  },
)
