// Runs for /metrics, counted from the tables when asked.
import type { MetricFamily, MetricSource } from '../base/room.ts'
import { controlDatabase } from '../control/contract.ts'

const families = [
  {
    name: 'wharf_runs',
    help: 'Runs by pipeline and state, of those that ended in the last 24 hours or have not ended.',
    sql: `select pipeline, state, count(*) as value from runs.run
          where state in ('queued', 'running') or finished_at > clock_timestamp() - interval '24 hours' group by 1, 2`,
  },
  {
    name: 'wharf_run_last_success_timestamp_seconds',
    help: 'When the newest successful run of a pipeline ended.',
    sql: `select pipeline, extract(epoch from max(finished_at)) as value from runs.run where state = 'succeeded' group by 1`,
  },
  {
    name: 'wharf_run_oldest_waiting_seconds',
    help: 'How long the oldest task that could run has waited for a worker.',
    sql: `select r.pipeline, max(extract(epoch from clock_timestamp() - t.ready_at)) as value
          from runs.task t join runs.run r on r.id = t.run_id where t.state = 'ready' and t.ready_at <= clock_timestamp() group by 1`,
  },
  {
    name: 'wharf_tasks_running',
    help: 'Tasks that hold a lease.',
    sql: `select kind, count(*) as value from runs.task where state = 'running' group by 1`,
  },
] as const

export const runMetrics: MetricSource = {
  name: 'runs',
  gather: async (context): Promise<readonly MetricFamily[]> => {
    const control = await context.use(controlDatabase)
    return await Promise.all(
      families.map(async ({ name, help, sql }) => {
        const rows = await control.query<Record<string, unknown>>(sql)
        const samples = rows.map(({ value, ...labels }) => ({ labels: texts(labels), value: Number(value) }))
        return { name, help, type: 'gauge' as const, samples }
      }),
    )
  },
}

function texts(labels: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]))
}
