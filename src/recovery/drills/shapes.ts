// The shape of evidence and archive in JSON, for the operations. The compiler holds it to the types.
import { z } from 'zod'

import { stepNames } from '../rates/times.ts'
import type { Evidence } from './evidence.ts'

const prediction = z.object({
  expectedMs: z.number(),
  lowMs: z.number(),
  highMs: z.number(),
  basis: z.enum(['measured', 'assumed']).optional(),
})
const finding = z.object({
  check: z.string(),
  message: z.string(),
  file: z.string().optional(),
  blocks: z.string().optional(),
  relation: z.string().optional(),
})
const proof = z.object({
  replayedTo: z.string().nullable(),
  databases: z.array(z.string()),
  pages: z.object({ files: z.number(), bytes: z.number(), checksums: z.boolean() }).nullable(),
  amcheck: z.object({ tables: z.number(), indexes: z.number(), withoutAmcheck: z.array(z.string()) }).nullable(),
  visibility: z.object({ tables: z.number(), withoutExtension: z.array(z.string()) }).nullable(),
  journal: z.object({ committedByWal: z.number(), inJournal: z.number(), entries: z.number() }).nullable(),
  counts: z.array(
    z.object({
      database: z.string(),
      table: z.string(),
      rows: z.string(),
      sums: z.array(z.object({ column: z.string(), sum: z.string().nullable() })),
    }),
  ),
  queries: z.array(
    z.object({
      name: z.string(),
      database: z.string(),
      expected: z.string(),
      found: z.string(),
      passed: z.boolean(),
    }),
  ),
})

export const evidenceSchema = z.object({
  version: z.literal(1),
  number: z.number(),
  previous: z.string(),
  id: z.string(),
  warehouse: z.string(),
  tier: z.enum(['all', 'critical']),
  trigger: z.enum(['command', 'schedule']),
  actor: z.string(),
  host: z.string(),
  startedAt: z.string(),
  finishedAt: z.string(),
  outcome: z.enum(['passed', 'failed', 'cancelled', 'interrupted']),
  repository: z.string().nullable(),
  backup: z.string().nullable(),
  postgresVersion: z.number().nullable(),
  target: z.object({ asked: z.string(), resolved: z.string(), lsn: z.string(), timeline: z.number() }).nullable(),
  recoveryMs: z.number().nullable(),
  predicted: prediction.nullable(),
  steps: z.array(
    z.object({
      step: z.enum(stepNames),
      bytes: z.number(),
      ms: z.number(),
      count: z.number().optional(),
      kind: z.string().optional(),
      predicted: prediction.optional(),
    }),
  ),
  durationMs: z.number(),
  proof,
  coverage: z
    .object({
      tables: z.number(),
      ofTables: z.number(),
      bytes: z.number(),
      ofBytes: z.number(),
      names: z.array(z.string()),
      unreadable: z.array(z.string()),
    })
    .optional(),
  findings: z.array(finding),
  notes: z.array(z.string()),
}) as z.ZodType<Evidence>
