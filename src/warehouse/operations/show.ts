import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatPairs } from '../../base/table.ts'
import { formatSize } from '../../base/units.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { warehouses, type ServerFacts, type WarehouseDeclaration } from '../contract.ts'
import { declarationSchema } from './list.ts'

const output = z.strictObject({
  ...declarationSchema.shape,
  version: z.number().describe('server_version_num'),
  systemIdentifier: z.string(),
  timeline: z.number(),
  inRecovery: z.boolean(),
  dataDirectory: z.string(),
  dataChecksums: z.boolean(),
  walLevel: z.string(),
  walSegmentBytes: z.number(),
  insertLsn: z.string(),
  bytes: z.number(),
  databases: z.array(z.strictObject({ name: z.string(), oid: z.number(), bytes: z.number() })),
  tablespaces: z.array(
    z.strictObject({ name: z.string(), oid: z.number(), location: z.string(), inPlace: z.boolean() }),
  ),
})
type Output = z.output<typeof output>

export const warehouseShow = defineOperation({
  name: 'warehouse show',
  summary: 'show a warehouse and what its server says about itself',
  input: z.strictObject({ name: z.string().describe('Name of the warehouse.') }),
  positional: ['name'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: [
    'warehouse.unknown',
    'warehouse.unreachable',
    'warehouse.unknown-host',
    'warehouse.wrong-password',
    'warehouse.no-database',
    'warehouse.denied',
  ],
  needs: 'configuration',
  where: 'here',
  run: async ({ name }, context, signal) => {
    const warehouse = (await context.use(warehouses)).get(name)
    return outputOf(warehouse.declaration, await warehouse.facts(signal))
  },
  text: (shown) =>
    formatPairs([
      ['warehouse', shown.name],
      ['url', shown.url],
      ['repositories', shown.repositories.join(', ') || '-'],
      ['version', `${Math.floor(shown.version / 10_000)}.${shown.version % 10_000}`],
      ['system identifier', shown.systemIdentifier],
      ['timeline', `${shown.timeline}${shown.inRecovery ? ' (in recovery)' : ''}`],
      ['WAL position', shown.insertLsn],
      ['wal_level', shown.walLevel],
      ['data directory', shown.dataDirectory],
      ['page checksums', shown.dataChecksums ? 'on' : 'off'],
      ['size', formatSize(shown.bytes)],
      ...shown.databases.map((one) => [`  ${one.name}`, formatSize(one.bytes)] as const),
      ...shown.tablespaces.map((one) => [`tablespace ${one.name}`, one.location] as const),
    ]),
})

function outputOf(declaration: WarehouseDeclaration, facts: ServerFacts): Output {
  return {
    ...declaration,
    repositories: [...declaration.repositories],
    version: facts.version,
    systemIdentifier: facts.systemIdentifier.toString(),
    timeline: facts.timeline,
    inRecovery: facts.inRecovery,
    dataDirectory: facts.dataDirectory,
    dataChecksums: facts.dataChecksums,
    walLevel: facts.walLevel,
    walSegmentBytes: facts.walSegmentBytes,
    insertLsn: formatLsn(facts.insertLsn),
    bytes: facts.bytes,
    databases: facts.databases.map(({ name, oid, bytes }) => ({ name, oid, bytes })),
    tablespaces: facts.tablespaces.map(({ name, oid, location, inPlace }) => ({ name, oid, location, inPlace })),
  }
}
