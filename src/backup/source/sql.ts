// ClusterFiles through plain SQL sessions: no agent beside the server, no superuser. What the file functions of PostgreSQL cannot say is taken from its
// rules: modes from data_directory_mode; whether something is a link, a socket or a pipe is not known (a link shows as what it leads to; sockets and
// pipes show as empty files, and an empty file is never opened).
import type { Clock } from '../../base/clock.ts'
import { codeOf } from '../../base/errors.ts'
import type { ManifestTablespace } from '../../repository/contract.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'
import type { ClusterFiles, FileState, ListedEntry, ListedFile, ListOptions } from './cluster-files.ts'
import { refuseNested, unloggedNumbers } from './disk.ts'
import { CONTROL_FILE, emptiedFolders, isSkippedName, walFolders } from './exclusions.ts'
import { databaseFolder, isTemporaryRelation, parseSegmentName } from './paths.ts'
import { identityOf } from './server-identity.ts'
import { quoteLiteral } from './sql-reading.ts'
import { SqlSessions } from './sql-sessions.ts'

export interface SqlFilesOptions {
  readonly warehouse: Warehouse
  readonly dataDirectory: string
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Its sessions end with the scope. Rejects with `backup.lacks-right`. */
export async function sqlFiles(options: SqlFilesOptions, scope: AsyncDisposableStack): Promise<ClusterFiles> {
  const { warehouse, dataDirectory, clock, signal } = options
  const name = warehouse.declaration.name
  const { identity, modes } = await firstLook(warehouse, signal)
  const seed = await warehouse.seed()
  const sessions = scope.use(new SqlSessions({ warehouse: name, seed, identity, clock, signal }))
  const tools: Tools = { sessions, modes, dataDirectory }
  return {
    directory: dataDirectory,
    descriptor: { kind: 'sql', warehouse: name, seed, identity },
    server: identity,
    local: false,
    tablespaces: (until) => listTablespaces(tools, until),
    list: (wanted) => new SqlWalk(tools, wanted).everything(),
    stat: (path) => statFile(tools, path),
    read: (path, at) => readStretch(tools, path, at),
  }
}

interface Modes {
  readonly folder: number
  readonly file: number
}

interface Tools {
  readonly sessions: SqlSessions
  readonly modes: Modes
  readonly dataDirectory: string
}

async function firstLook(warehouse: Warehouse, signal: AbortSignal) {
  await using session = await warehouse.connect({ purpose: 'backup copy', signal, statementTimeoutMs: 30_000 })
  const identity = await identityOf(session)
  const [row] = await session.query<{ mode: string }>(`select current_setting('data_directory_mode') as mode`)
  const folder = Number.parseInt(row!.mode, 8)
  return { identity, modes: { folder, file: folder & 0o666 } }
}

interface StatRow {
  readonly bytes: string | null
  readonly modified: string | null
  readonly isdir: boolean | null
}

const STAT = `s.size::text as bytes, (extract(epoch from s.modification) * 1000)::bigint::text as modified, s.isdir`

async function statFile(tools: Tools, path: string): Promise<FileState | undefined> {
  return await tools.sessions.attempt(path, async (session) => {
    const [row] = await session.query<StatRow>(`select ${STAT} from pg_stat_file($1, true) s`, [path])
    if (row === undefined || row.bytes === null) return undefined
    return { mode: tools.modes.file, modifiedMs: Number(row.modified), bytes: Number(row.bytes) }
  })
}

async function readStretch(
  tools: Tools,
  path: string,
  at: { offset: number; length: number },
): Promise<Buffer | undefined> {
  return await tools.sessions.attempt(path, async (session) => {
    let content: Buffer | undefined
    const from = `${quoteLiteral(path)}, ${at.offset}::bigint, ${at.length}::bigint, true`
    await session.binaryRows(`select pg_read_binary_file(${from})`, ([bytes]) => {
      content = bytes && Buffer.from(bytes)
    })
    return content
  })
}

async function listTablespaces(tools: Tools, signal: AbortSignal): Promise<readonly ManifestTablespace[]> {
  const rows = (await readFolder(tools, 'pg_tblspc')) ?? []
  const found: ManifestTablespace[] = []
  const places: { oid: number; location: string; real: string }[] = []
  for (const { name } of rows.filter((row) => /^\d+$/.test(row.name))) {
    signal.throwIfAborted()
    const oid = Number(name)
    const location = await tools.sessions.attempt(`pg_tblspc/${name}`, (session) => locationOf(session, oid))
    if (location === undefined) continue
    if (location.startsWith('/')) places.push({ oid, location, real: location })
    else found.push({ oid, name: '', location: undefined })
  }
  refuseNested(tools.dataDirectory, places)
  for (const { oid, location } of places) {
    if ((await readFolder(tools, `pg_tblspc/${oid}`)) === undefined) {
      // DROP TABLESPACE removes folder and link: gone altogether is fine, a link to nothing is not.
      const still = await tools.sessions.attempt(`pg_tblspc/${oid}`, (session) => locationOf(session, oid))
      if (still === undefined) continue
      throw backupErrors.tablespaceMissing({ oid, location })
    }
    found.push({ oid, name: '', location })
  }
  return found.toSorted((one, other) => one.oid - other.oid)
}

/** Undefined for a tablespace that was dropped meanwhile. */
async function locationOf(session: Session, oid: number): Promise<string | undefined> {
  try {
    const [row] = await session.query<{ location: string | null }>('select pg_tablespace_location($1) as location', [
      oid,
    ])
    return row?.location || undefined
  } catch (error) {
    if (codeOf(error) === '58P01') return undefined
    throw error
  }
}

interface FolderEntry {
  readonly name: string
  readonly isFolder: boolean
  readonly bytes: number
  readonly modifiedMs: number
}

/** Undefined where it does not exist. What vanishes between listing and looking is left out. */
async function readFolder(tools: Tools, path: string): Promise<readonly FolderEntry[] | undefined> {
  const place = path === '' ? '.' : path
  return await tools.sessions.attempt(path, async (session) => {
    const rows = await session.query<StatRow & { name: string }>(
      `select name, ${STAT} from pg_ls_dir($1, true, true) name
         cross join lateral pg_stat_file($1 || '/' || case name when '..' then '.' else name end, true) s`,
      // Above the data directory nothing may be looked at, not even in passing.
      [place],
    )
    if (rows.length === 0) return undefined
    return rows
      .filter(({ name, bytes }) => name !== '.' && name !== '..' && bytes !== null)
      .map(({ name, bytes, modified, isdir }) => ({
        name,
        isFolder: isdir === true,
        bytes: Number(bytes),
        modifiedMs: Number(modified),
      }))
  })
}

class SqlWalk {
  private readonly tools: Tools
  private readonly options: ListOptions

