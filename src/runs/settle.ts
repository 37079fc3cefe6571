// What follows when a task of a run has ended: others become ready or are skipped, and the run may be over.
import type { PoolClient } from 'pg'

import type { RunState } from './contract.ts'
import { notify } from './parts.ts'
import { runTable, taskTable, transition } from './states.ts'

const skip = transition(taskTable, 'skip')
const unblock = transition(taskTable, 'unblock')

/** Call with the run locked, after the change. Returns the state in which the run ended, if it did. */
export async function settle(client: PoolClient, runId: string): Promise<RunState | undefined> {
  await client.query(
    `with recursive doomed as (
       select t.name from runs.task t where t.run_id = $1 and t.state in ('failed', 'cancelled', 'skipped')
       union
       select t.name from runs.task t join doomed d on d.name = any(t.needs) where t.run_id = $1 and t.state = any($2)
     )
     update runs.task t set state = $3, finished_at = clock_timestamp() from doomed d
     where t.run_id = $1 and t.name = d.name and t.state = any($2)`,
    [runId, skip.from, skip.to],
  )
  await client.query(
    `update runs.task t set state = $3, ready_at = clock_timestamp()
     where t.run_id = $1 and t.state = any($2) and not exists (
       select from runs.task n where n.run_id = $1 and n.name = any(t.needs) and n.state <> 'succeeded')`,
    [runId, unblock.from, unblock.to],
  )
  const ended = await endRun(client, runId)
  await notify(client, runId)
  return ended
}

async function endRun(client: PoolClient, runId: string): Promise<RunState | undefined> {
  const { rows } = await client.query<{ active: boolean; failed: boolean; cancelled: boolean }>(
    `select bool_or(state in ('waiting', 'ready', 'running')) as active, bool_or(state = 'failed') as failed, bool_or(state = 'cancelled') as cancelled
     from runs.task where run_id = $1`,
    [runId],
  )
  const found = rows[0]!
  if (found.active) return undefined
  const end = transition(runTable, found.failed ? 'fail' : found.cancelled ? 'cancel' : 'succeed')
  const updated = await client.query(
    'update runs.run set state = $2, finished_at = clock_timestamp() where id = $1 and state = any($3)',
    [runId, end.to, end.from],
  )
  return updated.rowCount === 1 ? end.to : undefined
}
