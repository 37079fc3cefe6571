// Receiving WAL: CPU seconds per GB (2^30 bytes) of our process, and the server's commit rate beside ours and beside Debian's pg_receivewal on
// PostgreSQL 15, in interleaved pairs. Usage: node bin/wharf-node bench/receive.ts [pairs=9] [seconds=8]
import { execFile, fork, spawn, type ChildProcess } from 'node:child_process'
import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

import { parseLsn } from '../src/wal/lsn.ts'
import { makeRepository } from '../test/backup/world.ts'
import { startServer, type TestServer } from '../test/support/postgres.ts'
import { currentLsn } from '../test/wal/pg-wal.ts'

const debian = '/usr/lib/postgresql/15/bin'
const CLIENTS = 4
const SCALE = 20

interface Usage {
  readonly cpuSeconds: number
  readonly durable: string | undefined
}

export interface ReceiveResult {
  /** While clients commit. */
  readonly busyCpuSecondsPerGb: number
  /** While it catches up with WAL that is there already. */
  readonly catchUpCpuSecondsPerGb: number
  readonly catchUpMegabytesPerSecond: number
  readonly pairs: readonly { readonly ours: number; readonly theirs: number }[]
  /** Median of ours ÷ theirs. */
  readonly commitRatio: number
}

class Ours {
  private readonly child: ChildProcess
  constructor(server: TestServer, path: string, slot: string) {
    this.child = fork(new URL('receive-child.ts', import.meta.url), [server.url, path, slot], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
  }

  usage(): Promise<Usage> {
    return new Promise((resolve) => {
      this.child.once('message', (usage: Usage) => resolve(usage))
      this.child.send('usage')
    })
  }

  async reached(lsn: bigint): Promise<Usage> {
    for (;;) {
      const usage = await this.usage()
      if (usage.durable !== undefined && parseLsn(usage.durable) >= lsn) return usage
      await delay(250)
    }
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(name)
  }

  async stop(): Promise<void> {
    this.child.send('stop')
    await new Promise((resolve) => this.child.once('exit', resolve))
  }
}

async function pgbench(server: TestServer, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(join(debian, 'pgbench'), [
    '-h',
    '127.0.0.1',
    '-p',
    String(server.port),
    '-U',
    'postgres',
    ...args,
    'postgres',
  ])
  return stdout
}

async function commitRate(server: TestServer, seconds: number): Promise<number> {
  const out = await pgbench(server, ['-n', '-c', String(CLIENTS), '-j', '1', '-T', String(seconds)])
  return Number(/tps = ([\d.]+)/.exec(out)?.[1])
}

async function besideTheirs(server: TestServer, folder: string, seconds: number): Promise<number> {
  const path = await mkdtemp(join(folder, 'theirs-'))
  const receivewal = spawn(join(debian, 'pg_receivewal'), ['-D', path, '-S', 'theirs', '-d', server.url], {
    stdio: 'ignore',
  })
  await delay(500)
  const rate = await commitRate(server, seconds)
  receivewal.kill('SIGINT')
  await new Promise((resolve) => receivewal.once('exit', resolve))
  await rm(path, { recursive: true })
  return rate
}

export async function measure(options: {
  pairs: number
  seconds: number
  log: (line: string) => void
}): Promise<ReceiveResult> {
  const { pairs, seconds, log } = options
  const folder = await mkdtemp(join(tmpdir(), 'wharf-bench-receive-'))
  try {
    await using server = await startServer({
      major: 15,
      settings: { fsync: 'on', max_wal_size: '4GB', checkpoint_timeout: '1h', shared_buffers: '512MB' },
    })
    await pgbench(server, ['-i', '-q', '-s', String(SCALE)])
    await server.psql(
      "CHECKPOINT; SELECT pg_create_physical_replication_slot('theirs', true); SELECT pg_create_physical_replication_slot('ours', true)",
    )
    const path = join(folder, 'ours')
    await mkdir(path)
    await makeRepository(path)
    const made: { ours: number; theirs: number }[] = []
    let cpuSeconds = 0
    let bytes = 0n
    for (let pair = 0; pair < pairs; pair++) {
      const ours = async (): Promise<number> => {
        const receiver = new Ours(server, path, 'ours')
        const from = await currentLsn(server)
        const before = await receiver.reached(from)
        const rate = await commitRate(server, seconds)
        const to = await currentLsn(server)
        const after = await receiver.reached(to)
        await receiver.stop()
        cpuSeconds += after.cpuSeconds - before.cpuSeconds
        bytes += to - from
        return rate
      }
      const theirs = (): Promise<number> => besideTheirs(server, folder, seconds)
      const one =
        pair % 2 === 0
          ? { ours: await ours(), theirs: await theirs() }
          : await theirs().then(async (rate) => ({ ours: await ours(), theirs: rate }))
      made.push(one)
      log(
        `pair ${pair + 1}: ours ${one.ours.toFixed(0)}/s, pg_receivewal ${one.theirs.toFixed(0)}/s, ratio ${(one.ours / one.theirs).toFixed(3)}`,
      )
      await server.psql('CHECKPOINT')
    }
    const ratios = made.map((one) => one.ours / one.theirs).toSorted((a, b) => a - b)
    const caughtUp = await catchUp(server, path)
    return {
      busyCpuSecondsPerGb: (cpuSeconds / Number(bytes)) * 2 ** 30,
      ...caughtUp,
      pairs: made,
      commitRatio: ratios[Math.floor(ratios.length / 2)] ?? Number.NaN,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The receiver is stopped in its tracks while WAL piles up: its start is not measured. */
async function catchUp(
  server: TestServer,
  path: string,
): Promise<Pick<ReceiveResult, 'catchUpCpuSecondsPerGb' | 'catchUpMegabytesPerSecond'>> {
  const receiver = new Ours(server, path, 'ours')
  const from = await currentLsn(server)
  const before = await receiver.reached(from)
  receiver.signal('SIGSTOP')
  await server.psql('ALTER SYSTEM SET synchronous_commit = off')
  await server.psql('SELECT pg_reload_conf()')
  while ((await currentLsn(server)) - from < 300n << 20n) await pgbench(server, ['-n', '-c', '8', '-j', '1', '-T', '5'])
  const to = await currentLsn(server)
  receiver.signal('SIGCONT')
  const started = performance.now()
  const after = await receiver.reached(to)
  const elapsed = (performance.now() - started) / 1000
  await receiver.stop()
  const gb = Number(to - from) / 2 ** 30
  return {
    catchUpCpuSecondsPerGb: (after.cpuSeconds - before.cpuSeconds) / gb,
    catchUpMegabytesPerSecond: (gb * 1024) / elapsed,
  }
}

if (import.meta.main) {
  const [pairs = '9', seconds = '8'] = process.argv.slice(2)
  const result = await measure({ pairs: Number(pairs), seconds: Number(seconds), log: (line) => console.log(line) })
  console.log(JSON.stringify({ ...result, pairs: undefined }, undefined, 2))
  await appendFile(new URL('results/receive.jsonl', import.meta.url), `${JSON.stringify(result)}\n`)
}
