// Coming and going: who uses the embedded server holds a shared advisory lock on a connection of its own. Whoever leaves and then gets the
// lock alone was the last, and stops the server. A process that is killed loses its connection and so the lock; nothing is left to tidy up.
import type { Client } from 'pg'

import { withTimeLimit } from '../base/clock.ts'
import { isWharfError } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import type { ConnectionTarget } from '../warehouse/connection.ts'
import { endConnection, openConnection } from '../warehouse/pool.ts'
import { controlErrors } from './errors.ts'
import { startControlServer, stopControlServer } from './embedded/server.ts'

export type Tools = Pick<Context, 'home' | 'clock' | 'environment' | 'random' | 'log'>

/** "wctl" as ASCII. */
const presenceLock = 0x7763746c
const patienceMs = 60_000

export interface Entered {
  readonly target: ConnectionTarget
  /** The connection that holds the lock; also used to LISTEN. */
  readonly presence: Client
  leave(): Promise<void>
}

export type Enter = (signal: AbortSignal) => Promise<Entered>

/** Any PostgreSQL that somebody else runs. */
export function externalEntrance(target: ConnectionTarget, tools: Tools): Enter {
  return async (signal) => {
    const presence = await openConnection(target, { purpose: 'control', signal })
    return { target, presence, leave: () => endConnection(presence, tools.clock) }
  }
}

/** The embedded server: started by the first to come, stopped by the last to leave. */
export function embeddedEntrance(tools: Tools): Enter {
  return async (signal) => {
    const deadline = tools.clock.monotonic() + patienceMs
    for (;;) {
      const target = await startControlServer(tools, signal)
      const presence = await comeIn(target, tools, signal)
      if (presence) return { target, presence, leave: () => leave(presence, tools) }
      if (tools.clock.monotonic() > deadline)
        throw controlErrors.unavailable({ reason: 'another process has been stopping it for a minute' })
      await tools.clock.sleep(50, signal)
    }
  }
}

/** Undefined while the last one to leave is stopping the server: it must be started again after that. */
async function comeIn(target: ConnectionTarget, tools: Tools, signal: AbortSignal): Promise<Client | undefined> {
  let client: Client
  try {
    client = await openConnection(target, { purpose: 'control', signal })
  } catch (error) {
    if (isWharfError(error) && error.passing) return undefined
    throw error
  }
  const granted = await client
    .query<{ granted: boolean }>('select pg_try_advisory_lock_shared($1) as granted', [presenceLock])
    .then(({ rows }) => rows[0]?.granted === true)
    .catch(() => false)
  if (granted) return client
  await endConnection(client, tools.clock)
  return undefined
}

async function leave(presence: Client, tools: Tools): Promise<void> {
  try {
    await presence.query('select pg_advisory_unlock_shared($1)', [presenceLock])
    const { rows } = await presence.query<{ last: boolean }>('select pg_try_advisory_lock($1) as last', [presenceLock])
    // The lock is held by this connection until the server is down: nobody comes in meanwhile.
    if (rows[0]?.last) await stopControlServer(tools, withTimeLimit(new AbortController().signal, patienceMs))
  } catch (error) {
    tools.log.debug({ err: error }, 'control database was gone before we left')
  } finally {
    await endConnection(presence, tools.clock)
  }
}
