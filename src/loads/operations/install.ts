import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { installSql } from '../../warehouse/load-journal.ts'
import { install, isInstalled } from '../journal/schema.ts'

const input = z.object({
  warehouse: z.string().describe('name of the warehouse'),
  database: z.string().optional().describe("default: the database of the warehouse's URL"),
  print: z.boolean().default(false).describe('only print the SQL'),
})

const output = z.object({
  warehouse: z.string(),
  installed: z.enum(['now', 'before', 'printed']),
  sql: z.string().nullable(),
})

export const loadInstall = defineOperation<z.output<typeof input>, z.output<typeof output>>({
  name: 'load install',
  summary: 'create the journal of loads in a warehouse',
  description:
    'Creates the schema "wharf" with the journal, the ledger of files and the fence. The first load does it by itself where its role may create schemas.',
  input,
  positional: ['warehouse'],
  output,
  role: 'admin',
  danger: 'writes',
  errors: ['warehouse.unknown', 'warehouse.unreachable', 'loads.not-installed'],
  needs: 'configuration',
  where: 'here',
  run: async ({ warehouse, database, print }, context, signal) => {
    const target = (await context.use(warehouses)).get(warehouse)
    if (print) return { warehouse, installed: 'printed', sql: installSql }
    await using session = await target.connect({
      purpose: 'load install',
      signal,
      ...(database === undefined ? {} : { database }),
    })
    if (await isInstalled(session)) return { warehouse, installed: 'before', sql: null }
    await install(session, warehouse)
    return { warehouse, installed: 'now', sql: null }
  },
  text: ({ warehouse, installed, sql }) => {
    if (sql !== null) return sql.trimEnd()
    return installed === 'now'
      ? `the journal of loads was created in "${warehouse}"`
      : `the journal of loads is already there in "${warehouse}"`
  },
})
