// Opens pg clients: password, TLS with libpq's fall-back, time-outs, version check, cancellation while connecting.
import { Client, type ClientConfig } from 'pg'

import { readPassword, whereOf, type ConnectionTarget } from '../connection.ts'
import { warehouseErrors } from '../errors.ts'
import { explainConnect } from './failures.ts'
import { tlsOptions } from './tls.ts'
import { wireOf } from './wire.ts'

export interface ConnectOptions {
  /** Shown in pg_stat_activity after `wharf `. */
  readonly purpose: string
  /** Instead of `wharf <purpose>`: what synchronous_standby_names calls us. */
  readonly applicationName?: string | undefined
  readonly database?: string | undefined
  readonly replication?: boolean
  readonly statementTimeoutMs?: number | undefined
  readonly lockTimeoutMs?: number | undefined
  readonly signal: AbortSignal
}

/** How PostgreSQL may begin: Authentication, ErrorResponse, NegotiateProtocolVersion, or the answer to a request for TLS. */
const firstAnswers = new Set(Buffer.from('REvSN'))
const supported = { first: 15, last: 18 }

/** The configuration for pg, password included: keep it short-lived and out of logs. */
export async function clientConfig(target: ConnectionTarget, options: ConnectOptions): Promise<ClientConfig> {
  const password = await readPassword(target)
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    database: options.database ?? target.database,
    ...(password === undefined ? {} : { password }),
    ssl: await tlsOptions(target),
    application_name: options.applicationName ?? `wharf ${options.purpose}`,
    connectionTimeoutMillis: target.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    ...(options.statementTimeoutMs === undefined ? {} : { statement_timeout: options.statementTimeoutMs }),
    ...(options.lockTimeoutMs === undefined ? {} : { lock_timeout: options.lockTimeoutMs }),
    ...(options.replication ? ({ replication: 'true' } as ClientConfig) : {}),
  }
}

/** A connected client. Rejects with an error of this room; aborting closes the socket. */
export async function connectClient(target: ConnectionTarget, options: ConnectOptions): Promise<Client> {
  const config = await clientConfig(target, options)
  const named = { ...target, database: config.database ?? target.database }
  try {
    return await attempt(config, named, options.signal)
  } catch (error) {
    options.signal.throwIfAborted()
    const refusesTls = error instanceof Error && /does not support SSL connections/.test(error.message)
    if (target.tls.mode !== 'prefer' || !refusesTls) throw explainConnect(error, named)
  }
  try {
    return await attempt({ ...config, ssl: false }, named, options.signal)
  } catch (error) {
    options.signal.throwIfAborted()
    throw explainConnect(error, named)
  }
}

async function attempt(config: ClientConfig, target: ConnectionTarget, signal: AbortSignal): Promise<Client> {
  signal.throwIfAborted()
  const client = new Client(config)
  // Without a listener an error on an idle connection would end the process; the next query reports it.
  client.on('error', () => {})
  const wire = wireOf(client)
  const onAbort = (): void => void wire.stream.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  let version = ''
  wire.on('parameterStatus', (message: { parameterName: string; parameterValue: string }) => {
    if (message.parameterName === 'server_version') version = message.parameterValue
  })
  let firstByte: number | undefined
  wire.stream.prependOnceListener('data', (chunk: Buffer) => (firstByte = chunk[0]))
  try {
    await client.connect()
    assertVersion(version, target)
    return client
  } catch (error) {
    wire.stream.destroy()
    if (firstByte === undefined || firstAnswers.has(firstByte)) throw error
    throw warehouseErrors.notPostgres({ what: target.what, where: whereOf(target) }, { cause: error })
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function assertVersion(version: string, target: ConnectionTarget): void {
  const major = Number.parseInt(version, 10)
  if (major >= supported.first && major <= supported.last) return
  throw warehouseErrors.unsupportedVersion({ what: target.what, where: whereOf(target), version })
}
