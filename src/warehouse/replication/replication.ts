// A connection in replication mode: identity, slots, history files, streaming.
import type { Client, QueryResult } from 'pg'

import type { Clock } from '../../base/clock.ts'
import { codeOf } from '../../base/errors.ts'
import { parseLsn, type Lsn } from '../../wal/lsn.ts'
import type { ConnectionTarget } from '../connection.ts'
import type { ReplicationSession, WalStreamSource } from '../contract.ts'
import { connectClient } from '../session/connect.ts'
import { explainQuery } from '../session/failures.ts'
import { endClient } from '../session/session.ts'
import { wireOf } from '../session/wire.ts'
import { explainStream, PhysicalStream, quoteSlot } from './stream.ts'

const duplicateObject = '42710'

export async function openReplication(
  target: ConnectionTarget,
  options: { purpose: string; applicationName?: string | undefined; signal: AbortSignal },
  clock: Clock,
): Promise<ReplicationSession> {
  const client = await connectClient(target, { ...options, replication: true })
  return new PgReplication(client, { target, clock, signal: options.signal })
}

class PgReplication implements ReplicationSession {
  private readonly client: Client
  private readonly target: ConnectionTarget
  private readonly clock: Clock
  private readonly signal: AbortSignal
  private closing: Promise<void> | undefined

  constructor(client: Client, parts: { target: ConnectionTarget; clock: Clock; signal: AbortSignal }) {
    this.client = client
    this.target = parts.target
    this.clock = parts.clock
    this.signal = parts.signal
    this.signal.addEventListener('abort', this.onAbort, { once: true })
  }

  /** Commands of replication are short, and a stream sees its own signal: the socket is closed only for what hangs. */
  private readonly onAbort = (): void => {
    void this.clock.sleep(2000, this.closed.signal).then(
      () => void wireOf(this.client).stream.destroy(),
      () => {},
    )
  }
  private readonly closed = new AbortController()

  private async command<Row extends object>(text: string, slot?: string): Promise<Row[]> {
    this.signal.throwIfAborted()
    try {
      const result: QueryResult = await this.client.query(text)
      return result.rows as Row[]
    } catch (error) {
      if (this.signal.aborted) throw this.signal.reason
      throw slot === undefined ? explainQuery(error, this.target) : explainStream(error, this.target, slot)
    }
  }

  async identify(): Promise<{ systemIdentifier: bigint; timeline: number; flushLsn: Lsn }> {
    const [row] = await this.command<{ systemid: string; timeline: number | string; xlogpos: string }>(
      'IDENTIFY_SYSTEM',
    )
    return {
      systemIdentifier: BigInt(row!.systemid),
      timeline: Number(row!.timeline),
      flushLsn: parseLsn(row!.xlogpos),
    }
  }

  async ensureSlot(name: string): Promise<{ restartLsn: Lsn | undefined }> {
    const slot = quoteSlot(name)
    try {
      await this.command(`CREATE_REPLICATION_SLOT ${slot} PHYSICAL RESERVE_WAL`)
    } catch (error) {
      if (codeOf(error) !== duplicateObject) throw error
    }
    const [row] = await this.command<{ restart_lsn: string | null }>(`READ_REPLICATION_SLOT ${slot}`)
    return { restartLsn: row?.restart_lsn ? parseLsn(row.restart_lsn) : undefined }
  }

  async dropSlot(name: string): Promise<void> {
    await this.command(`DROP_REPLICATION_SLOT ${quoteSlot(name)}`, name)
  }

  async timelineHistory(timeline: number): Promise<string | undefined> {
    if (timeline <= 1) return undefined
    const [row] = await this.command<{ content: string | Buffer }>(`TIMELINE_HISTORY ${timeline}`)
    return row?.content.toString()
  }

  stream(options: {
    slot: string | undefined
    timeline: number
    startLsn: Lsn
    signal: AbortSignal
    gatherMs?: number
  }): WalStreamSource {
    return new PhysicalStream(this.client, { target: this.target, clock: this.clock, options })
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
