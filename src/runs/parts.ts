// What every part of the engine works with.
import type { PoolClient } from 'pg'

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { ControlDatabase } from '../control/contract.ts'
import type { RunsConfig } from './config.ts'
import { CANCEL_PREFIX, CHANNEL, type Wake } from './wake.ts'

export interface EngineParts {
  readonly control: ControlDatabase
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly config: RunsConfig
  readonly wake: Wake
  /** Woken when someone wants tasks to stop. */
  readonly cancels: Wake
  /** Names this process: `host/pid/random`. */
  readonly worker: string
}

/** Tells every process that something changed; takes effect when the transaction commits. */
export async function notify(client: PoolClient, runId: string): Promise<void> {
  await client.query('select pg_notify($1, $2)', [CHANNEL, runId])
}

/** Tells workers to look for tasks that are to stop. */
export async function notifyCancel(client: PoolClient, runId: string): Promise<void> {
  await client.query('select pg_notify($1, $2)', [CHANNEL, `${CANCEL_PREFIX}${runId}`])
}

/** JSON for a jsonb parameter; 64-bit numbers become text. */
export function json(value: unknown): string | null {
  if (value === undefined) return null
  return JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? one.toString() : one))
}

/**
 * Locks a run, then reads on. Everything that ends a task or changes several tasks of a run holds this lock, so that two tasks that
 * end at the same moment see each other. NO KEY UPDATE: log lines, which refer to the run, are not held up.
 */
export async function lockRun(client: PoolClient, runId: string): Promise<{ state: string } | undefined> {
  const { rows } = await client.query<{ state: string }>('select state from runs.run where id = $1 for no key update', [
    runId,
  ])
  return rows[0]
}
