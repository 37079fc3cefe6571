// Runs of every kind over HTTP and on the command line: what an answer 202 names can be looked at here.
import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { serviceKey, type Context } from '../../base/room.ts'
import { formatDuration } from '../../base/units.ts'
import type { RunEngine, RunView } from '../../runs/contract.ts'
import type { RunJson } from '../contract.ts'
import { errors } from '../errors.ts'

const runEngine = serviceKey<RunEngine>('run engine')

const when = z.string().nullable()
const failure = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() })
const states = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const
const progress = z.object({
  phase: z.string(),
  done: z.number().optional(),
  total: z.number().optional(),
  unit: z.enum(['bytes', 'count']).optional(),
  note: z.string().optional(),
  rate: z.number().optional(),
  leftMs: z.number().optional(),
})
const task = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.string(),
  needs: z.array(z.string()),
  state: z.enum(['waiting', 'ready', 'running', 'succeeded', 'failed', 'skipped', 'cancelled']),
  attempts: z.number(),
  startedAt: when,
  finishedAt: when,
  progress: progress.nullable(),
  result: z.unknown(),
  error: failure.nullable(),
})
const run = z.object({
  id: z.string(),
  pipeline: z.string(),
  state: z.enum(states),
  trigger: z.enum(['manual', 'schedule', 'after', 'http']),
  businessDate: when,
  actor: z.string(),
  createdAt: z.string(),
  startedAt: when,
  finishedAt: when,
  tasks: z.array(task),
})

const iso = (time: Date | undefined): string | null => time?.toISOString() ?? null

/** A run as JSON: times as text, nothing undefined. */
export function runJson(view: RunView): RunJson {
  return {
    id: view.id,
    pipeline: view.pipeline,
    state: view.state,
    trigger: view.trigger,
    businessDate: view.businessDate ?? null,
    actor: view.actor,
    createdAt: view.createdAt.toISOString(),
    startedAt: iso(view.startedAt),
    finishedAt: iso(view.finishedAt),
    tasks: view.tasks.map((one) => ({
      id: one.id,
      name: one.name,
      kind: one.kind,
      needs: one.needs,
      state: one.state,
      attempts: one.attempts,
      startedAt: iso(one.startedAt),
      finishedAt: iso(one.finishedAt),
      progress: one.progress ?? null,
      result: one.result ?? null,
      error: one.error ?? null,
    })),
  }
}

function line(one: RunJson): string {
  const end = one.finishedAt ?? one.startedAt
  const took =
    one.startedAt && one.finishedAt ? formatDuration(Date.parse(one.finishedAt) - Date.parse(one.startedAt)) : ''
  return [one.id, one.state.padEnd(9), one.pipeline, one.businessDate ?? '', end ?? one.createdAt, took]
    .join('  ')
    .trimEnd()
}

const common = { needs: 'control', where: 'here', errors: ['server.unknown-run'] } as const

export const runList = defineOperation({
  ...common,
  name: 'run list',
  summary: 'list the newest runs of every kind: loads, backups, operations',
  input: z.strictObject({
    pipeline: z.string().optional().describe('Only runs of this pipeline or operation'),
    states: z.array(z.enum(states)).optional().describe('Only runs in these states'),
    limit: z.number().int().min(1).max(500).default(50).describe('At most so many'),
  }),
  output: z.object({ runs: z.array(run) }),
  role: 'viewer',
  danger: 'none',
  run: async (input, context) => {
    const engine = await context.use(runEngine)
    const { pipeline, states: wanted, limit } = input
    const found = await engine.list({
      limit,
      ...(pipeline === undefined ? {} : { pipeline }),
      ...(wanted === undefined ? {} : { states: wanted }),
    })
    return { runs: found.map(runJson) as never }
  },
  text: ({ runs }) => (runs.length === 0 ? 'no runs yet' : (runs as readonly RunJson[]).map(line).join('\n')),
})

const named = z.strictObject({ run: z.string().describe('Id of the run') })

async function find(context: Context, id: string): Promise<RunJson> {
  const engine = await context.use(runEngine)
  const view = await engine.get(id)
  if (!view) throw errors.unknownRun(id)
  return runJson(view)
}

export const runShow = defineOperation({
  ...common,
  name: 'run show',
  summary: 'show one run with its tasks',
  input: named,
  positional: ['run'],
  output: run,
  role: 'viewer',
  danger: 'none',
  run: async (input, context) => (await find(context, input.run)) as never,
  text: (one) => {
    const view = one as RunJson
    const tasks = view.tasks.map(
      (t) => `  ${t.state.padEnd(9)}  ${t.name} (${t.kind})${t.error ? `  ${t.error.message}` : ''}`,
    )
    return [line(view), ...tasks].join('\n')
  },
})

export const runLog = defineOperation({
  ...common,
  name: 'run log',
  summary: 'show the log lines of a run',
  input: named.extend({ after: z.string().regex(/^\d+$/).optional().describe('Only lines after this one') }),
  positional: ['run'],
  output: z.object({
    lines: z.array(z.object({ line: z.string(), task: z.string(), at: z.string(), text: z.string() })),
    next: z.string(),
  }),
  role: 'viewer',
  danger: 'none',
  run: async (input, context) => {
    await find(context, input.run)
    const engine = await context.use(runEngine)
    const found = await engine.log(input.run, input.after === undefined ? {} : { afterLine: BigInt(input.after) })
    const lines = found.map((one) => ({
      line: one.line.toString(),
      task: one.task,
      at: one.at.toISOString(),
      text: one.text,
    }))
    return { lines, next: lines.at(-1)?.line ?? input.after ?? '0' }
  },
  text: ({ lines }) => lines.map((one) => `${one.at}  ${one.task}  ${one.text}`).join('\n'),
})

export const runCancel = defineOperation({
  ...common,
  name: 'run cancel',
  summary: 'cancel a run: tasks under way are stopped, also in the warehouse',
  input: named,
  positional: ['run'],
  output: run,
  role: 'operator',
  danger: 'writes',
  run: async (input, context) => {
    await find(context, input.run)
    const engine = await context.use(runEngine)
    await engine.cancel(input.run, context.actor)
    return (await find(context, input.run)) as never
  },
  text: (one) => line(one as RunJson),
})

export const runRetry = defineOperation({
  ...common,
  name: 'run retry',
  summary: 'try the failed and cancelled tasks of a run again',
  input: named,
  positional: ['run'],
  output: run,
  role: 'operator',
  danger: 'writes',
  run: async (input, context) => {
    await find(context, input.run)
    const engine = await context.use(runEngine)
    await engine.retry(input.run, context.actor)
    return (await find(context, input.run)) as never
  },
  text: (one) => line(one as RunJson),
})
