import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { runEngine } from '../../runs/contract.ts'
import { runOutput, runText, showRun, type RunOutput } from '../outputs.ts'

const input = z.object({ run: z.string().describe('id of a run that failed or was cancelled') })

export const loadRetry = defineOperation<z.output<typeof input>, RunOutput>({
  name: 'load retry',
  summary: 'try again what did not succeed of a run',
  description:
    'Failed and cancelled tasks and those that waited for them go back to waiting; what succeeded stays. A worker of "wharf up" does them.',
  input,
  positional: ['run'],
  output: runOutput,
  role: 'operator',
  danger: 'writes',
  errors: ['runs.unknown-run', 'runs.not-ended'],
  needs: 'control',
  where: 'here',
  run: async ({ run }, context) => {
    const engine = await context.use(runEngine)
    await engine.retry(run, context.actor)
    return showRun((await engine.get(run))!)
  },
  text: runText,
})
