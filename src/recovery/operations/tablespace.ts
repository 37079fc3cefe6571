import { z } from 'zod'

import { whole } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { reportText, type TablesReport } from '../tables/report.ts'
import { recoverTablespace } from '../tablespace/recover-tablespace.ts'
import { chosenWarehouse } from './default-warehouse.ts'
import { inclusiveOf, recoveryInput, repositoryInput, sandboxInput, tableInput, targetInput } from './options.ts'
import { tablesErrors, tablesOutput } from './table.ts'

const { warehouse, owner, allowCorrupt } = recoveryInput
const { mode, diff } = tableInput

const input = z.strictObject({
  tablespace: z.string().min(1).describe('the tablespace, as it was called at the target'),
  warehouse: warehouse.optional().describe('name of the warehouse; default: the only one'),
  database: z.string().optional().describe('database of the tables; default: that of the declared URL'),
  ...targetInput,
  mode,
  diff,
  compare: z.boolean().default(true).describe('compare with the live tables'),
  ...repositoryInput,
  owner,
  allowCorrupt,
  ...sandboxInput,
  workers: whole(1, 64).optional().describe('threads that restore, and sessions that copy'),
})
export type TablespaceInput = z.output<typeof input>

export const tablespace = defineOperation<TablespaceInput, TablesReport>({
  name: 'recover tablespace',
  summary: 'bring the tables of a tablespace back as they were at a moment',
  description: [
    'Finds out, in the catalogs as they were at the moment, which tables of one database stood in the tablespace, and brings them back together as wharf recover table does: beside the live ones, into them, or in their place. A partitioned table comes as a whole where all of it was there, else those of its partitions that were. Tables go into the tablespace of that name where there is one, else into the default one.',
    'Not recovered, and said: tables that were not logged, materialized views, indexes of tables that stand elsewhere.',
    'wharf recover tablespace fast --at "2026-11-20 14:05"\nwharf recover tablespace fast --database shop --at "2026-11-20 14:05" --diff',
  ].join('\n\n'),
  input,
  positional: ['tablespace'],
  output: tablesOutput as z.ZodType<TablesReport>,
  role: 'admin',
  danger: 'destroys',
  errors: [...tablesErrors, 'recovery.unknown-tablespace', 'recovery.empty-tablespace', 'recovery.shared-tablespace'],
  needs: 'repository',
  where: 'run',
  run: async (asked, context, signal) => {
    const named = await chosenWarehouse(asked.warehouse, context)
    return await recoverTablespace({ ...asked, warehouse: named, inclusive: inclusiveOf(asked) }, context, signal)
  },
  text: reportText,
})
