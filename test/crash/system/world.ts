// A whole system under load: a warehouse, a repository, `wharf up`, backups and loads one after the other, all as real processes.
import { chmod, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { systemClock } from '../../../src/base/clock.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Repository } from '../../../src/repository/contract.ts'
import { openRepository } from '../../../src/repository/open.ts'
import { openStore } from '../../../src/repository/stores.ts'
import { endServer } from '../../../src/warehouse/servers.ts'
import { scratchFolder, startServer, type Major, type TestServer } from '../../support/postgres.ts'
import { Feed } from './feed.ts'
import { Kept, wharfJson, type Ended, type Place } from './processes.ts'
import { Watcher } from './watcher.ts'
import { prepareForWriter, Writer } from './writer.ts'

export const never = new AbortController().signal
export const SLOT = 'wharf_retail'

export interface SystemOptions {
  readonly major: Major
  readonly random: Random
  readonly log: (line: string) => void
}

export interface SystemWorld extends AsyncDisposable {
  readonly server: TestServer
  readonly systemIdentifier: bigint
  readonly place: Place
  readonly folder: string
  readonly repositoryPath: string
  readonly repository: Repository
  readonly controlDirectory: string
  readonly feed: Feed
  readonly writer: Writer
  readonly watcher: Watcher
  readonly up: Kept
  readonly backups: Kept
  readonly loads: Kept
  readonly log: (line: string) => void
  /** Codes of errors that commands ended with, counted; `defect` is one. */
  readonly errors: Map<string, number>
  /** Texts of defects, and of ends that nobody asked for. */
  readonly defects: string[]
  /** No more files arrive; resolves when loading and backing up have come to rest. */
  rest(): Promise<void>
}

export async function openSystem(options: SystemOptions): Promise<SystemWorld> {
  await using cleanup = new AsyncDisposableStack()
  const scratch = cleanup.use(await scratchFolder())
  const server = cleanup.use(
    await startServer({
      major: options.major,
      settings: { wal_keep_size: '64MB', max_wal_size: '128MB', wal_level: 'replica' },
    }),
  )
  await prepareForWriter(server)
  await Feed.prepare(server)
  const place = await configure(scratch.path, server)
  await wharfJson(place, ['repository', 'init', 'main'])
  const [row] = await server.psql<{ id: string }>('select system_identifier::text as id from pg_control_system()')
  const repositoryPath = join(scratch.path, 'repository')
  const controlDirectory = join(place.home, 'control', 'data')
  const stopControl = { dataDirectory: controlDirectory, mode: 'immediate', clock: systemClock, signal: never } as const
  cleanup.defer(async () => void (await endServer(stopControl)))
  const feed = new Feed(join(scratch.path, 'feed'), options.random)
  const parts = { ...options, server, place, feed, errors: new Map<string, number>(), defects: [] as string[] }
  const repository = await openReadOnly(repositoryPath, join(scratch.path, 'key'))
  const loops = startLoops(parts)
  cleanup.defer(loops.stop)
  const scope = cleanup.move()
  return {
    ...parts,
    ...loops,
    systemIdentifier: BigInt(row!.id),
    folder: scratch.path,
    repositoryPath,
    repository,
    controlDirectory,
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

async function configure(folder: string, server: TestServer): Promise<Place> {
  const configFile = join(folder, 'wharf.yaml')
  const port = await freePort()
  await writeFile(
    configFile,
    [
      `server: { listen: '127.0.0.1:${port}' }`,
      `repositories: { main: { path: repository, encryption: { key_file: key } } }`,
      `warehouses: { retail: { url: '${server.url}', repositories: [main] } }`,
      `wal: { retail: { seal_after: 300ms } }`,
      `runs: { lease: 2s }`,
      `pipelines:`,
      `  daily:`,
      `    warehouse: retail`,
      `    tasks:`,
      `      lines: { retries: 50, retry_delay: 500ms, copy: { into: public.line, folder: feed, files: '{date}.csv', settle: 1s } }`,
      '',
    ].join('\n'),
  )
  await chmod(configFile, 0o600)
  return { configFile, home: join(folder, 'home') }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

async function openReadOnly(path: string, keyFile: string): Promise<Repository> {
  return await openRepository({
    name: 'main',
    store: await openStore({ kind: 'file', path }),
    unlock: { by: 'key-file', path: keyFile },
    clock: systemClock,
    holder: 'test',
    signal: never,
  })
}

type Parts = Pick<SystemWorld, 'server' | 'place' | 'feed' | 'errors' | 'defects' | 'log'>

function startLoops(parts: Parts) {
  const { place, feed, server } = parts
  let feeding = true
  const kept = (name: string, args: readonly string[], more: { pauseMs: number; before?: () => Promise<void> }): Kept =>
    new Kept({ name, place, args, ...more, onEnded: (ended) => judge(name, ended, parts) })
  const arrive = async (): Promise<void> => {
    if (feeding) await feed.arrive()
  }
  const watcher = new Watcher(server, SLOT)
  const writer = new Writer(server, 5)
  const up = kept('up', ['up'], { pauseMs: 500 })
  const backups = kept('backup', ['backup', 'run', 'retail', '--json'], { pauseMs: 1000 })
  const loads = kept('load', ['load', 'run', 'daily', '--json'], { pauseMs: 500, before: arrive })
  let resting: Promise<void> | undefined
  const rest = async (): Promise<void> => {
    feeding = false
    resting ??= Promise.all([loads.stop(), backups.stop()]).then(() => {})
    await resting
  }
  const stop = async (): Promise<void> => {
    await rest()
    await Promise.all([writer.stop(), watcher.stop(), up.stop()])
  }
  return { watcher, writer, up, backups, loads, rest, stop }
}

/** Errors are to be expected while things are killed; defects are not, nor is an `up` that ends by itself. */
function judge(name: string, ended: Ended, { errors, defects, log }: Parts): void {
  if (ended.killed || ended.code === 0) return
  const code = /"code": "([a-z.-]+)"/.exec(ended.stdout)?.[1] ?? `exit ${ended.code}`
  const key = `${name}: ${code}`
  errors.set(key, (errors.get(key) ?? 0) + 1)
  const tail = `${ended.stdout}\n${ended.stderr}`.trim().slice(-1500)
  if (code === 'defect' || ended.stderr.includes('this is a defect')) defects.push(`${name}: ${tail}`)
  if (name !== 'up') return
  log(`up ended by itself with ${ended.code}: ${tail}`)
  defects.push(`up ended by itself with ${ended.code}: ${tail}`)
}

/** Until `reached` says true; undefined where it never did. Milliseconds that it took. */
export async function until(reached: () => boolean | Promise<boolean>, withinMs: number): Promise<number | undefined> {
  const start = performance.now()
  while (!(await reached())) {
    if (performance.now() - start > withinMs) return undefined
    await delay(50)
  }
  return Math.round(performance.now() - start)
}
