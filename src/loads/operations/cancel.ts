import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { runEngine } from '../../runs/contract.ts'
import { runOutput, runText, showRun, type RunOutput } from '../outputs.ts'

const input = z.object({ run: z.string().describe('id of a run that is queued or running') })

export const loadCancel = defineOperation<z.output<typeof input>, RunOutput>({
  name: 'load cancel',
  summary: 'stop a run',
  description:
    'What has not started does not start; what runs is told to stop, and its backend in the warehouse is cancelled. What has committed stays.',
  input,
  positional: ['run'],
  output: runOutput,
  role: 'operator',
  danger: 'writes',
  errors: ['runs.unknown-run', 'runs.already-ended'],
  needs: 'control',
  where: 'here',
  run: async ({ run }, context) => {
    const engine = await context.use(runEngine)
    await engine.cancel(run, context.actor)
    return showRun((await engine.get(run))!)
  },
  text: runText,
})
