// `wharf timeline WAREHOUSE`: backups, loads and the recoverable window side by side.
import { z } from 'zod'

import { duration } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { recoverability, type Timeline } from '../contract.ts'
import { timelineText } from '../report.ts'
import { timelineSchema } from '../shapes.ts'

const input = z.strictObject({
  warehouse: z.string().describe('The warehouse'),
  since: duration().prefault('24h').describe('How far back'),
})

export const timeline = defineOperation<z.output<typeof input>, Timeline>({
  name: 'timeline',
  summary: 'backups, loads and the recoverable window on one line of time',
  input,
  positional: ['warehouse'],
  output: timelineSchema,
  role: 'viewer',
  danger: 'none',
  errors: ['assurance.unknown-warehouse'],
  needs: 'configuration',
  where: 'here',
  run: async ({ warehouse, since }, context, signal) => {
    const service = await context.use(recoverability)
    const toMs = context.clock.now()
    return service.timeline(warehouse, { fromMs: toMs - since, toMs, signal })
  },
  text: timelineText,
})
