// A client of the warehouse that remembers outside which of its transactions were acknowledged, and where WAL stood then.
import { setTimeout as delay } from 'node:timers/promises'

import type { Lsn } from '../../../src/wal/lsn.ts'
import { parseLsn } from '../../../src/wal/lsn.ts'
import type { TestServer } from '../../support/postgres.ts'

const COUNTERS = 500

export interface Acknowledged {
  readonly seq: number
  /** At or behind the end of its commit record. */
  readonly lsn: Lsn
  /** The server's own time, after the commit. */
  readonly at: string
}

export async function prepareForWriter(server: TestServer): Promise<void> {
  await server.psql(`
    create table client (seq bigint primary key, at timestamptz not null default now(), filler text);
    create table counter (id int primary key, n bigint not null, filler text) with (fillfactor = 80);
    insert into counter select n, 0, repeat(md5(n::text), 6) from generate_series(0, ${COUNTERS - 1}) n;`)
}

/** One transaction after the other: a row in `client` and one more in a row of `counter`, both or neither. */
export class Writer {
  readonly acknowledged: Acknowledged[] = []
  /** Highest number that was tried. Those without an answer may have happened or not. */
  attempted = 0
  private readonly stopping = new AbortController()
  private readonly running: Promise<void>

  constructor(server: TestServer, pauseMs: number) {
    this.running = this.run(server, pauseMs)
  }

  private async run(server: TestServer, pauseMs: number): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await using client = await server.connect()
        while (!this.stopping.signal.aborted) {
          const seq = ++this.attempted
          await client.query(
            `with one as (insert into client (seq, filler) values (${seq}, repeat(md5(random()::text), 4)) returning seq)
             update counter set n = n + 1, filler = reverse(filler) where id = (select seq % ${COUNTERS} from one)`,
          )
          const { rows } = await client.query<{ lsn: string; at: string }>(
            'select pg_current_wal_insert_lsn()::text as lsn, clock_timestamp()::text as at',
          )
          this.acknowledged.push({ seq, lsn: parseLsn(rows[0]!.lsn), at: rows[0]!.at })
          await delay(pauseMs)
        }
      } catch {
        // The server is gone or starts again.
        await delay(100)
      }
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }
}

/** What a server must hold where everything up to `durable` is there: every acknowledged number, none out of order, nothing by halves. */
export async function checkWriter(
  server: Pick<TestServer, 'psql'>,
  writer: Pick<Writer, 'acknowledged' | 'attempted'>,
  durable: Lsn,
): Promise<string[]> {
  const problems: string[] = []
  // One statement, one snapshot: the client may still be writing.
  const [found] = await server.psql<{ seqs: string[] | null; sum: string }>(
    'select (select array_agg(seq::text) from client) as seqs, (select sum(n)::text from counter) as sum',
  )
  const there = new Set((found!.seqs ?? []).map(Number))
  const last = [...there].reduce((most, seq) => Math.max(most, seq), 0)
  const missing = writer.acknowledged.filter(({ seq, lsn }) => (lsn <= durable || seq < last) && !there.has(seq))
  if (missing.length > 0)
    problems.push(`${missing.length} acknowledged transactions are missing, from number ${missing[0]!.seq} on`)
  if (last > writer.attempted) problems.push(`number ${last} is there and was never written`)
  if (Number(found!.sum) !== there.size) problems.push(`counters say ${found!.sum}, there are ${there.size} rows`)
  return problems
}
