import { z } from 'zod'

import { defineOperation, type OperationContext } from '../../base/operation.ts'
import { daemons, firstStarts } from '../../base/room.ts'
import { exists } from '../config/source.ts'
import { errors } from '../errors.ts'
import { reopen } from '../reopen.ts'
import { supervise } from '../supervise.ts'

export const up = defineOperation({
  name: 'up',
  summary: 'run everything: receivers, schedules, loads, probes and the console',
  description: [
    'Runs until Ctrl-C or SIGTERM, then drains: running work is given 30 s to end, then 10 s to stop, then it is cut off and goes on with the next start. A second Ctrl-C ends at once.',
    'With no configuration the demo is offered: a small warehouse that loads, is backed up and can be destroyed and recovered.',
  ].join('\n\n'),
  input: z.strictObject({}),
  output: z.strictObject({ stopped: z.literal(true) }),
  role: 'admin',
  danger: 'writes',
  errors: ['config.invalid', 'app.nothing-to-run', 'app.not-drained'],
  needs: 'control',
  where: 'here',
  only: 'command-line',
  run: async (_input, context, signal) => {
    await using scope = new AsyncDisposableStack()
    const ready = (await prepared(context, signal)) ? await reopen(context, scope) : context
    const work = ready.offers(daemons)
    if (work.length === 0) throw errors.nothingToRun(undefined)
    const { left } = await supervise({ context: ready, daemons: work, signal, announce: (line) => context.say?.(line) })
    if (left.length > 0) throw errors.notDrained(left)
    return { stopped: true as const }
  },
  text: () => 'stopped',
})

/** Whether a first start wrote a configuration that must be read now. */
async function prepared(context: OperationContext, signal: AbortSignal): Promise<boolean> {
  if (await exists(context.configFile)) return false
  for (const first of context.offers(firstStarts)) {
    const confirm = (question: string): Promise<boolean> => context.confirm(question, { whereNobodyCanBeAsked: true })
    if ((await first.run(context, { confirm }, signal)) === 'written') return true
  }
  return false
}
