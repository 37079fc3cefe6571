// A process that works on runs until it is killed. Argument: URL of the control database.
import { z } from 'zod'

import { systemClock } from '../../src/base/clock.ts'
import { openStage } from '../runs/stage.ts'

const nap = {
  name: 'nap',
  input: z.unknown(),
  execute: async (_task: unknown, signal: AbortSignal) => {
    await systemClock.sleep(15, signal)
    return null
  },
}
await using stage = await openStage({ url: process.argv[2]!, kinds: [nap], runs: { lease: '1s', slots: 3 } })
process.stdout.write('working\n')
await stage.engine.work({ context: stage.context, signal: new AbortController().signal })
