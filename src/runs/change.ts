// What operators do to a run: cancel it, try it again.
import type { PoolClient } from 'pg'

import type { RunState } from './contract.ts'
import { errors } from './errors.ts'
import { lockRun, notifyCancel, type EngineParts } from './parts.ts'
import { settle } from './settle.ts'
import { runEnds, runTable, taskTable, transition } from './states.ts'

const cancelTask = transition(taskTable, 'cancel')
const retryTask = transition(taskTable, 'retry')
const retryState = transition(runTable, 'retry')

/** Tasks that no worker has are cancelled at once; those that run are told, and end by their worker, the sweeper or the reaper. */
export async function cancelRun(parts: EngineParts, runId: string, actor: string): Promise<RunState | undefined> {
  return await parts.control.transaction(async (client) => {
    const run = await lockRun(client, runId)
    if (!run) throw errors.unknownRun(runId)
    if (runEnds.includes(run.state as RunState)) throw errors.alreadyEnded({ run: runId, state: run.state })
    await lockTasks(client, runId)
    await client.query('update runs.run set cancelled_by = coalesce(cancelled_by, $2) where id = $1', [runId, actor])
    await client.query(
      'update runs.task set state = $3, finished_at = clock_timestamp() where run_id = $1 and state = any($2)',
      [runId, cancelTask.from, cancelTask.to],
    )
    await client.query(
      `update runs.task set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()) where run_id = $1 and state = 'running'`,
      [runId],
    )
    await notifyCancel(client, runId)
    return await settle(client, runId)
  })
}

/** In order of id, as renewing does, so that the two cannot wait for each other. */
async function lockTasks(client: PoolClient, runId: string): Promise<void> {
  await client.query('select from runs.task where run_id = $1 order by id for no key update', [runId])
}

export async function retryRun(parts: EngineParts, runId: string): Promise<void> {
  await parts.control.transaction(async (client) => {
    const run = await lockRun(client, runId)
    if (!run) throw errors.unknownRun(runId)
    if (!retryState.from.includes(run.state as RunState)) throw errors.notEnded({ run: runId, state: run.state })
    await client.query('update runs.run set state = $2, finished_at = null, cancelled_by = null where id = $1', [
      runId,
      retryState.to,
    ])
    await client.query(
      `update runs.task set state = $3, failures = 0, losses = 0, cancel_requested_at = null, finished_at = null, error = null, progress = null
       where run_id = $1 and state = any($2)`,
      [runId, retryTask.from, retryTask.to],
    )
    await settle(client, runId)
  })
}
