// What the operations of this room return, and how a terminal shows it.
import { z } from 'zod'

import { toJson } from '../base/json.ts'
import { formatPairs, formatTable } from '../base/table.ts'
import { formatDuration, formatSize } from '../base/units.ts'
import type { RunView, TaskView } from '../runs/contract.ts'

const time = z.iso.datetime().nullable()

const taskOutput = z.object({
  name: z.string(),
  kind: z.string(),
  needs: z.array(z.string()),
  state: z.enum(['waiting', 'ready', 'running', 'succeeded', 'failed', 'skipped', 'cancelled']),
  attempts: z.number(),
  startedAt: time,
  finishedAt: time,
  progress: z.record(z.string(), z.unknown()).nullable(),
  result: z.unknown(),
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
})

export const runOutput = z.object({
  id: z.string(),
  pipeline: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  trigger: z.enum(['manual', 'schedule', 'after', 'http']),
  businessDate: z.string().nullable(),
  actor: z.string(),
  createdAt: z.iso.datetime(),
  startedAt: time,
  finishedAt: time,
  tasks: z.array(taskOutput),
})
export type RunOutput = z.output<typeof runOutput>

export function showRun(run: RunView): RunOutput {
  return {
    id: run.id,
    pipeline: run.pipeline,
    state: run.state,
    trigger: run.trigger,
    businessDate: run.businessDate ?? null,
    actor: run.actor,
    createdAt: run.createdAt.toISOString(),
    startedAt: iso(run.startedAt),
    finishedAt: iso(run.finishedAt),
    tasks: run.tasks.map(showTask),
  }
}

function showTask(task: TaskView): RunOutput['tasks'][number] {
  return {
    name: task.name,
    kind: task.kind,
    needs: [...task.needs],
    state: task.state,
    attempts: task.attempts,
    startedAt: iso(task.startedAt),
    finishedAt: iso(task.finishedAt),
    progress: task.progress ? { ...task.progress } : null,
    result: task.result ?? null,
    error: task.error ? { ...task.error } : null,
  }
}

function iso(at: Date | undefined): string | null {
  return at?.toISOString() ?? null
}

/** A run with its tasks, for people. */
export function runText(run: RunOutput): string {
  const head = formatPairs([
    ['run', run.id],
    ['pipeline', run.pipeline],
    ['state', run.state],
    ...(run.businessDate === null ? [] : [['business date', run.businessDate] as const]),
    ['started', run.startedAt ?? 'not yet'],
    ['took', took(run)],
  ])
  const rows = run.tasks.map((task) => [
    task.name,
    task.kind,
    task.state,
    took(task),
    String(task.attempts),
    task.error?.message ?? resultText(task.result),
  ])
  return `${head}\n\n${formatTable(['TASK', 'KIND', 'STATE', { title: 'TOOK', right: true }, { title: 'TRIES', right: true }, 'RESULT'], rows)}`
}

export function took(one: { startedAt: string | null; finishedAt: string | null }): string {
  if (one.startedAt === null || one.finishedAt === null) return '-'
  return formatDuration(Date.parse(one.finishedAt) - Date.parse(one.startedAt))
}

const counts = z.object({
  files: z.number().optional(),
  rows: z.number(),
  bytes: z.number().optional(),
  refused: z.array(z.unknown()).optional(),
})

/** One line of a task's result. */
function resultText(result: unknown): string {
  if (result === null || result === undefined) return ''
  const known = counts.safeParse(result)
  if (!known.success) return toJson(result).slice(0, 80)
  const { files, rows, bytes, refused } = known.data
  const parts = [
    ...(files === undefined ? [] : [`${files} ${files === 1 ? 'file' : 'files'}`]),
    `${rows} rows`,
    ...(bytes === undefined ? [] : [formatSize(bytes)]),
    ...(refused && refused.length > 0 ? [`${refused.length} refused`] : []),
  ]
  return parts.join(', ')
}

export const runRows = (runs: readonly RunOutput[]): string =>
  formatTable(
    ['RUN', 'PIPELINE', 'STATE', 'TRIGGER', 'CREATED', { title: 'TOOK', right: true }],
    runs.map((run) => [run.id, run.pipeline, run.state, run.trigger, run.createdAt, took(run)]),
  )
