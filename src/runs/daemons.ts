// What `wharf up` runs of this room: a worker and a scheduler in each process.
import type { Daemon } from '../base/room.ts'
import { runEngine } from './contract.ts'
import { kindsOf, partsOf } from './engine.ts'
import { runScheduler } from './scheduler.ts'

export const worker: Daemon = {
  name: 'runs worker',
  run: async (context, signal) => {
    const engine = await context.use(runEngine)
    await engine.work({ context, signal })
  },
}

export const scheduler: Daemon = {
  name: 'runs scheduler',
  run: async (context, signal) => {
    const engine = await context.use(runEngine)
    await runScheduler(partsOf(engine), { context, kinds: kindsOf(context), signal })
  },
}
