// Running PostgreSQL servers of our own, for the rooms above: the control database, managed warehouses, recovered clusters, sandboxes.
import { chmod, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

import { systemClock, type Clock } from '../base/clock.ts'
import type { Environment } from '../base/environment.ts'
import { warehouseErrors } from './errors.ts'
import { accountFor, assertReachable } from './server/account.ts'
import { embeddedBinaries, embeddedPackage, systemBinaries, type PostgresBinaries } from './server/binaries.ts'
import { initialise } from './server/initialise.ts'
import { inspectPostmaster, processesIn, serverFolders, sharedMemoryOf } from './server/postmaster.ts'
import { startServer, stopServer, type StartedServer, type StopMode } from './server/run.ts'
import { makeSocketFolder, socketFolder } from './server/socket.ts'

export interface ServerSpec {
  readonly binaries: PostgresBinaries
  readonly dataDirectory: string
  /** Wanted folder of the socket; a shorter one is taken where the path would be too long. */
  readonly socketDirectory: string
  readonly logFile: string
  /** Shown in the process list: no secrets. */
  readonly settings: Readonly<Record<string, string>>
  readonly port?: number | undefined
  readonly clock: Clock
  readonly environment: Environment
  readonly signal: AbortSignal
  /** Default 60 s; give more to a server that has WAL to replay. */
  readonly timeoutMs?: number
}

/**
 * Starts a server on an existing data directory, or adopts the one that runs there. As root it runs as the owner of the directory.
 * Rejects with `warehouse.not-a-data-directory`, `.wrong-major`, `.server-died`, `.port-taken`, `.start-timeout`, `.not-reachable-by-server`.
 */
export async function runServer(spec: ServerSpec): Promise<StartedServer> {
  const account = await accountFor(spec.dataDirectory, spec.environment)
  await assertReachable(spec.dataDirectory, account)
  const socketDirectory = socketFolder(spec.socketDirectory)
  await makeSocketFolder(socketDirectory, account)
  await mkdir(dirname(spec.logFile), { recursive: true })
  return await startServer({ ...spec, socketDirectory, account })
}

/**
 * Makes a folder of ours that the server's account must be able to pass through, such as the home itself: as root others may enter it,
 * but not list it.
 */
export async function makePassable(folder: string, environment: Environment): Promise<void> {
  await mkdir(folder, { recursive: true, mode: environment.isRoot ? 0o711 : 0o700 })
  if (!environment.isRoot) return
  const { mode, uid } = await stat(folder)
  if (uid === 0 && (mode & 0o011) !== 0o011) await chmod(folder, (mode & 0o777) | 0o111)
}

/** Makes the data directory unless it is there; as root it belongs to `nobody`. Returns whether this call made it. */
export async function makeDataDirectory(options: {
  binaries: PostgresBinaries
  dataDirectory: string
  password: string
  /** Appended to postgresql.conf. */
  settings?: Readonly<Record<string, string>>
  environment: Environment
  signal: AbortSignal
}): Promise<boolean> {
  const account = await accountFor(options.dataDirectory, options.environment)
  return await initialise({ ...options, account })
}

/** Stops the server of a data directory of ours. Resolves to false where none runs. */
export async function endServer(options: {
  dataDirectory: string
  mode: StopMode
  clock: Clock
  signal: AbortSignal
}): Promise<boolean> {
  return await stopServer(options)
}

/** Whether a server runs there now. */
export async function serverRuns(dataDirectory: string): Promise<boolean> {
  return (await inspectPostmaster(dataDirectory)).state === 'running'
}

/**
 * What of a server still uses the directory, as far as this machine can tell: its postmaster, backends that have outlived it, or the shared memory that
 * they would be attached to. Undefined: nothing. A postmaster.pid that nobody stands behind is no use of it.
 */
export async function useOf(dataDirectory: string): Promise<string | undefined> {
  const found = await inspectPostmaster(dataDirectory)
  if (found.state === 'running') return 'a PostgreSQL server runs on it'
  if (found.state === 'zombie') return `the server that ran on it (process ${found.pid}) is dead, but not yet gone`
  const left = await outlivingProcess(dataDirectory)
  if (left !== undefined) return `process ${left} of a server still works in it`
  return await sharedMemoryOf(dataDirectory)
}

/** Of a server that was stopped right now its last processes, an archiver with its command among them, need a moment to notice. */
const PATIENCE_MS = 2000
const PAUSE_MS = 100

async function outlivingProcess(dataDirectory: string): Promise<number | undefined> {
  for (let waited = 0; ; waited += PAUSE_MS) {
    const [left] = await processesIn(dataDirectory)
    if (left === undefined || waited >= PATIENCE_MS) return left
    await systemClock.sleep(PAUSE_MS)
  }
}

/** Data directories in which servers work on this machine, as far as this user may see. Linux only, else none. */
export function runningServers(): Promise<readonly string[]> {
  return serverFolders()
}

/** Binaries for a version: `folder` if given (a bin folder), else the embedded ones, else those of the system. */
export async function findBinaries(options: {
  majorVersion: number
  home: string
  folder?: string | undefined
}): Promise<PostgresBinaries> {
  if (options.folder !== undefined) return { majorVersion: options.majorVersion, bin: options.folder }
  const embedded = await embeddedPackage()
  if (embedded?.majorVersion === options.majorVersion) return await embeddedBinaries(options.home)
  const system = systemBinaries(options.majorVersion)
  if (!system) throw warehouseErrors.noBinaries({ what: `PostgreSQL ${options.majorVersion}` })
  return system
}

export type { PostgresBinaries, StartedServer, StopMode }
export { freePort } from './server/run.ts'
