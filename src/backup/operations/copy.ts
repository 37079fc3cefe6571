import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatSize } from '../../base/units.ts'
import { runCopy, type TakenCopy } from '../run-copy.ts'
import { copyOutput, shownCopy } from './copies.ts'

const output = z.strictObject({
  warehouse: z.string(),
  copies: z.array(copyOutput.extend({ removed: z.array(z.string()) })),
})
type Output = z.output<typeof output>

export const copy = defineOperation({
  name: 'backup copy',
  summary: 'keep a copy of unlogged tables, which backups cannot protect',
  description: [
    'Stores the rows of unlogged tables in every repository of the warehouse, each database in one snapshot. Which: those of backup.<warehouse>.unlogged.copy, or those named with --table. `wharf up` does it by itself after each load that is not logged and wrote one of them.',
    '`wharf recover copies` brings them back.',
    'wharf backup copy retail\nwharf backup copy retail --table "stage.*"',
  ].join('\n\n'),
  input: z.strictObject({
    warehouse: declaredName().describe('name of the warehouse in wharf.yaml'),
    table: z
      .array(z.string())
      .optional()
      .describe('schema.table or database.schema.table, with *; instead of those of wharf.yaml'),
  }),
  positional: ['warehouse'],
  output,
  role: 'operator',
  danger: 'writes',
  errors: ['backup.nothing-to-copy', 'backup.no-repository', 'repository.unreachable'],
  needs: 'repository',
  where: 'run',
  run: async ({ warehouse, table }, context, signal): Promise<Output> => {
    const report = (event: Parameters<typeof context.progress>[0]): void => context.progress(event)
    const taken = await runCopy({ warehouse, patterns: table }, context, { report, signal })
    return { warehouse, copies: taken.map(shownTaken) }
  },
  text: ({ copies }) =>
    copies
      .flatMap((one) => [
        `copy ${one.id} in ${one.repository}: ${one.tables.length} tables, ${one.rows} rows, ${formatSize(one.bytes)}`,
        ...one.removed.map((id) => `  removed ${id}: newer ones hold the same tables`),
      ])
      .join('\n'),
})

function shownTaken({ repository, copy: taken, removed }: TakenCopy): Output['copies'][number] {
  return { ...shownCopy(repository, taken), removed: [...removed] }
}
