// Which tables are meant: by the names of the backup's relation map before there is a sandbox, then by the sandbox's own catalogs at the target.
import { suggestion } from '../../base/nearest.ts'
import type { Manifest, MappedRelation } from '../../repository/contract.ts'
import { tableErrors as errors } from '../table-errors.ts'
import type { PrivateSession } from '../server/connect.ts'
import { shownName, type TableName } from './names.ts'

/** A table at the target: a plain one, a partitioned one, or a partition of one that was asked for. */
export interface FoundTable {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: 'r' | 'p'
  /** The table asked for through which this one came: itself, or a partitioned table above it. */
  readonly root: number
  /** Bytes of the table with its TOAST; 0 for a partitioned one. */
  readonly bytes: number
  /** Blocks of the table alone. */
  readonly blocks: number
  /** pg_am.amname; undefined for a partitioned table. */
  readonly access: string | undefined
}

/**
 * Whether a relation of the backup belongs to a table of that name, its partitions not among them: they are not known here. Indexes come too: to plan the scan of a
 * table PostgreSQL reads the first page of each.
 */
export function wantedByName(manifest: Pick<Manifest, 'relations'>, database: string, names: readonly TableName[]) {
  const owners = new Set<string>()
  const byId = new Map(manifest.relations.map((one) => [idOf(one.databaseOid, one.oid), one]))
  const matches = (one: MappedRelation): boolean =>
    names.some((name) => name.name === one.name && (name.schema === undefined || name.schema === one.schema))
  for (const one of manifest.relations)
    if (one.database === database && matches(one)) owners.add(idOf(one.databaseOid, one.oid))
  return (relation: MappedRelation): boolean => {
    if (relation.database !== database) return false
    // A page each, and a table's own are not told apart here.
    if (relation.kind === 'S') return true
    return ownersOf(relation, byId).some((one) => owners.has(idOf(one.databaseOid, one.oid)))
  }
}

function idOf(databaseOid: number, oid: number): string {
  return `${databaseOid}/${oid}`
}

/** The relation itself, then what it belongs to. */
export function ownersOf(
  relation: MappedRelation,
  byId: ReadonlyMap<string, MappedRelation>,
): readonly MappedRelation[] {
  const found = [relation]
  for (let at = relation.belongsTo; at !== undefined;) {
    const owner = byId.get(idOf(relation.databaseOid, at))
    if (owner === undefined || found.length > 3) break
    found.push(owner)
    at = owner.belongsTo
  }
  return found
}

const BY_NAME = `
  select c.oid::int8::text as oid, n.nspname as schema, c.relname as name, c.relkind as kind, c.relpersistence as persistence
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relname = $1 and ($2::text is null or n.nspname = $2) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I', 'c')
     and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
   order by n.nspname`

interface NamedRow {
  readonly oid: string
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly persistence: string
}

const kinds: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  i: 'an index',
  I: 'an index',
  c: 'a composite type',
}

/** Rejects with `recovery.unknown-table`, `.ambiguous-table`, `.not-a-table`, `.not-logged`. */
export async function findTables(
  session: PrivateSession,
  names: readonly TableName[],
  at: { readonly target: string; readonly database: string },
): Promise<readonly FoundTable[]> {
  const roots: number[] = []
  for (const name of names) roots.push(await rootOf(session, name, at))
  const found: FoundTable[] = []
  for (const root of new Set(roots)) {
    const tree = await treeOf(session, root)
    found.push(...tree.filter((one) => !found.some((known) => known.oid === one.oid)))
  }
  return found
}

async function rootOf(
  session: PrivateSession,
  name: TableName,
  at: { target: string; database: string },
): Promise<number> {
  const shown = name.schema === undefined ? name.name : shownName({ schema: name.schema, name: name.name })
  const { rows } = await session.query<NamedRow>(BY_NAME, [name.name, name.schema ?? null])
  const tables = rows.filter((one) => one.kind === 'r' || one.kind === 'p')
  if (tables.length > 1) throw errors.ambiguousTable({ table: shown, found: tables.map((one) => shownName(one)) })
  const [table] = tables
  if (table === undefined) {
    const other = rows[0]
    if (other) throw errors.notATable({ table: shownName(other), what: kinds[other.kind] ?? 'no table' })
    throw errors.unknownTable({ table: shown, ...at, suggestion: suggestion(shown, await allNames(session)) })
  }
  // Of a partitioned table it means nothing: each partition has its own.
  if (table.persistence !== 'p' && table.kind === 'r') throw errors.notLogged({ table: shownName(table) })
  return Number(table.oid)
}

async function allNames(session: PrivateSession): Promise<readonly string[]> {
  const { rows } = await session.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' order by 1, 2 limit 20000`,
  )
  return rows.map((one) => shownName(one))
}

/** A table with all its partitions, parents first. Foreign tables among them hold nothing of ours. */
async function treeOf(session: PrivateSession, root: number): Promise<readonly FoundTable[]> {
  const { rows } = await session.query<
    Omit<FoundTable, 'oid' | 'bytes' | 'blocks' | 'root'> & Record<'oid' | 'bytes' | 'blocks' | 'persistence', string>
  >(
    `with tree as (select $1::oid as relid, 0 as level where not exists (select from pg_catalog.pg_partition_tree($1::oid))
                   union all select relid, level from pg_catalog.pg_partition_tree($1::oid))
     select c.oid::int8::text as oid, n.nspname as schema, c.relname as name, c.relkind as kind, am.amname as access, c.relpersistence as persistence,
            case when c.relkind = 'r' then pg_catalog.pg_table_size(c.oid) else 0 end::text as bytes,
            case when c.relkind = 'r' then pg_catalog.pg_relation_size(c.oid) / 8192 else 0 end::text as blocks
       from tree t join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_am am on am.oid = c.relam
      where c.relkind in ('r', 'p') order by t.level, n.nspname, c.relname`,
    [root],
  )
  const unlogged = rows.find((one) => one.kind === 'r' && one.persistence !== 'p')
  if (unlogged) throw errors.notLogged({ table: shownName(unlogged) })
  return rows.map((one) => ({
    schema: one.schema,
    name: one.name,
    kind: one.kind,
    access: one.access ?? undefined,
    oid: Number(one.oid),
    bytes: Number(one.bytes),
    blocks: Number(one.blocks),
    root,
  }))
}

/** Files that reading the tables needs: their own, of their TOAST, of the indexes of both, of their sequences. */
export async function filesOf(
  session: PrivateSession,
  tables: readonly FoundTable[],
): Promise<readonly { readonly name: string; readonly oid: number; readonly filenode: number }[]> {
  const { rows } = await session.query<{ name: string; oid: string; filenode: string }>(
    `with own as (select oid, reltoastrelid from pg_catalog.pg_class where oid = any($1::oid[]) and relkind = 'r'),
          parts as (select oid from own union select reltoastrelid from own where reltoastrelid <> 0
                    union select i.indexrelid from own join pg_catalog.pg_index i on i.indrelid in (own.oid, own.reltoastrelid)
                    union select d.objid from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
                     where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
                       and d.refobjid = any($1::oid[]) and d.deptype in ('a', 'i'))
     select c.relname as name, c.oid::int8::text as oid, pg_catalog.pg_relation_filenode(c.oid)::int8::text as filenode
       from parts p join pg_catalog.pg_class c on c.oid = p.oid where pg_catalog.pg_relation_filenode(c.oid) is not null`,
    [tables.map((one) => one.oid)],
  )
  return rows.map((one) => ({ name: one.name, oid: Number(one.oid), filenode: Number(one.filenode) }))
}
