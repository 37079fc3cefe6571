import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { grantStatements, quoteIdentifier } from '../rights.ts'
import { parseConnectionUrl } from '../connection.ts'
import { warehouses } from '../contract.ts'

export const warehouseGrants = defineOperation({
  name: 'warehouse grants',
  summary: 'print the SQL for a role that is not superuser',
  description:
    'Nothing is contacted. Run the SQL as superuser, in the database that it names: rights on functions count per database.',
  input: z.strictObject({
    name: z.string().describe('Name of the warehouse.'),
    role: z
      .string()
      .optional()
      .describe('Role to create; default: the user of its url, or wharf where that is postgres.'),
    source: z
      .enum(['disk', 'sql'])
      .default('disk')
      .describe('How its backups read the data directory: on its own machine, or through SQL.'),
  }),
  positional: ['name'],
  output: z.strictObject({
    role: z.string(),
    database: z.string(),
    statements: z.array(z.string()),
    hba: z.array(z.string()).describe('Lines for pg_hba.conf.'),
  }),
  role: 'operator',
  danger: 'none',
  errors: ['warehouse.unknown'],
  needs: 'configuration',
  where: 'here',
  run: async (input, context) => {
    const { url } = (await context.use(warehouses)).get(input.name).declaration
    const target = parseConnectionUrl(url)
    const role = input.role ?? (target.user === 'postgres' ? 'wharf' : target.user)
    const who = quoteIdentifier(role)
    const where = target.host.startsWith('/') ? 'local' : 'host'
    const from = where === 'local' ? '' : ' ADDRESS_OF_WHARF/32'
    return {
      role,
      database: target.database,
      statements: [...grantStatements(role, target.database, input.source)],
      hba: [`${where} all ${who}${from} scram-sha-256`, `${where} replication ${who}${from} scram-sha-256`],
    }
  },
  text: ({ role, database, statements, hba }) =>
    [
      `-- as superuser, in the database ${quoteIdentifier(database)}; then give it a password: \\password ${quoteIdentifier(role)}`,
      ...statements,
      '-- in pg_hba.conf, before lines that match more; then SELECT pg_reload_conf();',
      ...hba.map((line) => `--   ${line}`),
    ].join('\n'),
})
