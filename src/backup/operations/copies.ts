import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { formatSize } from '../../base/units.ts'
import { repositories, type TableCopy } from '../../repository/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'

export const copyOutput = z.strictObject({
  id: z.string(),
  repository: z.string(),
  takenAt: z.string(),
  rows: z.number(),
  bytes: z.number(),
  tables: z.array(
    z.strictObject({
      database: z.string(),
      relation: z.string(),
      rows: z.number(),
      bytes: z.number(),
      sha256: z.string(),
    }),
  ),
  loads: z.array(z.strictObject({ database: z.string(), load: z.string() })),
})
type CopyOutput = z.output<typeof copyOutput>

const output = z.strictObject({ copies: z.array(copyOutput) })

export function shownCopy(repository: string, copy: TableCopy): CopyOutput {
  return {
    id: copy.id,
    repository,
    takenAt: new Date(copy.takenMs).toISOString(),
    rows: copy.tables.reduce((sum, table) => sum + table.rows, 0),
    bytes: copy.tables.reduce((sum, table) => sum + table.bytes, 0),
    tables: copy.tables.map(({ database, schema, name, rows, bytes, sha256 }) => {
      return { database, relation: `${schema}.${name}`, rows, bytes, sha256 }
    }),
    loads: copy.loads.map((one) => ({ ...one })),
  }
}

export const copies = defineOperation({
  name: 'backup copies',
  summary: 'the kept copies of unlogged tables, oldest first',
  input: z.strictObject({ warehouse: declaredName().describe('name of the warehouse in wharf.yaml') }),
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['warehouse.unknown', 'repository.unreachable', 'repository.damaged-object'],
  needs: 'repository',
  where: 'here',
  run: async ({ warehouse }, context, signal): Promise<z.output<typeof output>> => {
    const { declaration } = (await context.use(warehouses)).get(warehouse)
    const service = await context.use(repositories)
    const found: CopyOutput[] = []
    for (const name of declaration.repositories) {
      const repository = await service.open(name, signal)
      found.push(...(await repository.copies.list(warehouse, signal)).map((one) => shownCopy(name, one)))
    }
    return { copies: found.toSorted((one, other) => (one.takenAt < other.takenAt ? -1 : 1)) }
  },
  text: ({ copies: all }) =>
    all.length === 0
      ? 'no copies of unlogged tables'
      : formatTable(
          [
            'COPY',
            'REPOSITORY',
            'TAKEN',
            { title: 'TABLES', right: true },
            { title: 'ROWS', right: true },
            { title: 'SIZE', right: true },
          ],
          all.map((one) => [
            one.id,
            one.repository,
            one.takenAt,
            String(one.tables.length),
            String(one.rows),
            formatSize(one.bytes),
          ]),
        ),
})
