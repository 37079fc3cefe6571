import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatSize } from '../../base/units.ts'
import { restoreCopies } from '../run-copies.ts'
import { recoveryInput } from './options.ts'

const { warehouse, repository, repositoryPath, keyFile, passphraseFile } = recoveryInput

const output = z.strictObject({
  tables: z.array(
    z.strictObject({
      database: z.string(),
      relation: z.string(),
      rows: z.number(),
      bytes: z.number(),
      copy: z.string(),
      takenAt: z.string(),
    }),
  ),
})

export const copies = defineOperation({
  name: 'recover copies',
  summary: 'bring kept copies of unlogged tables back into a recovered server',
  description: [
    'Unlogged tables come back empty. Where copies of them were kept (`wharf backup copy`), this fills them: each database in one transaction, and every row is read back and compared before it commits. Of each table the newest copy is taken, or that of --copy.',
    'A table with other columns, or with rows (unless --overwrite), is refused and nothing is changed.',
    'wharf recover copies retail --to postgresql://postgres@127.0.0.1:5433/postgres',
  ].join('\n\n'),
  input: z.strictObject({
    warehouse,
    to: z.string().min(1).describe('URL of the recovered server'),
    passwordFile: z.string().optional().describe('file whose first line is the password'),
    copy: z.string().optional().describe('id of the copy; default: of each table the newest'),
    table: z.array(z.string()).optional().describe('only this table: schema.table or database.schema.table'),
    overwrite: z.boolean().default(false).describe('replace rows that are there'),
    repository,
    repositoryPath,
    keyFile,
    passphraseFile,
  }),
  positional: ['warehouse'],
  output,
  role: 'admin',
  danger: 'writes',
  errors: [
    'recovery.no-copy',
    'recovery.table-not-empty',
    'recovery.other-columns',
    'recovery.copy-differs',
    'repository.damaged-object',
  ],
  needs: 'repository',
  where: 'run',
  run: async (input, context, signal): Promise<z.output<typeof output>> => {
    const tables = await restoreCopies(input, context, { report: (event) => context.progress(event), signal })
    return { tables: tables.map((one) => ({ ...one })) }
  },
  text: ({ tables }) =>
    formatTable(
      ['TABLE', { title: 'ROWS', right: true }, { title: 'SIZE', right: true }, 'COPY', 'AS OF'],
      tables.map((one) => [
        `${one.database}.${one.relation}`,
        String(one.rows),
        formatSize(one.bytes),
        one.copy,
        one.takenAt,
      ]),
    ),
})
