// The options that plan and run share.
import { z } from 'zod'

import { whole } from '../../base/config-types.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { stepNames } from '../rates/times.ts'

/** Which repository, and how it is opened. */
export const repositoryInput = {
  repository: z.string().optional().describe('which of the repositories of the warehouse'),
  repositoryPath: z.string().optional().describe('folder of the repository: works without wharf.yaml'),
  repositoryS3: z
    .string()
    .optional()
    .describe(
      'bucket of the repository, s3://BUCKET/PREFIX: works without wharf.yaml; credentials as AWS tools find them',
    ),
  s3Endpoint: z.string().optional().describe("with --repository-s3: URL of the server, where it is not Amazon's"),
  s3Region: z.string().optional().describe('with --repository-s3: region of the bucket'),
  s3PathStyle: z.boolean().optional().describe('with --repository-s3: the bucket stands in the path of the URL'),
  s3Profile: z.string().optional().describe('with --repository-s3: profile of the credentials files of AWS tools'),
  keyFile: z.string().optional().describe('key file of the repository, with --repository-path or --repository-s3'),
  passphraseFile: z.string().optional().describe('file with its passphrase, with --repository-path or --repository-s3'),
} as const

/** Back to when. */
export const targetInput = {
  backup: z.string().optional().describe('id of the backup; default: the newest that leads to the target'),
  latest: z.boolean().optional().describe('target: all that the repository holds'),
  at: z.string().optional().describe('target: a time, for example "2026-11-20 14:05:00+01:00"'),
  lsn: z.string().optional().describe('target: everything before this position of WAL'),
  name: z.string().optional().describe('target: a restore point'),
  xid: z.string().optional().describe('target: with the end of this transaction'),
  beforeLoad: z.string().optional().describe('target: just before the commit of this load'),
  inclusive: z.boolean().optional().describe('whether what stands exactly at the target is included'),
  exclusive: z.boolean().optional().describe('the opposite of --inclusive'),
  timeline: whole(1, 0xffff_ffff).optional().describe('timeline to follow; default: the newest'),
} as const

/** Of what makes a sandbox. */
export const sandboxInput = {
  sandboxDirectory: z.string().optional().describe("folder for the sandbox; default: below wharf's home"),
  binaries: z.string().optional().describe('folder of the PostgreSQL server programs for the sandbox'),
} as const

/** How a table comes back. */
export const tableInput = {
  mode: z
    .enum(['beside', 'swap', 'merge'])
    .default('beside')
    .describe('beside: as NAME_recovered; swap: in place of the live table; merge: missing and changed rows into it'),
  as: z.string().optional().describe('another name for what is left beside'),
  diff: z.boolean().default(false).describe('only show what is missing, changed and new, and leave nothing'),
} as const

export const recoveryInput = {
  warehouse: z.string().min(1).describe('name of the warehouse, as its backups carry it'),
  toDirectory: z.string().min(1).optional().describe('folder to restore into: missing or empty'),
  inPlace: z
    .string()
    .min(1)
    .optional()
    .describe('instead: data directory of the stopped server itself; only what differs is written'),
  ...repositoryInput,
  ...targetInput,
  tablespace: z
    .record(z.string(), z.string())
    .default({})
    .describe('OLD=NEW: where a tablespace goes; default: inside the copy'),
  owner: z.string().optional().describe('as root: user that will run the server'),
  original: z
    .boolean()
    .default(false)
    .describe('replace the original: keep its configuration and its tablespace paths'),
  allowCorrupt: z.boolean().default(false).describe('restore blocks that were damaged at the source as they are'),
  start: z.boolean().default(false).describe('start the server, replay to the target and verify'),
  criticalFirst: z
    .boolean()
    .default(false)
    .describe('with --start: tables of tier critical can be read from a server of their own until everything is back'),
  criticalDirectory: z
    .string()
    .min(1)
    .optional()
    .describe("with --critical-first: folder for that server; default: below wharf's home"),
  verify: z
    .enum(['connect', 'checksums', 'full'])
    .default('checksums')
    .describe('with --start: how much is proven; full runs amcheck'),
} as const

export const planInput = z.strictObject(recoveryInput)
export type PlanInput = z.output<typeof planInput>

