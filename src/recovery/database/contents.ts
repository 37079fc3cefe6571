// What a database holds beside its definitions: rows, positions of sequences, large objects. Read from a sandbox that waits at the target.
import type { PrivateSession } from '../server/connect.ts'
import { shownName } from '../tables/names.ts'
import type { RowsOf } from '../tables/copy-rows.ts'

interface TableRow extends Pick<RowsOf, 'schema' | 'name' | 'access'> {
  readonly oid: string
  readonly bytes: string
  readonly blocks: string
  readonly filenode: string
  readonly persistence: string
  readonly condition: string | null
  readonly columns: readonly { readonly name: string; readonly generated: string; readonly type: string }[] | null
}

/** What an extension makes it makes again; of its own tables only the rows come over that it has marked as users' own (`pg_extension_config_dump`). */
const OWN = `
  left join lateral (select e.extconfig, e.extcondition from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e' limit 1) e on true`
const ITS_OWN = `n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and (e is null or c.oid = any(e.extconfig))`

const TABLES = `
  select c.oid::int8::text as oid, n.nspname as schema, c.relname as name, am.amname as access, c.relpersistence as persistence,
         pg_catalog.pg_relation_filenode(c.oid)::int8::text as filenode,
         case when c.relpersistence = 'p' then pg_catalog.pg_table_size(c.oid) else 0 end::text as bytes,
         case when c.relpersistence = 'p' then pg_catalog.pg_relation_size(c.oid) / 8192 else 0 end::text as blocks,
         nullif(e.extcondition[pg_catalog.array_position(e.extconfig, c.oid)], '') as condition,
         (select json_agg(json_build_object('name', a.attname, 'generated', a.attgenerated, 'type', a.atttypid::int8::text) order by a.attnum)
            from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace left join pg_catalog.pg_am am on am.oid = c.relam ${OWN}
   where c.relkind = 'r' and c.relpersistence <> 't' and ${ITS_OWN} order by 1`

/** The files of a table and of its TOAST: where one is a stub, its rows are not there. */
const FILES = `
  select t.oid::int8::text as oid, pg_catalog.pg_relation_filenode(f.oid)::int8::text as filenode
    from pg_catalog.pg_class t join pg_catalog.pg_class f on f.oid = t.oid or f.oid = t.reltoastrelid and t.reltoastrelid <> 0
   where t.relkind = 'r' and t.relpersistence = 'p' and t.oid >= 16384`

export interface Contents {
  readonly tables: readonly RowsOf[]
  /** Tables whose rows no backup holds. */
  readonly unlogged: readonly string[]
  readonly leftOut: readonly string[]
}

export async function readTables(session: PrivateSession, leftOut: (filenode: number) => boolean): Promise<Contents> {
  const binary = await binaryTypes(session)
  const { rows: files } = await session.query<{ oid: string; filenode: string | null }>(FILES)
  const stubs = new Set(files.filter((one) => leftOut(Number(one.filenode))).map((one) => one.oid))
  const { rows } = await session.query<TableRow>(TABLES)
  const logged = rows.filter((one) => one.persistence === 'p')
  return {
    tables: logged
      .filter((one) => !stubs.has(one.oid))
      .map((one) => ({
        oid: Number(one.oid),
        schema: one.schema,
        name: one.name,
        kind: 'r',
        access: one.access ?? undefined,
        bytes: Number(one.bytes),
        blocks: Number(one.blocks),
        condition: one.condition ?? undefined,
        columns: (one.columns ?? []).map(({ name, generated, type }) => ({
          name,
          generated,
          binary: binary.has(type),
        })),
      })),
    unlogged: rows.filter((one) => one.persistence === 'u').map((one) => shownName(one)),
    leftOut: logged.filter((one) => stubs.has(one.oid)).map((one) => shownName(one)),
  }
}

interface TypeRow {
  readonly oid: string
  readonly kind: string
  readonly base: string
  readonly element: string
  readonly range: string
  readonly isArray: boolean
  readonly own: boolean
  readonly both: boolean
  readonly named: boolean
}

/**
 * Types whose binary form means the same in another database. That of arrays and rows names types by their oids, and those of types that users made are others there; that of
 * `regclass` and its like is the oid itself. They travel as text, which names names.
 */
async function binaryTypes(session: PrivateSession): Promise<ReadonlySet<string>> {
  const { rows } = await session.query<TypeRow>(
    `select t.oid::int8::text as oid, t.typtype as kind, t.typbasetype::int8::text as base, t.typelem::int8::text as element, coalesce(r.rngsubtype, 0)::int8::text as range,
            t.typcategory = 'A' as "isArray", t.oid >= 16384 as own, t.typsend <> 0 and t.typreceive <> 0 as both, t.typname like 'reg%' and t.oid < 16384 as named
       from pg_catalog.pg_type t left join pg_catalog.pg_range r on t.oid in (r.rngtypid, r.rngmultitypid)`,
  )
  const byOid = new Map(rows.map((one) => [one.oid, one]))
  const isPlain = (oid: string, depth = 0): boolean => {
    const one = byOid.get(oid)
    if (one === undefined || !one.both || one.named || depth > 8) return false
    if (one.isArray) return !one.own && isPlain(one.element, depth + 1)
    if (one.kind === 'd') return isPlain(one.base, depth + 1)
    if (one.kind === 'r' || one.kind === 'm') return isPlain(one.range, depth + 1)
    return one.kind === 'b' || one.kind === 'e'
  }
  return new Set(rows.filter((one) => isPlain(one.oid)).map((one) => one.oid))
}

/** Sequences that are logged, qualified for SQL. */
export async function readSequences(session: PrivateSession): Promise<readonly string[]> {
  const { rows } = await session.query<{ name: string }>(
    `select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace ${OWN}
      where c.relkind = 'S' and c.relpersistence = 'p' and ${ITS_OWN} order by 1`,
  )
  return rows.map((one) => one.name)
}

export async function readLargeObjects(session: PrivateSession): Promise<readonly string[]> {
  const { rows } = await session.query<{ oid: string }>(
    'select oid::int8::text as oid from pg_catalog.pg_largeobject_metadata order by 1',
  )
  return rows.map((one) => one.oid)
}

/** Roles that own something in the database, or have rights on something. */
export async function readRoles(session: PrivateSession): Promise<readonly string[]> {
  const { rows } = await session.query<{ name: string }>(
    `select distinct r.rolname as name from pg_catalog.pg_shdepend d join pg_catalog.pg_roles r on r.oid = d.refobjid
       join pg_catalog.pg_database b on b.datname = pg_catalog.current_database()
      where d.refclassid = 'pg_catalog.pg_authid'::regclass and (d.dbid = b.oid or d.dbid = 0 and d.classid = 'pg_catalog.pg_database'::regclass and d.objid = b.oid) order by 1`,
  )
  return rows.map((one) => one.name)
}

/** Policies that name one of these roles. */
export async function readPoliciesFor(
  session: PrivateSession,
  roles: readonly string[],
): Promise<readonly { readonly policy: string; readonly table: string; readonly role: string }[]> {
  const { rows } = await session.query<{ policy: string; schema: string; name: string; role: string }>(
    `select p.polname as policy, n.nspname as schema, c.relname as name, r.rolname as role
       from pg_catalog.pg_policy p join pg_catalog.pg_roles r on r.oid = any(p.polroles) and r.rolname = any($1::text[])
       join pg_catalog.pg_class c on c.oid = p.polrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace order by 2, 3, 1, 4`,
    [roles],
  )
  return rows.map((one) => ({ policy: one.policy, table: shownName(one), role: one.role }))
}
