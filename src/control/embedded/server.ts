// Starts or adopts the embedded PostgreSQL of the control database.
import { readFile, rename, stat } from 'node:fs/promises'

import { codeOf, isWharfError } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { Secret } from '../../base/secret.ts'
import { writeFileDurably } from '../../base/durable.ts'
import { MIB } from '../../base/units.ts'
import type { ConnectionTarget } from '../../warehouse/connection.ts'
import { generatedPassword } from '../../warehouse/generated-password.ts'
import { endServer, findBinaries, makeDataDirectory, makePassable, runServer } from '../../warehouse/servers.ts'
import { controlLayout } from './layout.ts'

type Tools = Pick<Context, 'home' | 'clock' | 'environment' | 'random' | 'log'>

const majorVersion = 18
const largestLog = 10 * MIB

/** Small: this database holds some thousand rows. Durability stays on. */
const settings: Readonly<Record<string, string>> = {
  shared_buffers: '64MB',
  max_connections: '200',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '256MB',
  unix_socket_permissions: '0777',
  timezone: 'UTC',
  log_timezone: 'UTC',
  autovacuum_naptime: '15s',
  cluster_name: 'wharf control',
}

/** Resolves to where it listens once it takes connections. Safe when several processes do this at once. */
export async function startControlServer(tools: Tools, signal: AbortSignal): Promise<ConnectionTarget> {
  const layout = controlLayout(tools.home)
  await makePassable(tools.home, tools.environment)
  await makePassable(layout.folder, tools.environment)
  const binaries = await findBinaries({ majorVersion, home: tools.home })
  const password = await generatedPassword(layout.passwordFile, tools.random)
  const { dataDirectory, logFile } = layout
  await makeDataDirectory({ binaries, dataDirectory, password, environment: tools.environment, signal })
  await trimLog(logFile)
  const { clock, environment } = tools
  const spec = {
    binaries,
    dataDirectory,
    socketDirectory: layout.socketDirectory,
    logFile,
    settings,
    clock,
    environment,
    signal,
  }
  const wanted = await lastPort(layout.portFile)
  const started = await runServer({ ...spec, port: wanted }).catch((error: unknown) => {
    if (isWharfError(error, 'warehouse.port-taken')) return runServer(spec)
    throw error
  })
  if (started.port !== wanted) await writeFileDurably(layout.portFile, `${started.port}\n`)
  tools.log.debug({ pid: started.pid, port: started.port, adopted: started.adopted }, 'control database runs')
  return {
    what: 'the control database',
    host: started.socketDirectory,
    port: started.port,
    user: 'postgres',
    database: 'postgres',
    password: new Secret(password),
    passwordFile: undefined,
    tls: { mode: 'disable' },
    connectTimeoutMs: 10_000,
  }
}

export async function stopControlServer(tools: Tools, signal: AbortSignal): Promise<void> {
  const { dataDirectory } = controlLayout(tools.home)
  await endServer({ dataDirectory, mode: 'fast', clock: tools.clock, signal })
}

async function lastPort(file: string): Promise<number | undefined> {
  const port = Number(await readFile(file, 'utf8').catch(() => ''))
  return Number.isSafeInteger(port) && port > 1024 && port < 65_536 ? port : undefined
}

async function trimLog(file: string): Promise<void> {
  const about = await stat(file).catch(() => undefined)
  if (!about || about.size < largestLog) return
  await rename(file, `${file}.1`).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
}
