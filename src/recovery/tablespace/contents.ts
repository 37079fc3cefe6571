// Which tables stood in a tablespace at a target, told by the catalogs of a sandbox that waits there.
import type { PrivateSession } from '../server/connect.ts'
import { shownName } from '../tables/names.ts'

export interface TablespaceContents {
  /** Names to recover: a partitioned table where all of it was there, else those of its partitions that were. */
  readonly tables: readonly string[]
  /** What was there and does not come back by this way. */
  readonly unlogged: readonly string[]
  readonly views: readonly string[]
  /** Of tables that stood elsewhere. */
  readonly indexes: readonly string[]
}

/** Undefined where there was no such tablespace. */
export async function tablespaceOid(session: PrivateSession, name: string): Promise<number | undefined> {
  const { rows } = await session.query<{ oid: string }>(
    'select oid::int8::text as oid from pg_catalog.pg_tablespace where spcname = $1',
    [name],
  )
  return rows[0] && Number(rows[0].oid)
}

export async function tablespaceNames(session: PrivateSession): Promise<readonly string[]> {
  const { rows } = await session.query<{ name: string }>(
    "select spcname as name from pg_catalog.pg_tablespace where spcname not in ('pg_default', 'pg_global') order by 1",
  )
  return rows.map((one) => one.name)
}

interface Row {
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly persistence: string
  /** The uppermost partitioned table, where all its leaves are here. */
  readonly rootSchema: string | null
  readonly rootName: string | null
  readonly tableHere: boolean
}

/** Those without a tablespace of their own are in that of their database. */
const ROWS = `
  with base as (select dattablespace as oid from pg_catalog.pg_database where datname = pg_catalog.current_database()),
       placed as (select c.*, case when c.reltablespace = 0 then (select oid from base) else c.reltablespace end = $1::oid as here from pg_catalog.pg_class c)
  select n.nspname as schema, c.relname as name, c.relkind as kind, c.relpersistence as persistence, rn.nspname as "rootSchema", r.relname as "rootName",
         coalesce((select t.here from pg_catalog.pg_index i join placed t on t.oid = i.indrelid where i.indexrelid = c.oid), false) as "tableHere"
    from placed c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class r on r.oid = pg_catalog.pg_partition_root(c.oid) and r.oid <> c.oid
      and not exists (select from pg_catalog.pg_partition_tree(r.oid) l join placed p on p.oid = l.relid where p.relkind = 'r' and (not p.here or p.relpersistence <> 'p'))
    left join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
   where c.here and c.relkind in ('r', 'm', 'i') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2`

export async function readTablespace(session: PrivateSession, oid: number): Promise<TablespaceContents> {
  const { rows } = await session.query<Row>(ROWS, [oid])
  const tables = rows.filter((one) => one.kind === 'r' && one.persistence === 'p')
  const names = (list: readonly Row[]): readonly string[] => list.map((one) => shownName(one))
  return {
    tables: [
      ...new Set(
        tables.map((one) => shownName(one.rootName === null ? one : { schema: one.rootSchema!, name: one.rootName })),
      ),
    ],
    unlogged: names(rows.filter((one) => one.kind === 'r' && one.persistence === 'u')),
    views: names(rows.filter((one) => one.kind === 'm')),
    indexes: names(rows.filter((one) => one.kind === 'i' && !one.tableHere)),
  }
}
