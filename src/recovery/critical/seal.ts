// Makes of a sandbox that has opened at its target a server that others may read without ever being told something wrong. The files of everything that was left out
// go, so that whoever asks for it gets an error; the databases of which nothing came take no connections; and the server starts again as a standby that nothing feeds,
// which PostgreSQL itself keeps from writing.
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import type { Context } from '../../base/room.ts'
import { isWharfError } from '../../base/errors.ts'
import { endServer, runServer, type StartedServer } from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { withoutRecovery } from '../restore/settings.ts'
import { writeOwned } from '../restore/small-files.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { PrivateServer } from '../server/connect.ts'
import { lastComplaint } from '../server/replay.ts'
import { removeLeftovers } from '../server/start.ts'
import type { CriticalPart } from './choice.ts'
import { closedRules } from './closed-rules.ts'

export interface LetIn {
  /** Names at the target. */
  readonly databases: readonly string[]
  /** Tables of the tier, `database.schema.name`, that stand on a file which was left out: swapped into place or renamed since the backup. They answer with an error. */
  readonly unreadable: readonly string[]
  /** Names of the databases that nobody may come to: of most of them not even the catalogs are there. */
  readonly closed: readonly string[]
}

export interface Sealing {
  readonly sandbox: Sandbox
  readonly part: CriticalPart
  readonly context: Context
  readonly signal: AbortSignal
}

/** `look`: while it still takes writes, and nobody but us is let in. The server is down afterwards, everything that it had in memory is in its files, and nothing of what only replay needs is left. */
export async function seal(
  of: Sealing,
  look: (databases: readonly string[]) => Promise<void> = () => Promise.resolve(),
): Promise<LetIn> {
  const { sandbox, part, context, signal } = of
  const { open: databases, closed } = await closeOthers(of)
  await look(databases.map((one) => one.name))
  const unreadable: string[] = []
  for (const one of databases) unreadable.push(...(await unreadableIn(of, one)))
  await endServer({ dataDirectory: sandbox.folder, mode: 'fast', clock: context.clock, signal })
  await removeLeftovers(sandbox.server.leftovers)
  const auto = join(sandbox.folder, 'postgresql.auto.conf')
  await writeOwned(auto, withoutRecovery(await readFile(auto, 'utf8')), sandbox.server.owner)
  for (const oid of part.wish.databases) await removeStubs(sandbox, oid)
  return { databases: databases.map((one) => one.name), unreadable, closed }
}

interface Database {
  readonly oid: number
  readonly name: string
}

async function closeOthers({
  sandbox,
  part,
}: Sealing): Promise<{ open: readonly Database[]; closed: readonly string[] }> {
  await using session = await sandbox.connect('template1')
  const oids = [...part.wish.databases]
  await session.query('UPDATE pg_catalog.pg_database SET datallowconn = false WHERE NOT oid = ANY ($1::oid[])', [oids])
  const { rows } = await session.query<{ oid: string; name: string; isOpen: boolean }>(
    'SELECT oid::int8::text AS oid, datname AS name, datallowconn AS "isOpen" FROM pg_catalog.pg_database ORDER BY datname',
  )
  const open = rows.filter((row) => row.isOpen).map((row) => ({ oid: Number(row.oid), name: row.name }))
  return { open, closed: rows.filter((row) => !row.isOpen).map((row) => row.name) }
}

/** By the names that they had at the backup: what was dropped since is not there at the target either. */
async function unreadableIn({ sandbox, part }: Sealing, database: Database): Promise<readonly string[]> {
  const names = new Set(part.names)
  await using session = await sandbox.connect(database.name)
  const { rows } = await session.query<{ name: string; filenode: string }>(
    `SELECT n.nspname || '.' || c.relname AS name, pg_catalog.pg_relation_filenode(c.oid)::int8::text AS filenode
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384 ORDER BY 1`,
  )
  return rows
    .filter((row) => sandbox.leftOut(database.oid, Number(row.filenode)))
    .map((row) => `${database.name}.${row.name}`)
    .filter((name) => names.has(name))
}

