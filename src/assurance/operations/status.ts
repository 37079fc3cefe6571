// `wharf status [WAREHOUSE]`.
import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { recoverability, type Status } from '../contract.ts'
import { statusText } from '../report.ts'
import { statusSchema } from '../shapes.ts'

export const status = defineOperation<{ warehouse?: string | undefined }, Status>({
  name: 'status',
  summary: 'what would be lost now, how long recovery would take, and what is wrong',
  description:
    'The answer to: if we lost the warehouse now, how much would be lost, how long would it take to be back, and when was that last proven?\n\n' +
    'Ends with the exit code "findings" if any warehouse is unprotected or if it cannot be told. What cannot be reached is named; it never counts as good.',
  input: z.strictObject({ warehouse: z.string().optional().describe('Only this warehouse') }),
  positional: ['warehouse'],
  output: statusSchema,
  role: 'viewer',
  danger: 'none',
  errors: ['assurance.unknown-warehouse'],
  needs: 'configuration',
  where: 'here',
  run: async ({ warehouse }, context, signal) => {
    const service = await context.use(recoverability)
    return service.status({ ...(warehouse === undefined ? {} : { warehouse }), signal })
  },
  text: statusText,
  exit: (output) => (output.verdict === 'unprotected' || output.verdict === 'unknown' ? 'findings' : 'ok'),
})
