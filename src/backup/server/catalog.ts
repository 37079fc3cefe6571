// What the catalogs say at backup time: the relation map, tablespace names, settings, configuration files outside the data directory.
import { readFile } from 'node:fs/promises'

import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import { PackedList, type Listing } from '../../base/packed-list.ts'
import { MIB } from '../../base/units.ts'
import type { ManifestTablespace, MappedRelation } from '../../repository/contract.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'

export interface CatalogPart<T> {
  readonly value: T
  /** What could not be read, for people. */
  readonly warnings: readonly string[]
}

interface RelationRow {
  readonly oid: string
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly persistence: 'p' | 'u' | 't'
  readonly filenode: string
  readonly tablespace: string
  readonly shared: boolean
  readonly belongs_to: string | null
}

// pg_relation_filenode() also knows mapped catalogs, whose relfilenode in pg_class is 0.
const RELATIONS = `
  select c.oid::text, n.nspname as schema, c.relname as name, c.relkind as kind, c.relpersistence as persistence,
         f.filenode::text, c.relisshared as shared,
         (case when c.relisshared then 1664 when c.reltablespace = 0 then d.dattablespace else c.reltablespace end)::text as tablespace,
         coalesce(i.indrelid, t.oid)::text as belongs_to
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_database d on d.datname = current_database()
    cross join lateral (select pg_catalog.pg_relation_filenode(c.oid) as filenode) f
    left join pg_catalog.pg_index i on i.indexrelid = c.oid
    left join pg_catalog.pg_class t on c.relkind = 't' and t.reltoastrelid = c.oid
   where f.filenode is not null and c.relpersistence <> 't'`

const ROWS_AT_A_TIME = 5000

/** Every relation with files, of every database that takes connections. Shared catalogs stand once, with database 0 and no name. */
export async function readRelations(
  warehouse: Warehouse,
  signal: AbortSignal,
): Promise<CatalogPart<Listing<MappedRelation>>> {
  const relations = new PackedList<MappedRelation>()
  const warnings: string[] = []
  let withShared = true
  for (const database of await listDatabases(warehouse, signal)) {
    try {
      await using session = await warehouse.connect({ purpose: 'backup catalog', database: database.name, signal })
      for await (const row of relationRows(session)) {
        if (!row.shared || withShared) relations.push(mapRelation(row, database))
      }
      withShared = false
    } catch (error) {
      signal.throwIfAborted()
      // Dropped since we asked for the list.
      if (isWharfError(error, 'warehouse.no-database')) continue
      if (!isWharfError(error)) throw error
      warnings.push(`the relations of database ${database.name} are not in the relation map: ${messageOf(error)}`)
    }
  }
  return { value: relations, warnings }
}

/** Some thousand rows at a time: a warehouse may have a million relations. */
async function* relationRows(session: Session): AsyncGenerator<RelationRow> {
  await session.query(`begin read only; declare relations no scroll cursor for ${RELATIONS}`)
  for (;;) {
    const rows = await session.query<RelationRow>(`fetch ${ROWS_AT_A_TIME} from relations`)
    yield* rows
    if (rows.length < ROWS_AT_A_TIME) break
  }
  await session.query('commit')
}

async function listDatabases(warehouse: Warehouse, signal: AbortSignal): Promise<{ oid: number; name: string }[]> {
  await using session = await warehouse.connect({ purpose: 'backup catalog', signal })
  const rows = await session.query<{ oid: string; name: string }>(
    'select oid::text, datname as name from pg_catalog.pg_database where datallowconn and datconnlimit <> -2 order by oid',
  )
  return rows.map(({ oid, name }) => ({ oid: Number(oid), name }))
}

function mapRelation(row: RelationRow, database: { oid: number; name: string }): MappedRelation {
  return {
    database: row.shared ? '' : database.name,
    databaseOid: row.shared ? 0 : database.oid,
    schema: row.schema,
    name: row.name,
    oid: Number(row.oid),
    file: {
      tablespace: Number(row.tablespace),
      database: row.shared ? 0 : database.oid,
      relfilenode: Number(row.filenode),
    },
    kind: row.kind,
    persistence: row.persistence,
    belongsTo: row.belongs_to === null ? undefined : Number(row.belongs_to),
    tier: 'standard',
  }
}

/** The tablespaces found on disk with the names that the catalog has for them. */
export async function nameTablespaces(
  session: Session,
  found: readonly ManifestTablespace[],
): Promise<readonly ManifestTablespace[]> {
  const rows = await session.query<{ oid: string; name: string }>(
    'select oid::text, spcname as name from pg_catalog.pg_tablespace',
  )
  const names = new Map(rows.map((row) => [Number(row.oid), row.name]))
  return found.map((one) => ({ ...one, name: names.get(one.oid) ?? '' }))
}

/** Settings that may hold credentials, by name. */
const SECRET_SETTING = /conninfo|password|passphrase|secret|token|credential|(^|[._])key$/i
/** Kept even where they have their default: a restored server must have at least these values, be built alike, or stand in the same place. */
const ALWAYS = [
  'max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction',
  'wal_level', 'shared_preload_libraries', 'data_checksums', 'server_encoding', 'lc_messages', 'block_size', 'wal_segment_size', 'server_version',
  'data_directory', 'port', 'listen_addresses',
] // prettier-ignore

export async function readSettings(session: Session): Promise<Readonly<Record<string, string>>> {
  const rows = await session.query<{ name: string; setting: string | null }>(
    `select name, setting from pg_catalog.pg_settings where source not in ('default', 'client', 'session', 'override') or name = any($1) order by name`,
    [ALWAYS],
  )
  return Object.fromEntries(
    rows.filter(({ name }) => !SECRET_SETTING.test(name)).map(({ name, setting }) => [name, setting ?? '']),
  )
}

async function readRemote(session: Session, path: string): Promise<string> {
  const [row] = await session.query<{ content: Buffer }>('select pg_read_binary_file($1, 0, $2, false) as content', [
    path,
    MIB,
  ])
  return row!.content.toString('utf8')
}

/**
 * Content of the configuration files that do not lie in the data directory (Debian keeps them under /etc). `local`: they are this machine's; else
 * they are asked of the server, which gives them to members of pg_read_server_files alone.
 */
export async function readOutsideFiles(
  session: Session,
  dataDirectory: string,
  local: boolean,
): Promise<CatalogPart<readonly { path: string; content: string }[]>> {
  const rows = await session.query<{ path: string }>(
    `select setting as path from pg_catalog.pg_settings where name in ('config_file', 'hba_file', 'ident_file') and setting <> ''
      union select sourcefile from pg_catalog.pg_settings where sourcefile is not null order by 1`,
  )
  const value: { path: string; content: string }[] = []
  const warnings: string[] = []
  for (const { path } of rows) {
    if (path.startsWith(`${dataDirectory}/`)) continue
    try {
      value.push({ path, content: local ? await readFile(path, 'utf8') : await readRemote(session, path) })
    } catch (error) {
      if (!local && isWharfError(error, 'warehouse.denied')) {
        const cure = 'a role that reads the cluster through SQL must be a member of pg_read_server_files for that'
        warnings.push(`the configuration file ${path} is not in the backup: ${cure}`)
        continue
      }
      warnings.push(`the configuration file ${path} is not in the backup: ${codeOf(error) ?? messageOf(error)}`)
    }
  }
  return { value, warnings }
}