/** Wherever the database lies by now: a file that is not there is an error to whoever reads it, where a stub would be an empty table. */
async function removeStubs(sandbox: Sandbox, databaseOid: number): Promise<void> {
  for (const folder of await foldersOf(sandbox.folder, databaseOid)) {
    for (const name of await readdir(folder)) {
      const match = /^(\d+)(?:_(?:fsm|vm|init))?(?:\.\d+)?$/.exec(name)
      if (match && sandbox.leftOut(databaseOid, Number(match[1]))) await rm(join(folder, name))
    }
  }
}

async function foldersOf(root: string, databaseOid: number): Promise<readonly string[]> {
  const spaces = join(root, 'pg_tblspc')
  const versions: string[] = []
  for (const space of await namesIn(spaces))
    for (const name of await namesIn(join(spaces, space)))
      if (name.startsWith('PG_')) versions.push(join(spaces, space, name))
  const found: string[] = []
  for (const parent of [join(root, 'base'), ...versions])
    if ((await namesIn(parent)).includes(String(databaseOid))) found.push(join(parent, String(databaseOid)))
  return found
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => [])
}

export interface ReadersDoor {
  readonly closed: readonly string[]
  /** Undefined: nobody but us, over the socket that only its user and root can open. */
  readonly port: number | undefined
  readonly forReaders: boolean
}

const hbaName = 'wharf-readers.hba'
/** Of whom the original's own rules say nothing: with a password, from this machine. `md5` takes passwords of both kinds. */
const FALLBACK = 'host all all 127.0.0.1/32 md5\n'
/** A copy of what is a part would be one. */
const NO_COPIES = 'local replication all reject\nhost replication all all reject\n'

/** Starts a sealed sandbox for readers. */
export async function startSealed(
  { sandbox, part, context, signal }: Sealing,
  door: ReadersDoor,
): Promise<StartedServer> {
  const { owner } = sandbox.server
  const hba = join(sandbox.folder, hbaName)
  await writeOwned(join(sandbox.folder, 'standby.signal'), '', owner)
  const rules = NO_COPIES + closedRules(door.closed, part.choice.manifest.postgresVersion)
  const start = async (content: string): Promise<StartedServer> => {
    await writeOwned(hba, content, owner)
    return await runServer({
      binaries: sandbox.server.binaries,
      dataDirectory: sandbox.folder,
      socketDirectory: join(sandbox.folder, 'wharf-socket'),
      logFile: sandbox.server.logFile,
      port: door.port,
      settings: { ...served, hba_file: hba, listen_addresses: door.forReaders ? '127.0.0.1' : '' },
      clock: context.clock,
      environment: context.environment,
      signal,
    })
  }
  try {
    if (!door.forReaders) return await start('local all all trust\n')
    const original = await readFile(join(sandbox.folder, 'pg_hba.conf'), 'utf8').catch(() => '')
    // Rules that need what this machine does not have stop the server. Without them somebody might get in whom they reject: then nobody reads before the whole is open.
    return await start(`${rules}${original}\n${FALLBACK}`)
  } catch (error) {
    if (!isWharfError(error, 'warehouse.server-died')) throw error
    const log = sandbox.server.logFile
    throw errors.serverStopped({ why: await lastComplaint(log), log }, { cause: error })
  }
}

/** As a standby that nothing feeds; over what the files say. */
const served: Readonly<Record<string, string>> = {
  unix_socket_permissions: '0700',
  hot_standby: 'on',
  restore_command: '',
  primary_conninfo: '',
  archive_mode: 'off',
  max_logical_replication_workers: '0',
  logging_collector: 'off',
  log_destination: 'stderr',
  ssl: 'off',
  restart_after_crash: 'on',
  cluster_name: 'critical relations only',
}

/** Of the server that startSealed() has started behind closed doors. */
export function privateServer(sandbox: Sandbox, started: StartedServer): PrivateServer {
  return { socketDirectory: started.socketDirectory, port: started.port, user: sandbox.server.user }
}
