import { z } from 'zod'

import { whole } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { tableErrors as errors } from '../table-errors.ts'
import { recoverTables } from '../tables/recover-tables.ts'
import { reportText, type TablesReport } from '../tables/report.ts'
import { inclusiveOf, recoveryInput, repositoryInput, sandboxInput, tableInput, targetInput } from './options.ts'
import { targetErrors } from './plan.ts'

const { owner, allowCorrupt } = recoveryInput

const input = z.strictObject({
  tables: z.array(z.string()).describe('tables: sales.orders; a partitioned one comes with its partitions'),
  warehouse: z.string().optional().describe('name of the warehouse; default: the only one'),
  database: z.string().optional().describe('database of the tables; default: that of the declared URL'),
  ...targetInput,
  ...tableInput,
  compare: z.boolean().default(true).describe('compare with the live table'),
  ...repositoryInput,
  owner,
  allowCorrupt,
  ...sandboxInput,
  workers: whole(1, 64).optional().describe('threads that restore, and sessions that copy'),
})
export type TableInput = z.output<typeof input>

const diffOutput = z.object({
  key: z.array(z.string()).optional(),
  rowsThen: z.number(),
  rowsNow: z.number(),
  missing: z.number(),
  changed: z.number().optional(),
  extra: z.number(),
  samples: z.object({ missing: z.array(z.string()), changed: z.array(z.string()), extra: z.array(z.string()) }),
  columns: z.object({
    onlyThen: z.array(z.string()),
    onlyNow: z.array(z.string()),
    otherType: z.array(z.string()),
  }),
})

export const tablesOutput = z.object({
  warehouse: z.string(),
  database: z.string(),
  backup: z.string(),
  target: z.string(),
  lsn: z.string(),
  tables: z.array(
    z.object({
      table: z.string(),
      rows: z.number(),
      partitions: z.number(),
      outcome: z.enum(['beside', 'swapped', 'merged', 'returned', 'compared']),
      place: z.string().optional(),
      keptAs: z.string().optional(),
      merged: z.object({ inserted: z.number(), restored: z.number() }).optional(),
      diff: diffOutput.optional(),
    }),
  ),
  notes: z.array(z.string()),
  restoredBytes: z.number(),
  fetchedBytes: z.number(),
  copiedBytes: z.number(),
  durationMs: z.number(),
})

export const tablesErrors = [
  ...targetErrors,
  'recovery.unknown-table',
  'recovery.ambiguous-table',
  'recovery.not-a-table',
  'recovery.not-logged',
  'recovery.left-out-by-tier',
  'recovery.no-live-database',
  'recovery.name-taken',
  'recovery.cannot-make',
  'recovery.cannot-swap',
  'recovery.cannot-merge',
  'recovery.no-key',
  'recovery.other-key',
  'recovery.key-violated',
  'recovery.nothing-to-merge',
  'recovery.unknown-database',
  'recovery.corrupt-blocks',
  'recovery.no-space',
] as const

export const table = defineOperation<TableInput, TablesReport>({
  name: 'recover table',
  summary: 'bring tables back as they were at a moment',
  description: [
    'Restores the system catalogs and these tables alone into a throw-away server, replays it to the moment and copies their rows into the live warehouse, with indexes, constraints, defaults, sequences, grants, comments, policies, triggers and statistics. The warehouse goes on running; nothing of it changes until the last step, which is one transaction, and nothing stays of a recovery that fails or is cancelled.',
    'By default a table is left beside the live one, as NAME_recovered; a table that does not exist any more comes back under its own name. --mode merge puts rows back that are missing or were changed since, by primary key, and leaves newer ones alone. --mode swap puts the table in the place of the live one, which is kept under another name, with no foreign keys of its own; views and foreign keys of others follow. Both show what differs, a swap also which grants, policies, triggers, indexes and keys it undoes, and ask first. Sequences go on from where they stand now or stood then, whichever is further. --diff only shows it.',
    'wharf recover table sales.orders --at "2026-11-20 14:05"\nwharf recover table sales.orders --at "2026-11-20 14:05" --diff\nwharf recover table sales.orders sales.lines --before-load 01JD… --mode swap',
  ].join('\n\n'),
  input,
  positional: ['tables'],
  output: tablesOutput as z.ZodType<TablesReport>,
  role: 'admin',
  danger: 'destroys',
  errors: tablesErrors,
  needs: 'repository',
  where: 'run',
  run: async ({ warehouse, exclusive: _, ...wishes }, context, signal) => {
    const known = (await context.use(warehouses)).list().map((one) => one.name)
    const chosen = warehouse ?? (known.length === 1 ? known[0] : undefined)
    if (chosen === undefined) throw errors.whichWarehouse({ known })
    const request = { ...wishes, warehouse: chosen, inclusive: inclusiveOf({ ...wishes, exclusive: _ }) }
    return await recoverTables(request, context, signal)
  },
  text: reportText,
})