  constructor(tools: Tools, options: ListOptions) {
    this.tools = tools
    this.options = options
  }

  async *everything(): AsyncGenerator<ListedEntry> {
    for (const { path, since } of walFolders) {
      if (since <= this.options.majorVersion) yield this.folderEntry(path)
    }
    const top = await readFolder(this.tools, '')
    if (top === undefined) throw backupErrors.noDirectory({ directory: this.tools.dataDirectory })
    yield* this.entries('', top)
  }

  private folderEntry(path: string): ListedEntry {
    return { kind: 'folder', path, mode: this.tools.modes.folder }
  }

  private async *folder(path: string): AsyncGenerator<ListedEntry> {
    this.options.signal.throwIfAborted()
    const entries = await readFolder(this.tools, path)
    if (entries !== undefined) yield* this.entries(path, entries)
  }

  private async *entries(path: string, entries: readonly FolderEntry[]): AsyncGenerator<ListedEntry> {
    const database = databaseFolder(path)
    const unlogged = database ? unloggedNumbers(entries.map(({ name }) => name)) : undefined
    for (const entry of entries) {
      if (isSkippedName(entry.name)) continue
      if (database && isTemporaryRelation(entry.name)) continue
      const inner = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.isFolder) yield* this.inner(inner)
      else if (inner !== CONTROL_FILE) yield this.file(inner, entry, unlogged)
    }
  }

  private async *inner(path: string): AsyncGenerator<ListedEntry> {
    if (emptiedFolders.has(path)) {
      if (path !== 'pg_wal') yield this.folderEntry(path)
      return
    }
    yield this.folderEntry(path)
    if (!/^pg_tblspc\/\d+$/.test(path)) {
      yield* this.folder(path)
      return
    }
    // Only our own version's folder; other versions share the place after pg_upgrade.
    const own = `${path}/${this.options.versionFolder}`
    const entries = await readFolder(this.tools, own)
    if (entries === undefined) return
    yield this.folderEntry(own)
    yield* this.entries(own, entries)
  }

  private file(path: string, entry: FolderEntry, unlogged: ReadonlySet<number> | undefined): ListedEntry {
    const segment = unlogged && parseSegmentName(entry.name)
    const { bytes, modifiedMs } = entry
    if (segment && segment.fork !== 'init' && unlogged.has(segment.relfilenode))
      return { kind: 'unlogged', path, bytes }
    const kind: ListedFile['kind'] = segment ? 'segment' : 'plain'
    return { kind, path, mode: this.tools.modes.file, modifiedMs, bytes }
  }
}
