// Typed events: appended in the order of commits, followed by NOTIFY with a poll floor.
import { once, type EventEmitter } from 'node:events'

import type { Pool, PoolClient } from 'pg'

import type { Clock } from '../base/clock.ts'
import type { ControlDatabase, ControlEvent, StoredEvent } from './contract.ts'

export const eventChannel = 'wharf_event'
/** "wevt" as ASCII. */
const eventLock = 0x77657674
const pollMs = 1000
const batch = 500

/**
 * The lock is taken before the id is drawn and held until the commit, so ids become visible in order: a reader that asks for what came
 * after the last id it saw can miss nothing.
 */
export async function insertEvent(client: Pool | PoolClient, event: ControlEvent): Promise<void> {
  await client.query(
    `with turn as materialized (select pg_advisory_xact_lock($1::bigint)),
          added as (insert into control.event (kind, subject, data) select $2, $3, $4 from turn returning id)
     select pg_notify('${eventChannel}', id::text) from added`,
    [eventLock, event.kind, event.subject, JSON.stringify(event.data)],
  )
}

/** Events after `afterId`, or from now on. Ends when the signal aborts. Goes on after the database was away. */
export async function* followEvents(options: {
  database: ControlDatabase
  wake: EventEmitter
  clock: Clock
  kinds?: readonly string[]
  afterId?: bigint
  signal: AbortSignal
}): AsyncGenerator<StoredEvent> {
  const { database, signal, kinds } = options
  let after = options.afterId ?? (await lastId(database))
  while (!signal.aborted) {
    const turn = new AbortController()
    const stop = AbortSignal.any([signal, turn.signal])
    const woken = once(options.wake, 'event', { signal: stop }).catch(() => {})
    try {
      const found = await readAfter(database, after, kinds).catch(ignorePassing)
      for (const event of found) {
        if (signal.aborted) return
        yield event
        after = event.id
      }
      if (found.length === batch) continue
      await Promise.race([woken, options.clock.sleep(pollMs, stop).catch(() => {})])
    } finally {
      turn.abort()
    }
  }
}

function ignorePassing(error: unknown): StoredEvent[] {
  if (error instanceof Error && 'passing' in error && error.passing === true) return []
  throw error
}

async function lastId(database: ControlDatabase): Promise<bigint> {
  const [row] = await database.query<{ id: bigint }>('select coalesce(max(id), 0) as id from control.event')
  return row?.id ?? 0n
}

async function readAfter(
  database: ControlDatabase,
  after: bigint,
  kinds: readonly string[] | undefined,
): Promise<StoredEvent[]> {
  return await database.query<StoredEvent>(
    `select id, at, kind, subject, data from control.event
     where id > $1 and ($2::text[] is null or kind = any ($2)) order by id limit ${batch}`,
    [after, kinds ?? null],
  )
}
