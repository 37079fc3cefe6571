// One session: queries in turn, errors explained, cancelled on the server when its signal aborts.
import type { Client, QueryResult, Submittable } from 'pg'

import type { Clock } from '../../base/clock.ts'
import type { ConnectionTarget } from '../connection.ts'
import type { Session } from '../contract.ts'
import { sendCancel } from './cancel.ts'
import { connectClient, type ConnectOptions } from './connect.ts'
import { CopyOut, type OnRow } from './copy-out.ts'
import { explainQuery } from './failures.ts'
import { cancelKeyOf, wireOf } from './wire.ts'

/** After a cancel request went out, the server gets this long to answer before the socket is closed. */
const cancelGraceMs = 5000
const closeGraceMs = 2000

export async function openSession(target: ConnectionTarget, options: ConnectOptions, clock: Clock): Promise<Session> {
  const client = await connectClient(target, options)
  return new PgSession(client, { target, clock, signal: options.signal })
}

class PgSession implements Session {
  readonly client: Client
  readonly backendPid: number
  private readonly target: ConnectionTarget
  private readonly clock: Clock
  private readonly signal: AbortSignal
  private tail: Promise<unknown> = Promise.resolve()
  private running = 0
  private readonly closed = new AbortController()
  private closing: Promise<void> | undefined

  constructor(client: Client, parts: { target: ConnectionTarget; clock: Clock; signal: AbortSignal }) {
    this.client = client
    this.backendPid = cancelKeyOf(client)?.pid ?? 0
    this.target = parts.target
    this.clock = parts.clock
    this.signal = parts.signal
    this.signal.addEventListener('abort', this.onAbort, { once: true })
  }

  async query<Row extends object>(sql: string, parameters?: readonly unknown[]): Promise<Row[]> {
    const turn = this.tail.then(() => this.execute<Row>(sql, parameters))
    this.tail = turn.catch(() => {})
    return await turn
  }

  async binaryRows(select: string, onRow: OnRow): Promise<void> {
    const turn = this.tail.then(() => this.guarded(() => this.copyOut(select, onRow)))
    this.tail = turn.catch(() => {})
    await turn
  }

  private async copyOut(select: string, onRow: OnRow): Promise<void> {
    const copy = new CopyOut(select, onRow)
    this.client.query(copy as unknown as Submittable)
    await copy.finished
  }

  private execute<Row extends object>(sql: string, parameters?: readonly unknown[]): Promise<Row[]> {
    return this.guarded(async () => {
      // Without parameters the simple protocol: several statements are fine there.
      const result: unknown = parameters ? await this.client.query(sql, [...parameters]) : await this.client.query(sql)
      const last = Array.isArray(result) ? (result.at(-1) as QueryResult) : (result as QueryResult)
      return last.rows as Row[]
    })
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted()
    this.running++
    try {
      return await work()
    } catch (error) {
      if (this.signal.aborted) throw this.signal.reason
      throw explainQuery(error, this.target)
    } finally {
      this.running--
    }
  }

  private readonly onAbort = (): void => {
    void this.cancel()
  }

  /** Also reaches a COPY that runs on `client` directly. Harmless where nothing runs. */
  private async cancel(): Promise<void> {
    const backend = cancelKeyOf(this.client)
    if (this.closing || !backend) return
    await sendCancel(this.target, backend)
    await this.clock.sleep(cancelGraceMs, this.closed.signal).catch(() => {})
    if (this.running > 0) wireOf(this.client).stream.destroy()
  }

  async close(): Promise<void> {
    this.closing ??= this.end()
    await this.closing
  }

  private async end(): Promise<void> {
    this.signal.removeEventListener('abort', this.onAbort)
    this.closed.abort()
    await endClient(this.client, this.clock)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Ends a client; a server that does not answer gets its socket closed. Never rejects. */
export async function endClient(client: Client, clock: Clock): Promise<void> {
  const done = new AbortController()
  const ended = client.end().catch(() => {})
  const tired = clock.sleep(closeGraceMs, done.signal).then(
    () => void wireOf(client).stream.destroy(),
    () => {},
  )
  await Promise.race([ended, tired])
  done.abort()
}
