import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { runEngine } from '../../runs/contract.ts'
import { unknownRun } from '../../runs/errors.ts'

const input = z.object({
  run: z.string().describe('id of the run'),
  after: z.string().regex(/^\d+$/, 'must be a line number').optional().describe('only lines after this number'),
})

const output = z.object({
  lines: z.array(z.object({ line: z.string(), task: z.string(), at: z.iso.datetime(), text: z.string() })),
})

export const loadLog = defineOperation<z.output<typeof input>, z.output<typeof output>>({
  name: 'load log',
  summary: 'what the tasks of a run said',
  input,
  positional: ['run'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['runs.unknown-run'],
  needs: 'control',
  where: 'here',
  run: async ({ run, after }, context) => {
    const engine = await context.use(runEngine)
    if (!(await engine.get(run))) throw unknownRun(run)
    const lines = await engine.log(run, after === undefined ? {} : { afterLine: BigInt(after) })
    return {
      lines: lines.map((line) => ({
        line: line.line.toString(),
        task: line.task,
        at: line.at.toISOString(),
        text: line.text,
      })),
    }
  },
  text: ({ lines }) => lines.map((line) => `${line.at}  ${line.task}  ${line.text}`).join('\n'),
})
