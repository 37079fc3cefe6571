// What the receiver has told the server to be durable, watched from outside.
import { setTimeout as delay } from 'node:timers/promises'

import { parseLsn, type Lsn } from '../../../src/wal/lsn.ts'
import type { TestServer } from '../../support/postgres.ts'

const SQL = `
  select coalesce((select max(flush_lsn)::text from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid where s.slot_name = $1), '0/0') as lsn,
         coalesce((select restart_lsn::text from pg_replication_slots where slot_name = $1 and active), '0/0') as slot`

export class Watcher {
  /** Highest position that was ever reported as flushed. */
  durable: Lsn = 0n
  private first: Lsn | undefined
  private readonly stopping = new AbortController()
  private readonly running: Promise<void>

  constructor(server: TestServer, slot: string) {
    this.running = this.run(server, slot)
  }

  private async run(server: TestServer, slot: string): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await using client = await server.connect()
        while (!this.stopping.signal.aborted) {
          const { rows } = await client.query<{ lsn: string; slot: string }>(SQL, [slot])
          this.note(parseLsn(rows[0]!.lsn))
          if (this.durable > 0n) this.note(parseLsn(rows[0]!.slot))
          await delay(25)
        }
      } catch {
        await delay(100)
      }
    }
  }

  /** A receiver's first report is only where it starts: nothing of that is stored yet. */
  private note(lsn: Lsn): void {
    if (lsn === 0n) return
    this.first ??= lsn
    if (lsn > this.first && lsn > this.durable) this.durable = lsn
  }

  /** Somebody else said that everything up to here is durable. */
  claimed(lsn: Lsn): void {
    if (lsn > this.durable) this.durable = lsn
  }

  /** Resolves to whether `lsn` became durable in time. */
  async reaches(lsn: Lsn, withinMs: number): Promise<boolean> {
    const until = performance.now() + withinMs
    while (this.durable < lsn) {
      if (performance.now() > until) return false
      await delay(50)
    }
    return true
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }
}
