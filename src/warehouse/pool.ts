// A pool of connections to one database, for the control database.
import { TLSSocket } from 'node:tls'

import { Pool, type Client, type CustomTypesConfig } from 'pg'

import type { Clock } from '../base/clock.ts'
import type { ConnectionTarget } from './connection.ts'
import { clientConfig, connectClient } from './session/connect.ts'
import { explainConnect, explainQuery } from './session/failures.ts'
import { endClient } from './session/session.ts'
import { wireOf } from './session/wire.ts'

export interface PoolOptions {
  readonly purpose: string
  readonly size: number
  readonly types?: CustomTypesConfig
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Connects once, so that whatever is wrong is said in our words, then makes a pool with the TLS mode that worked. */
export async function openPool(target: ConnectionTarget, options: PoolOptions): Promise<Pool> {
  const first = await connectClient(target, options)
  const encrypted = wireOf(first).stream instanceof TLSSocket
  await endClient(first, options.clock)
  const config = await clientConfig(target, options)
  const pool = new Pool({
    ...config,
    ...(encrypted ? {} : { ssl: false }),
    ...(options.types ? { types: options.types } : {}),
    max: options.size,
    idleTimeoutMillis: 30_000,
  })
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => {})
  // So would one that breaks in the hands of a caller between two queries: the next query reports it.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** A single connection outside any pool, e.g. for LISTEN. End it with endConnection(). */
export async function openConnection(
  target: ConnectionTarget,
  options: { purpose: string; signal: AbortSignal },
): Promise<Client> {
  return await connectClient(target, options)
}

export async function endConnection(client: Client, clock: Clock): Promise<void> {
  await endClient(client, clock)
}

/** The error to show for what went wrong with a connection or a query. */
export function explain(error: unknown, target: ConnectionTarget): Error {
  return explainQuery(explainConnect(error, target), target)
}
