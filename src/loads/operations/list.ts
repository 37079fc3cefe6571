import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { nextOccurrences } from '../../runs/calendar.ts'
import { runEngine } from '../../runs/contract.ts'
import { pipelinesSection, type PipelineConfig } from '../config.ts'
import { runOutput, runRows, showRun } from '../outputs.ts'

const input = z.object({
  pipeline: z.string().optional().describe('only this pipeline'),
  limit: z.coerce.number().int().min(1).max(1000).default(20).describe('how many runs'),
})

const output = z.object({
  pipelines: z.array(
    z.object({
      name: z.string(),
      warehouse: z.string(),
      tasks: z.array(z.object({ name: z.string(), kind: z.string(), needs: z.array(z.string()) })),
      schedule: z.string().nullable(),
      /** The next three times, ISO 8601. */
      next: z.array(z.string()),
      lastRun: runOutput.nullable(),
    }),
  ),
  runs: z.array(runOutput),
})
type Output = z.output<typeof output>

export const loadList = defineOperation<z.output<typeof input>, Output>({
  name: 'load list',
  summary: 'pipelines, when they run next, and their newest runs',
  input,
  positional: ['pipeline'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'control',
  where: 'here',
  run: async ({ pipeline, limit }, context) => {
    const engine = await context.use(runEngine)
    const declared = Object.entries(context.section(pipelinesSection)).filter(
      ([name]) => pipeline === undefined || name === pipeline,
    )
    const now = new Date(context.clock.now())
    const runs = await engine.list({ ...(pipeline === undefined ? {} : { pipeline }), limit })
    const pipelines = await Promise.all(
      declared.map(async ([name, config]) => {
        const [last] = await engine.list({ pipeline: name, limit: 1 })
        return { name, ...about(config, now), lastRun: last ? showRun(last) : null }
      }),
    )
    return { pipelines, runs: runs.map(showRun) }
  },
  text: ({ pipelines, runs }) => {
    const rows = pipelines.map((one) => [
      one.name,
      one.warehouse,
      one.schedule ?? 'by hand',
      one.next[0] ?? '-',
      one.lastRun?.state ?? 'never',
    ])
    const table = formatTable(['PIPELINE', 'WAREHOUSE', 'SCHEDULE', 'NEXT', 'LAST RUN'], rows)
    return runs.length === 0 ? table : `${table}\n\n${runRows(runs)}`
  },
})

function about(config: PipelineConfig, now: Date): Omit<Output['pipelines'][number], 'name' | 'lastRun'> {
  const tasks = Object.entries(config.tasks).map(([name, task]) => ({
    name,
    kind: kindOf(task),
    needs: [...task.needs],
  }))
  const base = { warehouse: config.warehouse, tasks }
  const { schedule } = config
  if (!schedule) return { ...base, schedule: null, next: [] }
  if ('after' in schedule) return { ...base, schedule: `after ${schedule.after}`, next: [] }
  return {
    ...base,
    schedule: `${schedule.cron} ${schedule.timezone}`,
    next: nextOccurrences(schedule, now, 3).map((at) => at.toISOString()),
  }
}

function kindOf(task: PipelineConfig['tasks'][string]): string {
  if (task.run) return task.run.kind
  return task.sql === undefined ? (task.copy === undefined ? 'command' : 'copy') : 'sql'
}
