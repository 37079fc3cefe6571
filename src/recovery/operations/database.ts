import { z } from 'zod'

import { whole } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { recoverDatabase } from '../database/recover-database.ts'
import { reportText, type DatabaseReport } from '../database/report.ts'
import { chosenWarehouse } from './default-warehouse.ts'
import { inclusiveOf, recoveryInput, repositoryInput, sandboxInput, targetInput } from './options.ts'
import { targetErrors } from './plan.ts'

const { warehouse, owner, allowCorrupt } = recoveryInput

const input = z.strictObject({
  database: z.string().min(1).describe('the database, as it was called at the target'),
  warehouse: warehouse.optional().describe('name of the warehouse; default: the only one'),
  as: z.string().min(1).max(63).optional().describe('name of the new database; default: NAME_recovered_<time>'),
  ...targetInput,
  ...repositoryInput,
  owner,
  allowCorrupt,
  ...sandboxInput,
  pgDump: z.string().optional().describe('path of pg_dump; default: where PostgreSQL is installed, then PATH'),
  workers: whole(1, 64).optional().describe('threads that restore, and sessions that copy'),
})
export type DatabaseInput = z.output<typeof input>

const output = z.object({
  warehouse: z.string(),
  database: z.string(),
  place: z.string().describe('the new database'),
  backup: z.string(),
  target: z.string(),
  lsn: z.string(),
  tables: z.number(),
  rows: z.number(),
  sequences: z.number(),
  largeObjects: z.number(),
  notes: z.array(z.string()),
  restoredBytes: z.number(),
  fetchedBytes: z.number(),
  copiedBytes: z.number(),
  durationMs: z.number(),
})

export const database = defineOperation<DatabaseInput, DatabaseReport>({
  name: 'recover database',
  summary: 'bring one database back as it was at a moment, as a new database',
  description: [
    'Restores the system catalogs and the files of this database alone into a throw-away server, replays it to the moment and carries everything over into a new database of the live warehouse: schemas, extensions, types, functions, tables with their rows, sequences, large objects, indexes, constraints, views, materialized views, triggers, policies, rights, comments, settings. The warehouse goes on running and nothing of it changes: the new database gets its name when everything is in it, and is dropped if the recovery fails or is cancelled.',
    "The definitions are written by PostgreSQL's own pg_dump, which must be installed; rows are copied in parallel. Left out, and said: rows that were not logged or are of tier scratch, subscriptions, rights of roles that do not exist any more (asked before).",
    'wharf recover database shop --at "2026-11-20 14:05"\nwharf recover database shop --before-load 01JD… --as shop_then',
  ].join('\n\n'),
  input,
  positional: ['database'],
  output,
  role: 'admin',
  danger: 'writes',
  errors: [
    ...targetErrors,
    'recovery.no-such-database',
    'recovery.template-database',
    'recovery.database-taken',
    'recovery.may-not-create',
    'recovery.no-pg-dump',
    'recovery.old-pg-dump',
    'recovery.dump-failed',
    'recovery.policy-for-nobody',
    'recovery.cannot-carry-over',
    'recovery.rows-lost',
    'recovery.corrupt-blocks',
    'recovery.no-space',
  ],
  needs: 'repository',
  where: 'run',
  run: async (asked, context, signal) => {
    const named = await chosenWarehouse(asked.warehouse, context)
    return await recoverDatabase({ ...asked, warehouse: named, inclusive: inclusiveOf(asked) }, context, signal)
  },
  text: reportText,
})
