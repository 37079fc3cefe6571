// `wharf history WAREHOUSE`: recoverability over time, for charts.
import { z } from 'zod'

import { duration } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { DAY_MS, formatDuration, formatSize, SECOND_MS } from '../../base/units.ts'
import type { History } from '../contract.ts'
import { readHistory } from '../samples.ts'
import { historySchema } from '../shapes.ts'

const input = z.strictObject({
  warehouse: z.string().describe('The warehouse'),
  since: duration().prefault('1h').describe('How far back, at most 7d'),
  points: z.number().int().min(2).max(1000).default(120).describe('At most so many points'),
})

export const history = defineOperation<z.output<typeof input>, History>({
  name: 'history',
  summary: 'how recoverability went: loss, WAL lag, time to recover, sizes',
  description: 'Samples are taken every 10 s while "wharf up" runs and are kept for 7 days.',
  input,
  positional: ['warehouse'],
  output: historySchema,
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'control',
  where: 'here',
  run: async ({ warehouse, since, points }, context) => {
    const sinceMs = Math.min(since, 7 * DAY_MS)
    return readHistory(context, { warehouse, sinceMs, stepMs: Math.max(10 * SECOND_MS, Math.ceil(sinceMs / points)) })
  },
  text: ({ points }) =>
    points.length === 0
      ? 'no samples yet: they are taken while "wharf up" runs'
      : formatTable(
          [
            'TIME',
            { title: 'LOSS', right: true },
            { title: 'WAL LAG', right: true },
            { title: 'RECOVERY', right: true },
          ],
          points.map((one) => [
            one.at,
            one.rpoMs === null ? '-' : formatDuration(one.rpoMs),
            one.lagBytes === null ? '-' : formatSize(one.lagBytes),
            one.rtoMs === null ? '-' : formatDuration(one.rtoMs),
          ]),
        ),
})
