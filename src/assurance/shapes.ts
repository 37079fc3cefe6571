// Schemas of what assurance answers, for OpenAPI and for checking. They say the same as contract.ts; the compiler holds them to it.
import { z } from 'zod'

import type { History, Status, Timeline } from './contract.ts'

const count = z.number()
const time = z.string()
const orNull = <T extends z.ZodType>(schema: T) => schema.nullable()

const problem = z.object({
  code: z.string(),
  severity: z.enum(['critical', 'warning', 'info']),
  message: z.string(),
  hint: orNull(z.string()),
})
const verdict = z.enum(['protected', 'degraded', 'unprotected', 'unknown', 'none'])
const failure = z.object({ code: z.string(), message: z.string(), hint: orNull(z.string()) })
const range = z.object({ timeline: count, fromLsn: z.string(), toLsn: z.string(), fromTime: time, toTime: time })

const backup = z.object({
  id: z.string(),
  repository: z.string(),
  kind: z.enum(['full', 'differential', 'incremental']),
  parent: orNull(z.string()),
  startedAt: time,
  finishedAt: time,
  startLsn: z.string(),
  stopLsn: z.string(),
  clusterBytes: count,
  readBytes: count,
  newBytes: count,
  storedBytes: count,
  sharedBytes: count,
  durationMs: count,
  corruptBlocks: count,
  unloggedBytes: count,
})

const rpo = z.object({
  ms: orNull(count),
  bytes: orNull(count),
  basis: z.enum(['receiver', 'last-contact', 'window', 'everything', 'unknown']),
  growing: z.boolean(),
  repository: orNull(z.string()),
})
const times = { expectedMs: count, lowMs: count, highMs: count, basis: z.enum(['measured', 'assumed']) } as const
const rto = z.object({
  ...times,
  tiers: z.array(z.object({ tier: z.enum(['critical', 'standard']), bytes: count, ...times })).optional(),
  steps: z.array(z.object({ step: z.string(), bytes: count, bytesPerSecond: count, ms: count })),
})
const receiver = z.object({
  repository: z.string(),
  state: z.enum(['streaming', 'connecting', 'stopped', 'failing', 'silent']),
  timeline: orNull(count),
  durableLsn: orNull(z.string()),
  serverLsn: orNull(z.string()),
  lagBytes: orNull(count),
  lagMs: orNull(count),
  lastMessageAt: orNull(time),
  error: orNull(failure),
})
const loadRun = z.object({
  runId: z.string(),
  pipeline: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  businessDate: orNull(z.string()),
  createdAt: time,
  startedAt: orNull(time),
  finishedAt: orNull(time),
  rows: orNull(count),
  tasksDone: count,
  tasks: count,
  error: orNull(z.object({ code: z.string(), message: z.string(), hint: z.string().optional() })),
})
const proof = z.object({
  at: time,
  backup: z.string(),
  durationMs: count,
  by: z.enum(['recovery', 'drill']).optional(),
})

const warehouse = z.object({
  warehouse: z.string(),
  verdict,
  sentence: z.string(),
  rpo,
  rto: orNull(rto),
  receivers: z.array(receiver),
  window: z.object({ ranges: z.array(range), holes: count }),
  lastBackup: orNull(backup.extend({ ageMs: count })),
  backups: count,
  unlogged: orNull(z.object({ relations: count, bytes: count })),
  lastProof: orNull(proof.extend({ ageMs: count })),
  loads: orNull(z.object({ running: count, queued: count, failed: count, recent: z.array(loadRun) })),
  problems: z.array(problem),
  unknown: z.array(
    z.enum(['wal', 'backups', 'window', 'walRanges', 'checks', 'unlogged', 'estimate', 'proof', 'loads']),
  ),
})

export const statusSchema: z.ZodType<Status> = z.object({
  at: time,
  verdict,
  sentence: z.string(),
  warehouses: z.array(warehouse),
  problems: z.array(problem),
})

export const historySchema: z.ZodType<History> = z.object({
  warehouse: z.string(),
  from: time,
  to: time,
  stepMs: count,
  points: z.array(
    z.object({
      at: time,
      rpoMs: orNull(count),
      lagBytes: orNull(count),
      rtoMs: orNull(count),
      clusterBytes: orNull(count),
      storedBytes: orNull(count),
    }),
  ),
})

export const timelineSchema: z.ZodType<Timeline> = z.object({
  warehouse: z.string(),
  from: time,
  to: time,
  ranges: z.array(range),
  holes: z.array(z.object({ fromTime: time, toTime: time, fromLsn: z.string(), toLsn: z.string() })),
  backups: z.array(backup),
  loads: z.array(
    z.object({
      id: z.string(),
      pipeline: z.string(),
      task: z.string(),
      runId: z.string(),
      committedAt: time,
      rows: count,
      logged: z.boolean(),
      targets: z.array(z.string()),
    }),
  ),
  proof: orNull(proof),
  problems: z.array(problem),
})
