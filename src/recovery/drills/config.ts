// `drills:` of wharf.yaml: for each warehouse when its recovery is rehearsed, where, and what must be true afterwards.
import { z } from 'zod'

import { cron, declaredName, duration, timezone } from '../../base/config-types.ts'
import { suggestion } from '../../base/nearest.ts'
import type { ConfigFinding, ConfigSection } from '../../base/room.ts'

export const verifySchema = z.enum(['connect', 'checksums', 'full'])
export const tierSchema = z.enum(['all', 'critical'])
export const countsSchema = z.enum(['journal', 'all', 'none'])

const checkQuery = z
  .strictObject({
    database: z.string().min(1).describe('the database that it runs in'),
    sql: z.string().min(1).describe('a query; the first column of its first row is the answer'),
    expect: z.union([z.string(), z.number(), z.boolean()]).optional().describe('the answer, as text; default: true'),
    at_least: z.number().optional().describe('the answer is a number no smaller than this'),
    at_most: z.number().optional().describe('the answer is a number no larger than this'),
    timeout: duration().prefault('10m').describe('how long it may take'),
  })
  .refine((one) => one.expect === undefined || (one.at_least === undefined && one.at_most === undefined), {
    path: ['expect'],
    message: 'give either expect or at_least and at_most',
  })
export type CheckQuery = z.output<typeof checkQuery>

const schedule = z.strictObject({
  cron: cron(),
  timezone: timezone(),
  target: z
    .enum(['latest', 'random'])
    .default('latest')
    .describe('recover to the end of WAL, or to a moment of the recoverable window that is drawn by lot'),
  tier: tierSchema.default('all').describe('recover everything, or only the tables of tier critical'),
  verify: verifySchema.optional().describe('how much is proven; default: that of the warehouse'),
  missed: z
    .enum(['skip', 'last'])
    .default('last')
    .describe('what to do with times missed while nothing ran: none, or only the last'),
})

const roles = z
  .strictObject({
    lead: z.string().optional().describe('decides, and says when it is over'),
    operator: z.string().optional().describe('types the commands'),
    platform: z.string().optional().describe('machines, disks, network, access to the repository'),
    owner: z.string().optional().describe('knows what the data must look like'),
    messenger: z.string().optional().describe('tells everybody else'),
  })
  .prefault({})

const policy = z.strictObject({
  folder: z
    .string()
    .min(1)
    .optional()
    .describe(
      'where sandboxes are made and removed: room for the whole warehouse; default: drills/sandboxes under home',
    ),
  repository: declaredName().optional().describe('recover from this one; default: as a recovery chooses'),
  binaries: z.string().min(1).optional().describe('folder of the PostgreSQL server programs'),
  owner: z.string().min(1).optional().describe('as root: user that runs the sandbox'),
  verify: verifySchema.default('full').describe('how much is proven; full runs amcheck and looks at visibility maps'),
  counts: countsSchema
    .default('journal')
    .describe('rows and sums that are kept as evidence: of tables that loads write, of all, or of none'),
  settings: z
    .record(z.string(), z.string())
    .default({})
    .describe('settings of the sandbox, for example shared_buffers where memory is short'),
  checks: z.record(z.string().min(1), checkQuery).default({}).describe('queries that must hold after a recovery'),
  roles: roles.describe('people, for the run sheet'),
  schedules: z.record(declaredName(), schedule).default({}).describe('when drills run by themselves'),
})

const schema = z.record(declaredName(), policy).prefault({})

export type DrillsConfig = z.output<typeof schema>
export type DrillPolicy = z.output<typeof policy>

export const defaultDrillPolicy: DrillPolicy = policy.parse({})

export const drillsSection: ConfigSection<DrillsConfig> = { key: 'drills', schema, check: checkNames }

function checkNames(value: DrillsConfig, all: Readonly<Record<string, unknown>>): readonly ConfigFinding[] {
  const warehouses = namesOf(all['warehouses'])
  const repositories = namesOf(all['repositories'])
  const demand = (kind: string, name: string, at: { known: readonly string[]; path: readonly string[] }) => {
    if (at.known.includes(name)) return []
    const hint = suggestion(name, at.known)
    return [{ path: at.path, message: `no ${kind} is called "${name}"`, ...(hint === undefined ? {} : { hint }) }]
  }
  return Object.entries(value).flatMap(([name, { repository }]) => [
    ...demand('warehouse', name, { known: warehouses, path: ['drills', name] }),
    ...(repository === undefined
      ? []
      : demand('repository', repository, { known: repositories, path: ['drills', name, 'repository'] })),
  ])
}

function namesOf(section: unknown): readonly string[] {
  return typeof section === 'object' && section !== null ? Object.keys(section) : []
}
