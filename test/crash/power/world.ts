// A server under load, a repository whose store can lose power, and the child that works on it.
import { fork, type ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { systemClock } from '../../../src/base/clock.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Repository } from '../../../src/repository/contract.ts'
import { openRepository } from '../../../src/repository/open.ts'
import { openStore } from '../../../src/repository/stores.ts'
import { parseLsn, type Lsn } from '../../../src/wal/lsn.ts'
import { scratchFolder, startServer, type TestServer } from '../../support/postgres.ts'
import { cutPower } from '../../support/forgetting-store.ts'
import { prepareForWriter, Writer } from '../system/writer.ts'
import type { Death } from './mortal-store.ts'
import type { PowerChildOptions, Told } from './power-child.ts'

export const never = new AbortController().signal
export const unlock = { by: 'passphrase', passphrase: 'correct horse', scryptCost: 1024 } as const

/** What was acknowledged, whatever has happened since. */
export class Acknowledgements {
  durable: Lsn = 0n
  readonly complete: string[] = []
  initialised = false
  phase = ''

  take(told: Told): void {
    if (told.kind === 'initialised') this.initialised = true
    if (told.kind === 'phase') this.phase = told.phase
    if (told.kind === 'complete') this.complete.push(told.id)
    if (told.kind === 'durable' && parseLsn(told.lsn) > this.durable) this.durable = parseLsn(told.lsn)
  }
}

export class Worker {
  /** Exit code and what it said on standard error; undefined while it lives. */
  ended: { readonly signal: NodeJS.Signals | null; readonly stderr: string } | undefined
  readonly end: Promise<void>
  /** The acknowledgements that came from this one. */
  readonly own = new Acknowledgements()
  private readonly child: ChildProcess

  constructor(options: PowerChildOptions, all: Acknowledgements) {
    this.child = fork(new URL('power-child.ts', import.meta.url), [JSON.stringify(options)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let stderr = ''
    this.child.stderr!.on('data', (bytes: Buffer) => (stderr += bytes.toString()))
    this.child.on('message', (told: Told) => {
      all.take(told)
      this.own.take(told)
    })
    this.end = new Promise((resolve) => {
      this.child.once('close', (_code, signal) => {
        this.ended = { signal, stderr }
        resolve()
      })
    })
  }

  /** One that has ended by itself meanwhile is as dead as it was to be. */
  die(death: Death): void {
    if (this.child.connected) this.child.send(death)
  }

  async kill9(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.end
  }
}

export interface PowerWorld extends AsyncDisposable {
  readonly server: TestServer
  readonly folder: string
  readonly path: string
  readonly systemIdentifier: bigint
  readonly writer: Writer
  readonly acknowledged: Acknowledgements
  readonly random: Random
  /** A child on the repository, or on another folder where only init is done. */
  work(more?: Partial<PowerChildOptions>): Worker
  cut(survives: number, at?: { path: string; journal: string }): Promise<string[]>
  /** Through a store that knows nothing of cuts. */
  open(path?: string): Promise<Repository>
}

export async function openPowerWorld(random: Random): Promise<PowerWorld> {
  await using cleanup = new AsyncDisposableStack()
  const scratch = cleanup.use(await scratchFolder())
  const server = cleanup.use(await startServer({ major: 18, settings: { max_wal_size: '128MB', wal_keep_size: '0' } }))
  await prepareForWriter(server)
  await server.psql(
    `create table still as select n as id, (select string_agg(md5((n * i)::text), '') from generate_series(1, 40) i) as body from generate_series(1, 20000) n`,
  )
  const folder = scratch.path
  const [path, journal] = [join(folder, 'repository'), join(folder, 'journal')]
  for (const one of [path, journal]) await mkdir(one, { recursive: true })
  const [row] = await server.psql<{ id: string }>('select system_identifier::text as id from pg_control_system()')
  const writer = new Writer(server, 2)
  cleanup.defer(() => writer.stop())
  const workers: Worker[] = []
  cleanup.defer(async () => void (await Promise.all(workers.map((one) => one.kill9()))))
  const acknowledged = new Acknowledgements()
  const scope = cleanup.move()
  return {
    server,
    folder,
    path,
    systemIdentifier: BigInt(row!.id),
    writer,
    acknowledged,
    random,
    work: (more = {}) => {
      const options = { url: server.url, folder, path, journal, initOnly: false, fullEvery: 2, ...more }
      const worker = new Worker(options, more.initOnly ? new Acknowledgements() : acknowledged)
      workers.push(worker)
      return worker
    },
    cut: (survives, at = { path, journal }) => cutPower({ ...at, survives, random }),
    open: async (at = path) =>
      await openRepository({
        name: 'r',
        store: await openStore({ kind: 'file', path: at }),
        unlock,
        clock: systemClock,
        holder: 'test',
        signal: never,
      }),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}
