// What a backup costs the queries beside it: `npm run bench -- foreground [MEGABYTES] [PAIRS]`. A closed loop of clients with a mixed load (point reads,
// small ranges, updates) is counted alone and beside a backup, in turns, so that what else happens on the machine meets both.
import { join } from 'node:path'

import { systemClock } from '../src/base/clock.ts'
import type { BackupReport } from '../src/backup/report.ts'
import { CommandLine } from '../test/backup/cli.ts'
import { scratchFolder, startServer, type TestServer } from '../test/support/postgres.ts'

export interface ForegroundOptions {
  readonly megabytes: number
  readonly pairs: number
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}

export interface Judged {
  readonly text: string
  readonly holds: boolean
}

const CLIENTS = 2
/** Rows of about a kilobyte. */
const ROWS_PER_MEGABYTE = 900
/** Between two measurements: for what the one before has left to do. */
const PAUSE_MS = 1000
const SHORTEST_MS = 3000

/** Of the policy that is measured: see doc/design/performance.md. */
const POLICY = `backup:
  retail:
    throttle:
      bytes_per_second: 24MB
      foreground_latency: { factor: 2, floor: 8MB }
`

class MixedLoad implements AsyncDisposable {
  done = 0
  private stopped = false
  private readonly running: Promise<unknown>

  constructor(server: TestServer, rows: number) {
    this.running = Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.loop(server, rows, client)))
    this.running.catch(() => {})
  }

  private async loop(server: TestServer, rows: number, client: number): Promise<void> {
    await using session = await server.connect()
    for (let turn = client * 7919; !this.stopped; turn++) {
      const id = (turn * 48_271) % rows
      if (turn % 10 < 6)
        await session.query({ name: 'point', text: 'select amount from sales where id = $1', values: [id] })
      else if (turn % 10 < 8)
        await session.query({
          name: 'range',
          text: 'select sum(amount) from sales where id between $1 and $1 + 200',
          values: [id],
        })
      else
        await session.query({
          name: 'update',
          text: 'update sales set amount = amount + 1 where id = $1',
          values: [id],
        })
      this.done++
    }
  }

  /** Queries a second while `work` lasts, at least for a while. */
  async rateDuring(work: () => Promise<unknown>): Promise<{ rate: number; ms: number }> {
    const [from, at] = [this.done, systemClock.monotonic()]
    await Promise.all([work(), systemClock.sleep(SHORTEST_MS)])
    const ms = systemClock.monotonic() - at
    return { rate: ((this.done - from) * 1000) / ms, ms }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped = true
    await this.running
  }
}

export async function measureForeground(options: ForegroundOptions): Promise<readonly Judged[]> {
  await using scratch = await scratchFolder()
  await using server = await startServer({
    major: 18,
    settings: {
      shared_buffers: '256MB',
      max_wal_size: '4GB',
      wal_keep_size: '8GB',
      autovacuum: 'off',
      synchronous_commit: 'off',
    },
  })
  const rows = Math.round(options.megabytes * ROWS_PER_MEGABYTE)
  await fill(server, rows)
  const wharf = new CommandLine(scratch.path, server.url, POLICY)
  await wharf.json(['repository', 'init', 'main'])
  await wharf.json<BackupReport>(['backup', 'run', 'retail', '--kind', 'full'])
  await using load = new MixedLoad(server, rows)
  await load.rateDuring(() => systemClock.sleep(2 * SHORTEST_MS))
  const judged: Judged[] = []
  for (const { kind, least } of [
    { kind: 'full', least: 0.9 },
    { kind: 'incremental', least: 0.95 },
  ] as const) {
    const ratios: number[] = []
    for (let pair = 0; pair < options.pairs; pair++) {
      options.signal.throwIfAborted()
      let report: BackupReport | undefined
      const backup = async (): Promise<void> => {
        report = (await wharf.json<BackupReport>(['backup', 'run', 'retail', '--kind', kind])).output
      }
      const beside = await load.rateDuring(backup)
      await systemClock.sleep(PAUSE_MS)
      const alone = await load.rateDuring(() => systemClock.sleep(Math.min(beside.ms, 30_000)))
      ratios.push(beside.rate / alone.rate)
      options.log(
        `${kind} ${pair + 1}: ${Math.round(beside.rate)}/s beside it (${(beside.ms / 1000).toFixed(1)} s, read ${report!.readBytes} bytes), ${Math.round(alone.rate)}/s alone: ${ratios.at(-1)!.toFixed(3)}`,
      )
    }
    judged.push(judge(kind, ratios, least))
  }
  return judged
}

/** The median with the interval that holds it 96 times in 100 for nine values: second and last but one. */
function judge(kind: string, ratios: readonly number[], least: number): Judged {
  const sorted = ratios.toSorted((one, other) => one - other)
  const skip = sorted.length >= 9 ? 1 : 0
  const median = sorted[Math.floor(sorted.length / 2)]!
  const text = `beside ${kind} backups the load keeps ${median.toFixed(3)} × its rate (${sorted[skip]!.toFixed(3)} to ${sorted.at(-1 - skip)!.toFixed(3)}, ${sorted.length} pairs); at least ${least} wanted`
  return { text, holds: median >= least }
}

async function fill(server: TestServer, rows: number): Promise<void> {
  await server.psql('create table sales (id bigint primary key, amount bigint, note text) with (fillfactor = 85)')
  const note = `left(md5(n::text) || md5((n * 7)::text) || md5((n * 13)::text) || repeat('no remarks, delivered as ordered; ', 30), 950)`
  await server.psql(`insert into sales select n, n, ${note} from generate_series(0, ${rows - 1}) n`)
  await server.psql('vacuum (freeze, analyze) sales')
  await server.psql('checkpoint')
}

if (process.argv[1] !== undefined && join(process.argv[1]) === import.meta.filename) {
  const [megabytes, pairs] = process.argv.slice(2).map(Number)
  const log = (line: string): void => console.log(line)
  const signal = new AbortController().signal
  for (const { text } of await measureForeground({ megabytes: megabytes ?? 1024, pairs: pairs ?? 9, log, signal }))
    console.log(text)
}
