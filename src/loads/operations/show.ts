import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { runEngine } from '../../runs/contract.ts'
import { unknownRun } from '../../runs/errors.ts'
import { runOutput, runText, showRun, type RunOutput } from '../outputs.ts'

const input = z.object({ run: z.string().describe('id of the run') })

export const loadShow = defineOperation<z.output<typeof input>, RunOutput>({
  name: 'load show',
  summary: 'one run with its tasks',
  input,
  positional: ['run'],
  output: runOutput,
  role: 'viewer',
  danger: 'none',
  errors: ['runs.unknown-run'],
  needs: 'control',
  where: 'here',
  run: async ({ run }, context) => {
    const found = await (await context.use(runEngine)).get(run)
    if (!found) throw unknownRun(run)
    return showRun(found)
  },
  text: runText,
})
