// The end of an attempt. Every write carries the fencing token: a late worker changes nothing.
import { isWharfError } from '../base/errors.ts'
import type { ClaimedTask } from './claim.ts'
import type { RunState } from './contract.ts'
import { errors } from './errors.ts'
import { json, lockRun, type EngineParts } from './parts.ts'
import { settle } from './settle.ts'
import { attemptTable, taskTable, transition, type AttemptEvent, type TaskEvent } from './states.ts'
import { storedError } from './submit.ts'

/** No delay between tries grows beyond this. */
const LONGEST_DELAY_MS = 60 * 60 * 1000

export type Outcome =
  | { readonly kind: 'succeeded'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'cancelled'; readonly error: unknown }
  | { readonly kind: 'released' }

export interface Finished {
  readonly task: TaskEvent
  readonly runEnded: RunState | undefined
}

/** Rejects with `runs.lease-lost` where the attempt no longer holds the task. */
export async function finish(parts: EngineParts, task: ClaimedTask, outcome: Outcome): Promise<Finished> {
  return await parts.control.transaction(async (client) => {
    await lockRun(client, task.runId)
    const failures = await failuresOf()
    const decided = decide(task, outcome, failures)
    const { from, to } = transition(taskTable, decided.event)
    const updated = await client.query(
      `update runs.task set state = $4, lease_until = null, worker = null, result = coalesce($5, result), error = $6,
         failures = failures + $7, losses = case when $8 then 0 else losses end,
         ready_at = case when $4 = 'ready' then clock_timestamp() + $9 * interval '1 ms' end,
         finished_at = case when $4 = 'ready' then null else clock_timestamp() end
       where id = $1 and token = $2 and state = any($3)`,
      [
        task.taskId.toString(),
        task.token.toString(),
        from,
        to,
        outcome.kind === 'succeeded' ? json(outcome.result ?? null) : null,
        decided.error === undefined ? null : json(storedError(decided.error)),
        outcome.kind === 'failed' ? 1 : 0,
        outcome.kind !== 'released',
        decided.delayMs,
      ],
    )
    if (updated.rowCount !== 1) throw errors.leaseLost(task.name)
    const attempt = transition(attemptTable, decided.attempt)
    await client.query(
      'update runs.attempt set state = $2, finished_at = clock_timestamp(), error = $3 where token = $1 and state = any($4)',
      [
        task.token.toString(),
        attempt.to,
        decided.error === undefined ? null : json(storedError(decided.error)),
        attempt.from,
      ],
    )
    return { task: decided.event, runEnded: await settle(client, task.runId) }

    async function failuresOf(): Promise<number> {
      const { rows } = await client.query<{ failures: number }>(
        'select failures from runs.task where id = $1 and token = $2',
        [task.taskId.toString(), task.token.toString()],
      )
      if (!rows[0]) throw errors.leaseLost(task.name)
      return rows[0].failures
    }
  })
}

interface Decision {
  readonly event: TaskEvent
  readonly attempt: AttemptEvent
  readonly error: unknown
  readonly delayMs: number
}

/** An error that says of itself that it will not pass is not tried again; `failures` counts those before this one. */
export function decide(
  task: Pick<ClaimedTask, 'retries' | 'retryDelayMs'>,
  outcome: Outcome,
  failures: number,
): Decision {
  switch (outcome.kind) {
    case 'succeeded':
      return { event: 'succeed', attempt: 'succeed', error: undefined, delayMs: 0 }
    case 'released':
      return { event: 'release', attempt: 'release', error: undefined, delayMs: 0 }
    case 'cancelled':
      return { event: 'cancelled', attempt: 'cancel', error: outcome.error, delayMs: 0 }
    default:
      return decideFailure(task, outcome.error, failures)
  }
}

function decideFailure(
  task: Pick<ClaimedTask, 'retries' | 'retryDelayMs'>,
  error: unknown,
  failures: number,
): Decision {
  const lasting = isWharfError(error) && !error.passing
  if (lasting || failures >= task.retries) return { event: 'fail', attempt: 'fail', error, delayMs: 0 }
  return {
    event: 'failAgain',
    attempt: 'fail',
    error,
    delayMs: Math.min(LONGEST_DELAY_MS, task.retryDelayMs * 2 ** failures),
  }
}
