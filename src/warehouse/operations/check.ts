import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { checkWarehouse } from '../check/check.ts'
import { warehouses } from '../contract.ts'

const finding = z.strictObject({
  check: z.string(),
  state: z.enum(['ok', 'warning', 'failed']),
  message: z.string(),
  cure: z.string().optional(),
})

const signs = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' } as const

export const warehouseCheck = defineOperation({
  name: 'warehouse check',
  summary: 'say what a warehouse lacks, and how to get it',
  description: 'Changes nothing on the server. Exit code 10 where something has failed; warnings alone are no failure.',
  input: z.strictObject({
    name: z.string().describe('Name of the warehouse.'),
    source: z
      .enum(['disk', 'sql'])
      .default('disk')
      .describe('How its backups read the data directory: on its own machine, or through SQL.'),
  }),
  positional: ['name'],
  output: z.strictObject({ name: z.string(), findings: z.array(finding) }),
  role: 'operator',
  danger: 'none',
  errors: [
    'warehouse.unknown',
    'warehouse.unreachable',
    'warehouse.unknown-host',
    'warehouse.wrong-password',
    'warehouse.no-database',
    'warehouse.unsupported-version',
  ],
  needs: 'configuration',
  where: 'here',
  run: async ({ name, source }, context, signal) => {
    const warehouse = (await context.use(warehouses)).get(name)
    const findings = await checkWarehouse(warehouse, signal, source)
    return { name, findings: findings.map((one) => ({ ...one })) }
  },
  text: ({ name, findings }) => {
    const width = Math.max(...findings.map((one) => one.check.length))
    const lines = findings.flatMap((one) => [
      `${signs[one.state]}  ${one.check.padEnd(width)}  ${one.message}`,
      ...(one.cure === undefined ? [] : [`         ${' '.repeat(width)}  cure: ${one.cure}`]),
    ])
    const failed = findings.filter((one) => one.state === 'failed').length
    const last = failed === 0 ? `${name} has what it needs` : `${name}: ${failed} of ${findings.length} checks failed`
    return [...lines, last].join('\n')
  },
  exit: ({ findings }) => (findings.some((one) => one.state === 'failed') ? 'findings' : 'ok'),
})
