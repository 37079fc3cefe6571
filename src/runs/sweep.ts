// Leases that ran out: the task goes on elsewhere or fails, and the backend that may still work for it is marked to be ended.
import type { EngineParts } from './parts.ts'
import { json, lockRun } from './parts.ts'
import { errors } from './errors.ts'
import { settle } from './settle.ts'
import { attemptTable, taskTable, transition } from './states.ts'
import { storedError } from './submit.ts'

/** A task whose worker died this often in a row (no attempt that ended by itself between) is given up. */
export const MOST_LOSSES = 10

/** Returns how many leases it found lost. Any process may sweep at any time. */
export async function sweepLeases(parts: EngineParts): Promise<number> {
  const lost = await parts.control.query<{ id: string | bigint; run_id: string; token: string | bigint }>(
    `select id, run_id, token from runs.task where state = 'running' and lease_until < clock_timestamp() limit 100`,
  )
  let swept = 0
  for (const task of lost)
    if (await sweepOne(parts, { id: String(task.id), runId: task.run_id, token: String(task.token) })) swept++
  return swept
}

async function sweepOne(parts: EngineParts, task: { id: string; runId: string; token: string }): Promise<boolean> {
  return await parts.control.transaction(async (client) => {
    await lockRun(client, task.runId)
    const { rows } = await client.query<{ name: string; losses: number; cancelled: boolean }>(
      `select name, losses, cancel_requested_at is not null as cancelled from runs.task
       where id = $1 and token = $2 and state = 'running' and lease_until < clock_timestamp() for no key update`,
      [task.id, task.token],
    )
    const [found] = rows
    if (!found) return false
    const losses = found.losses + 1
    const event = found.cancelled ? 'cancelled' : losses >= MOST_LOSSES ? 'loseForGood' : 'lose'
    const { from, to } = transition(taskTable, event)
    const error =
      event === 'loseForGood'
        ? storedError(errors.lostForGood({ task: found.name, losses }))
        : storedError(errors.leaseLost(found.name))
    await client.query(
      `update runs.task set state = $3, lease_until = null, worker = null, losses = $4, error = $5,
         ready_at = case when $3 = 'ready' then clock_timestamp() end, finished_at = case when $3 = 'ready' then null else clock_timestamp() end
       where id = $1 and state = any($2)`,
      [task.id, from, to, losses, json(error)],
    )
    const attempt = transition(attemptTable, 'lose')
    await client.query(
      `update runs.attempt set state = $2, finished_at = clock_timestamp(), error = $3,
         reap_wanted_at = case when backend_pid is not null then clock_timestamp() end
       where token = $1 and state = any($4)`,
      [task.token, attempt.to, json(error), attempt.from],
    )
    await client.query('insert into runs.log (run_id, task_id, text) values ($1, $2, $3)', [
      task.runId,
      task.id,
      error.message,
    ])
    await settle(client, task.runId)
    return true
  })
}

/** Attempts that were told to stop and have not for this long: their backend is ended from outside. */
const STUBBORN_MS = 1000

export async function markStubborn(parts: EngineParts): Promise<void> {
  await parts.control.query(
    `update runs.attempt a set reap_wanted_at = clock_timestamp() from runs.task t
     where t.token = a.token and t.state = 'running' and a.state = 'running' and a.backend_pid is not null and a.reap_wanted_at is null
       and t.cancel_requested_at < clock_timestamp() - $1 * interval '1 ms'`,
    [STUBBORN_MS],
  )
}