/** One of --to-directory and --in-place. */
export function placeOfInput(input: Pick<PlanInput, 'toDirectory' | 'inPlace'>): {
  toDirectory: string
  inPlace: boolean
} {
  const { toDirectory, inPlace } = input
  if (toDirectory !== undefined && inPlace !== undefined) throw errors.twoDirectories(undefined)
  const directory = inPlace ?? toDirectory
  if (directory === undefined) throw errors.noDirectory(undefined)
  return { toDirectory: directory, inPlace: inPlace !== undefined }
}

/** `--inclusive` and `--exclusive` are one question. */
export function inclusiveOf(input: Pick<PlanInput, 'inclusive' | 'exclusive'>): boolean | undefined {
  if (input.exclusive === true) return false
  return input.inclusive
}

const estimate = {
  expectedMs: z.number(),
  lowMs: z.number(),
  highMs: z.number(),
  basis: z.enum(['measured', 'assumed']),
} as const

const walMix = z
  .object({ records: z.number(), imageBytes: z.number(), voidBytes: z.number(), reads: z.number() })
  .describe('what the WAL of a replay consists of')

export const planOutput = z.object({
  warehouse: z.string(),
  repository: z.string(),
  backup: z.object({
    id: z.string(),
    kind: z.string(),
    finishedAt: z.string(),
    stopLsn: z.string(),
    files: z.number(),
  }),
  target: z.object({
    asked: z.string(),
    resolved: z.string(),
    lsn: z.string(),
    timeline: z.number(),
    localZone: z.string().optional(),
  }),
  directory: z.string(),
  mode: z.enum(['copy', 'original']),
  inPlace: z
    .object({
      ownWal: z.object({ files: z.number(), bytes: z.number(), stored: z.boolean() }),
      lostWal: z.array(z.string()),
      goesOn: z.boolean(),
    })
    .optional(),
  owner: z.object({ name: z.string(), because: z.string() }).optional(),
  postgresVersion: z.number(),
  tablespaces: z.array(z.object({ oid: z.number(), name: z.string(), from: z.string(), to: z.string() })),
  wal: z.object({
    fromLsn: z.string(),
    toLsn: z.string(),
    bytes: z.number(),
    rewritten: z.boolean(),
    delivery: z.enum(['repository', 'staged']),
  }),
  steps: z.array(
    z.object({
      step: z.enum(stepNames),
      what: z.string(),
      bytes: z.number(),
      count: z.number().optional(),
      kind: z.string().optional(),
      wal: walMix.optional(),
      ...estimate,
    }),
  ),
  time: z.object(estimate),
  tiers: z
    .array(
      z.object({
        tier: z.enum(['critical', 'standard']),
        bytes: z.number(),
        relations: z.number().optional(),
        ...estimate,
        steps: z
          .array(
            z.object({
              step: z.enum(stepNames),
              bytes: z.number(),
              count: z.number().optional(),
              kind: z.string().optional(),
              wal: walMix.optional(),
              ...estimate,
            }),
          )
          .optional(),
      }),
    )
    .optional()
    .describe('when each tier is back; standard is everything'),
  alternatives: z
    .array(
      z.object({
        backup: z.string(),
        kind: z.string(),
        finishedAt: z.string(),
        bytes: z.number(),
        walBytes: z.number(),
        time: z.object(estimate),
      }),
    )
    .optional(),
  because: z.string().describe('why this backup and none of the others'),
  space: z.array(z.object({ folders: z.array(z.string()), neededBytes: z.number(), freeBytes: z.number() })),
  lost: z.object({
    unlogged: z.object({
      relations: z.array(z.string()),
      bytes: z.number(),
      replay: z
        .object({ loads: z.number(), tables: z.array(z.string()), missing: z.array(z.string()), ...estimate })
        .optional()
        .describe('what kept loads bring back afterwards: wharf recover loads'),
    }),
    scratch: z.object({ relations: z.array(z.string()), bytes: z.number() }),
    transactions: z.object({ count: z.number(), first: z.string(), last: z.string() }).optional(),
    uncounted: z.string().optional(),
    loads: z.array(z.string()),
    hole: z.object({ from: z.string(), to: z.string(), minimal: z.literal(true).optional() }).optional(),
    corrupt: z.array(z.string()),
  }),
  notes: z.array(z.string()),
})
