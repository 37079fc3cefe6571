// A request becomes a run with its tasks, or the run that was made for the same idempotency key before.
import type { PoolClient } from 'pg'

import { isWharfError } from '../base/errors.ts'
import { timedId } from '../base/random.ts'
import type { RunRequest, TaskDefinition, TaskKind } from './contract.ts'
import { errors } from './errors.ts'
import { graphProblem } from './graph.ts'
import { json, notify, type EngineParts } from './parts.ts'

const RETRY_DELAY_MS = 10_000

export type Kinds = ReadonlyMap<string, TaskKind>

/** Refuses what no worker could ever do: unknown kinds and needs, cycles, inputs that do not fit. */
export function checkRequest(request: RunRequest, kinds: Kinds, pools: Readonly<Record<string, number>>): void {
  const problem = graphProblem(request.tasks)
  if (problem !== undefined) throw errors.badGraph({ pipeline: request.pipeline, problem })
  for (const task of request.tasks) {
    const kind = kinds.get(task.kind)
    if (!kind) throw errors.unknownKind({ kind: task.kind, task: task.name, known: [...kinds.keys()].sort() })
    for (const [pool, slots] of Object.entries(task.pools ?? {})) {
      const size = pools[pool]
      if (size === undefined) throw errors.unknownPool({ pool, task: task.name, known: Object.keys(pools).sort() })
      if (slots > size) throw errors.poolTooSmall({ pool, task: task.name, slots, size })
    }
    const parsed = kind.input.safeParse(task.input)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      const where = issue && issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''
      throw errors.badTaskInput({
        task: task.name,
        kind: task.kind,
        problem: `${where}${issue?.message ?? 'not valid'}`,
      })
    }
  }
}

export async function submitRun(parts: EngineParts, request: RunRequest): Promise<{ runId: string; created: boolean }> {
  return await parts.control.transaction((client) => insertRun(client, parts, request))
}

/** Within the caller's transaction; the scheduler uses it to tie a run to its occurrence. */
export async function insertRun(
  client: PoolClient,
  parts: EngineParts,
  request: RunRequest,
): Promise<{ runId: string; created: boolean }> {
  const id = timedId(parts.clock.now(), parts.random)
  const { rowCount } = await client.query(
    `insert into runs.run (id, pipeline, state, trigger, business_date, idempotency_key, actor, exclusive)
     values ($1, $2, 'queued', $3, $4, $5, $6, $7) on conflict (idempotency_key) do nothing`,
    [
      id,
      request.pipeline,
      request.trigger,
      request.businessDate ?? null,
      request.idempotencyKey ?? null,
      request.actor,
      request.exclusive ?? true,
    ],
  )
  if (rowCount === 0) {
    const { rows } = await client.query<{ id: string }>('select id from runs.run where idempotency_key = $1', [
      request.idempotencyKey,
    ])
    return { runId: rows[0]!.id, created: false }
  }
  await client.query(
    `insert into runs.task (run_id, position, name, kind, input, needs, pools, retries, retry_delay_ms, timeout_ms, state, ready_at)
     select $1, t.position, t.name, t.kind, t.input, t.needs, t.pools, t.retries, t.retry_delay_ms, t.timeout_ms,
            case when cardinality(t.needs) = 0 then 'ready' else 'waiting' end,
            case when cardinality(t.needs) = 0 then clock_timestamp() end
     from jsonb_to_recordset($2) as t(position int, name text, kind text, input jsonb, needs text[], pools jsonb,
                                      retries int, retry_delay_ms bigint, timeout_ms bigint)`,
    [id, json(request.tasks.map(taskRow))],
  )
  await notify(client, id)
  return { runId: id, created: true }
}

function taskRow(task: TaskDefinition, position: number): object {
  return {
    position,
    name: task.name,
    kind: task.kind,
    input: task.input ?? {},
    needs: [...new Set(task.needs)],
    pools: task.pools ?? {},
    retries: task.retries ?? 0,
    retry_delay_ms: task.retryDelayMs ?? RETRY_DELAY_MS,
    timeout_ms: task.timeoutMs ?? null,
  }
}

/** The error of a task as it is kept: code, message, hint. Defects keep their message under `runs.defect`. */
export function storedError(error: unknown): { code: string; message: string; hint?: string } {
  if (isWharfError(error)) {
    return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
  }
  return { code: 'runs.defect', message: error instanceof Error ? error.message : String(error) }
}
