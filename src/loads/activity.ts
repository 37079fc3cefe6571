// The service `load activity`: the newest runs of the pipelines that write to a warehouse, for the status.
import type { Context } from '../base/room.ts'
import { runEngine, type RunView, type TaskView } from '../runs/contract.ts'
import { pipelinesSection } from './config.ts'
import type { LoadActivity, LoadRun } from './contract.ts'

export async function openActivity(context: Context): Promise<LoadActivity> {
  const engine = await context.use(runEngine)
  const warehouseOf = new Map(
    Object.entries(context.section(pipelinesSection)).map(([name, config]) => [name, config.warehouse]),
  )
  return {
    recent: async (warehouse, { limit }) => {
      const names = [...warehouseOf].filter(([, one]) => one === warehouse).map(([name]) => name)
      const lists = await Promise.all(names.map((pipeline) => engine.list({ pipeline, limit })))
      return lists
        .flat()
        .toSorted((one, other) => other.createdAt.getTime() - one.createdAt.getTime())
        .slice(0, limit)
        .map(loadRun)
    },
  }
}

function loadRun(run: RunView): LoadRun {
  return {
    runId: run.id,
    pipeline: run.pipeline,
    state: run.state,
    businessDate: run.businessDate,
    createdAt: run.createdAt.toISOString(),
    startedAt: run.startedAt?.toISOString(),
    finishedAt: run.finishedAt?.toISOString(),
    rows: rowsOf(run.tasks),
    tasksDone: run.tasks.filter((task) => task.state === 'succeeded').length,
    tasks: run.tasks.length,
    error: run.tasks.find((task) => task.error !== undefined)?.error,
  }
}

/** Rows that tasks say they brought in; undefined where none says. */
function rowsOf(tasks: readonly TaskView[]): number | undefined {
  const told = tasks.map((task) => (task.result as { rows?: unknown } | null | undefined)?.rows)
  const rows = told.filter((one) => typeof one === 'number')
  return rows.length === 0 ? undefined : rows.reduce((sum, one) => sum + one, 0)
}
