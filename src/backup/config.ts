// `backup:` of wharf.yaml: for each warehouse how and when it is backed up.
import { z } from 'zod'

import { cron, declaredName, duration, size, textType, timezone, whole } from '../base/config-types.ts'
import { suggestion } from '../base/nearest.ts'
import type { ConfigFinding, ConfigSection } from '../base/room.ts'
import { systemSchemasOf } from './plan/tiers.ts'
import { patternProblem } from './unlogged/patterns.ts'
import { fullSource, sourceSchema, throttleSchema } from './source-config.ts'
import { retentionSchema } from './retention/config.ts'

export const kindSchema = z
  .enum(['full', 'differential', 'incremental'])
  .describe(
    'full reads everything but what is proven static; differential shares with the last full backup, incremental with the newest of all',
  )

const common = {
  kind: kindSchema.default('incremental'),
  independent: z
    .boolean()
    .default(false)
    .describe('a full backup that shares nothing with any other, and proves nothing static'),
  missed: z
    .enum(['skip', 'last'])
    .default('last')
    .describe('what to do with times missed while nothing ran: none, or only the last'),
}

const schedule = z.union([
  z.strictObject({ cron: cron(), timezone: timezone(), ...common }),
  z.strictObject({ after: declaredName().describe('the pipeline whose success starts the backup'), ...common }),
])

const unlogged = z
  .strictObject({
    wait: duration()
      .prefault('2h')
      .describe('how long a backup waits for loads that are not logged before it gives up'),
    copy: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'unlogged tables of which a copy is kept after each load that is not logged: schema.table or database.schema.table, with *',
      ),
    keep: whole(1, 100).default(2).describe('how many complete copies are kept'),
  })
  .prefault({})

/** `1/90`, `1%`, `0.5%`, `0`: a share from 0 to 1. */
function share(): z.ZodType<number, string> {
  return textType(z.string(), { name: 'SHARE', write: (value) => `${Number(value) * 100}%` }, (text) => {
    const part = /^(\d+)\/(\d+)$/.exec(text)
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)
    const value = part ? Number(part[1]) / Number(part[2]) : percent ? Number(percent[1]) / 100 : text === '0' ? 0 : NaN
    if (!(value >= 0 && value <= 1)) throw new Error(`${text} is no share: write 1/90, 1% or 0`)
    return value
  })
}

const audit = z.strictObject({
  share_per_day: share().prefault('1/90').describe('share of the cluster that is compared in a day; 0: none'),
  bytes_per_second: size().optional().describe('at most this fast'),
})

const pattern = z.string().min(1)
const tierRule = z
  .strictObject({
    match: z
      .strictObject({ database: pattern.optional(), schema: pattern.optional(), relation: pattern.optional() })
      .describe('patterns with * and ?; what is left out matches everything'),
    tier: z
      .enum(['critical', 'standard', 'scratch'])
      .describe('how much it matters; scratch is left out of backups: it comes back empty'),
    defer: duration()
      .optional()
      .describe(
        'increments read changed blocks at most so often: in between they keep the image of an older backup, and a restore replays all WAL since then; full backups read everything',
      ),
  })
  .refine((one) => one.defer === undefined || one.tier !== 'scratch', {
    path: ['defer'],
    message: 'scratch is left out of backups: there is no reading to defer',
  })
  .refine((one) => one.defer === undefined || one.defer > 0, { path: ['defer'], message: 'must be more than 0' })

const policy = z.strictObject({
  schedules: z.record(declaredName(), schedule).default({}).describe('name of the schedule: when, and which kind'),
  workers: whole(1, 64).optional().describe('threads that copy; default: one per core, at most 4'),
  checkpoint: z
    .enum(['fast', 'spread'])
    .default('fast')
    .describe('whether the server writes its checkpoint at once, or spreads it over checkpoint_completion_target'),
  tiers: z
    .array(tierRule)
    .default([])
    .describe('the most specific rule that matches a table holds: relation before schema before database'),
  audit: audit.prefault({}).describe('how much of what has not changed is compared with its stored image'),
  repository: declaredName()
    .optional()
    .describe('back up into this one alone; default: into every one of the warehouse'),
  unlogged,
  source: sourceSchema,
  throttle: throttleSchema,
  retention: retentionSchema,
})

const schema = z.record(declaredName(), policy).prefault({})

export type BackupConfig = z.output<typeof schema>
export type BackupPolicy = z.output<typeof policy>

/** What holds for a warehouse without an entry. */
export const defaultPolicy: BackupPolicy = policy.parse({})

export const backupSection: ConfigSection<BackupConfig> = { key: 'backup', schema, check: checkNames }

function checkNames(value: BackupConfig, all: Readonly<Record<string, unknown>>): readonly ConfigFinding[] {
  const warehouses = namesOf(all['warehouses'])
  const pipelines = namesOf(all['pipelines'])
  const findings: ConfigFinding[] = []
  const demand = (kind: string, name: string, known: readonly string[], path: readonly string[]): void => {
    if (known.includes(name)) return
    const hint = suggestion(name, known)
    findings.push({ path, message: `no ${kind} is called "${name}"`, ...(hint === undefined ? {} : { hint }) })
  }
  for (const [name, one] of Object.entries(value)) {
    demand('warehouse', name, warehouses, ['backup', name])
    if (one.repository !== undefined) {
      demand('repository', one.repository, repositoriesOf(all['warehouses'], name), ['backup', name, 'repository'])
    }
    if (fullSource(one.source).from === 'standby' && !hasStandby(all['warehouses'], name)) {
      findings.push({
        path: ['backup', name, 'source'],
        message: `the warehouse "${name}" names no standby`,
        hint: `add warehouses.${name}.standby with its URL`,
      })
    }
    for (const [index, pattern] of one.unlogged.copy.entries()) {
      const problem = patternProblem(pattern)
      if (problem !== undefined) findings.push({ path: ['backup', name, 'unlogged', 'copy', index], message: problem })
    }
    for (const [at, { match }] of one.tiers.entries()) {
      const [system] = match.schema === undefined ? [] : systemSchemasOf(match.schema)
      if (system === undefined) continue
      findings.push({
        path: ['backup', name, 'tiers', String(at), 'match', 'schema'],
        message: `the pattern "${match.schema}" matches the system schema ${system}, which no tier may name`,
        hint: 'system catalogs are always protected; name schemas of your own',
      })
    }
    for (const [schedule, when] of Object.entries(one.schedules)) {
      if ('after' in when) demand('pipeline', when.after, pipelines, ['backup', name, 'schedules', schedule, 'after'])
    }
  }
  return findings
}

function namesOf(section: unknown): readonly string[] {
  return typeof section === 'object' && section !== null ? Object.keys(section) : []
}

function hasStandby(warehouses: unknown, name: string): boolean {
  return (warehouses as Readonly<Record<string, { standby?: unknown }>> | undefined)?.[name]?.standby !== undefined
}

/** Names of the repositories of one warehouse, as far as the section has the shape that we expect. */
function repositoriesOf(warehouses: unknown, name: string): readonly string[] {
  const one = (warehouses as Readonly<Record<string, { repositories?: unknown }>> | undefined)?.[name]
  if (!Array.isArray(one?.repositories)) return []
  return one.repositories.flatMap((item: unknown) => {
    const named = typeof item === 'object' && item !== null ? (item as { name?: unknown }).name : item
    return typeof named === 'string' ? [named] : []
  })
}
