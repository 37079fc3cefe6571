// Runs as others see them.
import type { Progress } from '../base/operation.ts'
import type { RunState, RunView, TaskState, TaskView } from './contract.ts'
import type { EngineParts } from './parts.ts'

interface RunRow {
  id: string
  pipeline: string
  state: RunState
  trigger: RunView['trigger']
  business_date: string | null
  actor: string
  created_at: Date
  started_at: Date | null
  finished_at: Date | null
}

interface TaskRow {
  id: string | bigint
  run_id: string
  name: string
  kind: string
  needs: string[]
  state: TaskState
  attempts: number
  started_at: Date | null
  finished_at: Date | null
  progress: Progress | null
  result: unknown
  error: TaskView['error'] | null
}

const runColumns = 'id, pipeline, state, trigger, business_date, actor, created_at, started_at, finished_at'

export async function getRun(parts: EngineParts, runId: string): Promise<RunView | undefined> {
  const runs = await parts.control.query<RunRow>(`select ${runColumns} from runs.run where id = $1`, [runId])
  return (await withTasks(parts, runs))[0]
}

/** Newest first. */
export async function listRuns(
  parts: EngineParts,
  filter: { pipeline?: string; states?: readonly RunState[]; limit: number },
): Promise<readonly RunView[]> {
  const runs = await parts.control.query<RunRow>(
    `select ${runColumns} from runs.run
     where ($1::text is null or pipeline = $1) and ($2::text[] is null or state = any($2))
     order by created_at desc, id desc limit $3`,
    [filter.pipeline ?? null, filter.states ?? null, filter.limit],
  )
  return await withTasks(parts, runs)
}

async function withTasks(parts: EngineParts, runs: readonly RunRow[]): Promise<readonly RunView[]> {
  const tasks = await parts.control.query<TaskRow>(
    `select id, run_id, name, kind, needs, state, attempts, started_at, finished_at, progress, result, error
     from runs.task where run_id = any($1) order by run_id, position`,
    [runs.map((run) => run.id)],
  )
  const byRun = Map.groupBy(tasks, (task) => task.run_id)
  return runs.map((run) => runView(run, byRun.get(run.id) ?? []))
}

function runView(run: RunRow, tasks: readonly TaskRow[]): RunView {
  return {
    id: run.id,
    pipeline: run.pipeline,
    state: run.state,
    trigger: run.trigger,
    businessDate: run.business_date ?? undefined,
    actor: run.actor,
    createdAt: run.created_at,
    startedAt: run.started_at ?? undefined,
    finishedAt: run.finished_at ?? undefined,
    tasks: tasks.map(taskView),
  }
}

function taskView(task: TaskRow): TaskView {
  return {
    id: String(task.id),
    name: task.name,
    kind: task.kind,
    needs: task.needs,
    state: task.state,
    attempts: task.attempts,
    startedAt: task.started_at ?? undefined,
    finishedAt: task.finished_at ?? undefined,
    progress: task.progress ?? undefined,
    result: task.result ?? undefined,
    error: task.error ?? undefined,
  }
}

export interface LogLine {
  readonly line: bigint
  readonly task: string
  readonly at: Date
  readonly text: string
}

/** Lines after `afterLine`, oldest first. */
export async function readLog(parts: EngineParts, runId: string, afterLine: bigint): Promise<readonly LogLine[]> {
  const rows = await parts.control.query<{ line: string | bigint; task: string; at: Date; text: string }>(
    `select l.line, t.name as task, l.at, l.text from runs.log l join runs.task t on t.id = l.task_id
     where l.run_id = $1 and l.line > $2 order by l.line limit 10000`,
    [runId, afterLine.toString()],
  )
  return rows.map((row) => ({ ...row, line: BigInt(row.line) }))
}
