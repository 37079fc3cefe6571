// Warehouses that wharf runs itself: embedded PostgreSQL 18 with a data directory under the home.
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../base/durable.ts'
import { codeOf, isWharfError } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import { warehousesSection, type WarehouseEntry } from './config.ts'
import { managedLayout, targetOf } from './declared.ts'
import { warehouseErrors } from './errors.ts'
import { generatedPassword } from './generated-password.ts'
import { endServer, findBinaries, makeDataDirectory, makePassable, runServer, type StopMode } from './servers.ts'
import { openSession } from './session/session.ts'

const majorVersion = 18

/** What a protected warehouse needs; the entry's own `settings` go above them. */
const baseSettings: Readonly<Record<string, string>> = {
  wal_level: 'replica',
  max_wal_senders: '10',
  max_replication_slots: '10',
  max_slot_wal_keep_size: '4GB',
  max_wal_size: '1GB',
  summarize_wal: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

export interface ManagedServer {
  readonly name: string
  readonly dataDirectory: string
  readonly port: number
  readonly pid: number
  /** True where it was running already. */
  readonly adopted: boolean
}

/**
 * Starts (or adopts) the server of a warehouse that is declared with `managed: true`, making data directory and database where they are
 * missing. It keeps running until stopManaged(): a load or a receiver in another process may use it.
 */
export async function startManaged(name: string, context: Context, signal: AbortSignal): Promise<ManagedServer> {
  const entry = managedEntry(name, context)
  const layout = managedLayout(context.home, name)
  const { clock, environment } = context
  await makePassable(context.home, environment)
  await makePassable(join(context.home, 'warehouses'), environment)
  await makePassable(layout.folder, environment)
  if (await managedDataIsGone(name, context))
    throw warehouseErrors.managedDataGone({ name, path: layout.dataDirectory })
  const binaries = await findBinaries({ majorVersion, home: context.home })
  const password = await generatedPassword(layout.passwordFile, context.random)
  const { dataDirectory, socketDirectory, logFile } = layout
  const settings = settingsOf(entry)
  await makeDataDirectory({ binaries, dataDirectory, password, settings, environment, signal })
  const spec = {
    binaries,
    dataDirectory,
    socketDirectory,
    logFile,
    settings: {},
    clock,
    environment,
    signal,
    timeoutMs: 600_000,
  }
  const wanted = await lastPort(layout.portFile)
  const started = await runServer({ ...spec, port: wanted }).catch((error: unknown) => {
    if (isWharfError(error, 'warehouse.port-taken')) return runServer(spec)
    throw error
  })
  if (started.port !== wanted) await writeFileDurably(layout.portFile, `${started.port}\n`)
  await makeDatabase(name, entry, context, signal)
  return { name, dataDirectory, port: started.port, pid: started.pid, adopted: started.adopted }
}

/** Stops it; resolves to false where it does not run. `immediate` leaves crash recovery to the next start. */
export async function stopManaged(
  name: string,
  context: Context,
  options: { mode: StopMode; signal: AbortSignal },
): Promise<boolean> {
  managedEntry(name, context)
  const { dataDirectory } = managedLayout(context.home, name)
  return await endServer({ dataDirectory, clock: context.clock, ...options })
}

/** True where the server ran before and has no data directory now: a new empty one in its place would hide the loss. */
export async function managedDataIsGone(name: string, context: Pick<Context, 'home'>): Promise<boolean> {
  const { portFile, dataDirectory } = managedLayout(context.home, name)
  return (await exists(portFile)) && !(await exists(join(dataDirectory, 'PG_VERSION')))
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** Where a managed warehouse keeps its data, for those who destroy or recover it. */
export function managedDataDirectory(name: string, context: Pick<Context, 'home'>): string {
  return managedLayout(context.home, name).dataDirectory
}

function managedEntry(name: string, context: Context): WarehouseEntry {
  const entry = context.section(warehousesSection)[name]
  if (!entry?.managed) throw warehouseErrors.notManaged({ name })
  return entry
}

/** In the data directory itself, so that they belong to the warehouse and its backups. */
function settingsOf(entry: WarehouseEntry): Record<string, string> {
  const own = Object.entries(entry.settings ?? {}).map(([key, value]) => [key, String(value)] as const)
  return { ...baseSettings, ...Object.fromEntries(own) }
}

async function makeDatabase(name: string, entry: WarehouseEntry, context: Context, signal: AbortSignal): Promise<void> {
  const target = targetOf(name, entry, context)
  if (target.database === 'postgres') return
  await using session = await openSession(
    { ...target, database: 'postgres' },
    { purpose: 'managed', signal },
    context.clock,
  )
  const known = await session.query('select 1 from pg_database where datname = $1', [target.database])
  if (known.length > 0) return
  try {
    await session.query(`create database "${target.database.replaceAll('"', '""')}"`)
  } catch (error) {
    // Another process was first.
    if (codeOf(error) !== '42P04' && codeOf(error) !== '23505') throw error
  }
}

async function lastPort(file: string): Promise<number | undefined> {
  const port = Number(await readFile(file, 'utf8').catch(() => ''))
  return Number.isSafeInteger(port) && port > 1024 && port < 65_536 ? port : undefined
}
