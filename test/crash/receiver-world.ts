// A server, a repository and receivers, in this process or in one that can be killed; and the comparison with the server's own pg_wal.
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Receiver, type ReceiverOptions } from '../../src/backup/receiver/receiver.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Repository } from '../../src/repository/contract.ts'
import { parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { makeRepository } from '../backup/world.ts'
import { scratchFolder, startServer, type TestServer, type TestServerOptions } from '../support/postgres.ts'
import { warehouseFor } from '../support/warehouse.ts'
import { currentLsn, readWal } from '../wal/pg-wal.ts'

export const SEGMENT_MEGABYTES = 1
export const SEGMENT_BYTES = SEGMENT_MEGABYTES << 20
export const never = new AbortController().signal

export interface ReceiverWorld extends AsyncDisposable {
  readonly server: TestServer
  readonly repository: Repository
  readonly repositoryPath: string
  readonly alerts: Readonly<Record<string, unknown>>[]
  readonly systemIdentifier: bigint
  /** A receiver in this process; `change` as for Receiver. */
  receiver(change?: Partial<ReceiverOptions> & { url?: string }): Receiver
}

export async function openReceiverWorld(options: TestServerOptions): Promise<ReceiverWorld> {
  await using cleanup = new AsyncDisposableStack()
  const scratch = cleanup.use(await scratchFolder())
  const server = cleanup.use(
    await startServer({
      walSegmentMegabytes: SEGMENT_MEGABYTES,
      ...options,
      settings: { wal_keep_size: '4GB', max_wal_size: '64MB', ...options.settings },
    }),
  )
  const repositoryPath = join(scratch.path, 'repository')
  const repository = await makeRepository(repositoryPath)
  const [row] = await server.psql<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()')
  const alerts: Record<string, unknown>[] = []
  const scope = cleanup.move()
  return {
    server,
    repository,
    repositoryPath,
    alerts,
    systemIdentifier: BigInt(row!.id),
    receiver: ({ url, ...change } = {}) =>
      new Receiver({
        warehouse: warehouseFor({ url: url ?? server.url }),
        repositories: [repository],
        slot: 'wharf_retail',
        sealAfterMs: 200,
        aliveAfterMs: 20_000,
        clock: systemClock,
        log: silentLog,
        alert: (data) => {
          alerts.push({ ...data })
          return Promise.resolve()
        },
        ...change,
      }),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

/** Runs a receiver while `work` runs. */
export async function receiving<T>(receiver: Receiver, work: () => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const ended = receiver.run(stop.signal)
  try {
    return await work()
  } finally {
    stop.abort(new Error('the test is done'))
    await ended
  }
}

/** The repository's WAL is one range per timeline, and every byte of it up to `to` is what the server has in pg_wal. */
export async function compareWithServer(
  world: ReceiverWorld,
  options: { to: Lsn; timeline?: number },
): Promise<{ chunks: number }> {
  const { repository, systemIdentifier, server } = world
  const timeline = options.timeline ?? 1
  const ranges = (await repository.wal.ranges(systemIdentifier, never)).filter((range) => range.timeline === timeline)
  assert.equal(ranges.length, 1, 'no holes')
  const range = ranges[0]!
  assert.ok(range.endLsn >= options.to, 'everything that was said to be durable is there')
  const chunks = await repository.wal.list(systemIdentifier, never, timeline)
  const truth = new Map<Lsn, Buffer>()
  for await (const part of readWal(server, {
    from: range.startLsn,
    to: range.endLsn,
    segmentBytes: SEGMENT_BYTES,
    timeline,
  })) {
    truth.set(part.startLsn, part.bytes)
  }
  for (const info of chunks) {
    const chunk = await repository.wal.read(info, never)
    assert.equal(chunk.problem, undefined)
    const segment = info.startLsn - (info.startLsn % BigInt(SEGMENT_BYTES))
    const from = Number(info.startLsn - segment)
    assert.ok(
      truth
        .get(segment)!
        .subarray(from, from + chunk.bytes.length)
        .equals(chunk.bytes),
      `${info.object} differs from the server's WAL`,
    )
  }
  return { chunks: chunks.length }
}

/** Short transactions until the signal aborts; survives a restart of the server. Resolves to how many committed. */
export async function load(server: TestServer, signal: AbortSignal): Promise<number> {
  await server.psql(
    'CREATE TABLE IF NOT EXISTS busy (id int PRIMARY KEY, n int, t text); INSERT INTO busy SELECT n, 0 FROM generate_series(1, 500) n ON CONFLICT DO NOTHING',
  )
  let committed = 0
  while (!signal.aborted) {
    try {
      await using client = await server.connect()
      while (!signal.aborted) {
        await client.query(
          `UPDATE busy SET n = n + 1, t = repeat(md5(random()::text), 10) WHERE id = ${1 + (committed % 500)}`,
        )
        committed++
      }
    } catch {
      await delay(50)
    }
  }
  return committed
}

/** A receiver in a process of its own. `durable` is the last position that it reported. */
export class ReceiverProcess {
  durable: Lsn = 0n
  /** Where it began: nothing of that is its own yet. */
  began: Lsn | undefined
  private readonly child: ChildProcess
  private readonly gone: Promise<void>

  constructor(world: ReceiverWorld) {
    this.child = fork(new URL('receiver-child.ts', import.meta.url), [world.server.url, world.repositoryPath], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.child.on('message', (message: { durable: string }) => {
      this.durable = parseLsn(message.durable)
      this.began ??= this.durable
    })
    this.gone = new Promise((resolve) => this.child.once('exit', () => resolve()))
  }

  async kill9(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await this.gone
  }
}

export { currentLsn }
