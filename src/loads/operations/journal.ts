import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { loadJournal } from '../contract.ts'

const input = z.object({
  warehouse: z.string().describe('name of the warehouse'),
  limit: z.coerce.number().int().min(1).max(10_000).default(50).describe('how many entries, newest first'),
})

const output = z.object({
  entries: z.array(
    z.object({
      id: z.string(),
      pipeline: z.string(),
      task: z.string(),
      runId: z.string(),
      warehouse: z.string(),
      xid: z.string(),
      committedAt: z.iso.datetime(),
      targets: z.array(z.string()),
      inputs: z.array(z.object({ name: z.string(), sha256: z.string(), bytes: z.number() })),
      rows: z.number(),
      logged: z.boolean(),
    }),
  ),
})

export const loadJournalShow = defineOperation<z.output<typeof input>, z.output<typeof output>>({
  name: 'load journal',
  summary: 'the loads that took effect in a warehouse',
  description:
    'Each entry was written in the transaction of its load: what is here took effect, and what is not did not. The id serves "wharf recover … --before-load ID".',
  input,
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['warehouse.unknown', 'warehouse.unreachable'],
  needs: 'configuration',
  where: 'here',
  run: async ({ warehouse, limit }, context, signal) => {
    ;(await context.use(warehouses)).get(warehouse)
    const entries = await (await context.use(loadJournal)).list(warehouse, { limit, signal })
    return {
      entries: entries.map((entry) => ({
        ...entry,
        targets: [...entry.targets],
        inputs: entry.inputs.map((one) => ({ ...one })),
      })),
    }
  },
  text: ({ entries }) =>
    formatTable(
      ['LOAD', 'COMMITTED', 'PIPELINE', 'TASK', 'INPUT', { title: 'ROWS', right: true }, 'TARGETS'],
      entries.map((one) => [
        one.id,
        one.committedAt,
        one.pipeline,
        one.task,
        one.inputs[0]?.name ?? '',
        String(one.rows),
        one.targets.join(', '),
      ]),
    ),
})
