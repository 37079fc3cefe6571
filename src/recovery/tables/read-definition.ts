// Reads definitions of tables from a sandbox. One query for each kind of thing, all tables of the same session.
import type { PrivateSession } from '../server/connect.ts'
import type {
  Column,
  Constraint,
  Grant,
  Index,
  Policy,
  Sequence,
  Statistics,
  TableShape,
  Trigger,
} from './definition.ts'
import type { FoundTable } from './find.ts'
import { plainSession } from './session-settings.ts'

/** An access list as JSON; null where it is the default. */
const grantsOf = (acl: string): string => `
  case when ${acl} is null then null else coalesce((
    select json_agg(json_build_object('grantee', case when a.grantee = 0 then null else pg_catalog.pg_get_userbyid(a.grantee) end,
                                      'privilege', a.privilege_type, 'grantable', a.is_grantable))
      from pg_catalog.aclexplode(${acl}) a), '[]'::json) end`

const commentOf = (oid: string, catalog: string): string => `pg_catalog.obj_description(${oid}, '${catalog}')`

const TABLE = `
  select pg_catalog.format('%I.%I', cn.nspname, c.relname) as qualified, pg_catalog.pg_get_userbyid(c.relowner) as owner, s.spcname as tablespace, coalesce(to_json(c.reloptions), '[]'::json) as options,
         coalesce((select to_json(t.reloptions) from pg_catalog.pg_class t where t.oid = c.reltoastrelid), '[]'::json) as "toastOptions",
         ${grantsOf('c.relacl')} as grants, ${commentOf('c.oid', 'pg_class')} as comment,
         c.relrowsecurity as "rowSecurity", c.relforcerowsecurity as "forceRowSecurity", c.relreplident as "replicaIdentity",
         (select i.relname from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid and x.indisreplident) as "replicaIndex",
         case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end as "partitionKey",
         case when c.relispartition then pg_catalog.pg_get_expr(c.relpartbound, c.oid) end as bound,
         coalesce((select json_agg(json_build_object('oid', p.oid::int8, 'schema', n.nspname, 'name', p.relname) order by h.inhseqno)
                     from pg_catalog.pg_inherits h join pg_catalog.pg_class p on p.oid = h.inhparent join pg_catalog.pg_namespace n on n.oid = p.relnamespace
                    where h.inhrelid = c.oid and not h.inhdetachpending), '[]'::json) as parents,
         coalesce((select json_agg(r.rulename order by r.rulename) from pg_catalog.pg_rewrite r where r.ev_class = c.oid), '[]'::json) as rules
    from pg_catalog.pg_class c join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace left join pg_catalog.pg_tablespace s on s.oid = c.reltablespace where c.oid = $1`

/** Domains and arrays are sent by what they are made of. */
const COLUMNS = `
  select a.attname as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as "notNull", a.attgenerated as generated, a.attidentity as identity,
         case when a.attcollation <> 0 and a.attcollation <> t.typcollation then pg_catalog.format('%I.%I', cn.nspname, co.collname) end as collation,
         pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression,
         case when a.attstorage <> t.typstorage then case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end as storage,
         case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end as compression,
         case when a.attstattarget >= 0 then a.attstattarget::int end as statistics, coalesce(to_json(a.attoptions), '[]'::json) as options,
         pg_catalog.col_description(a.attrelid, a.attnum) as comment, coalesce(${grantsOf('a.attacl')}, '[]'::json) as grants,
         t.typsend <> 0 and t.typreceive <> 0 as binary
    from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_catalog.pg_collation co on co.oid = a.attcollation left join pg_catalog.pg_namespace cn on cn.oid = co.collnamespace
   where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum`

/** Constraints that came from a parent come from it again when the partition is attached; those that make indexes are wanted with their names. */
const constraintsSql = (major: number): string => `
  select c.conname as name, c.contype as kind, pg_catalog.pg_get_constraintdef(c.oid) as text, ${commentOf('c.oid', 'pg_constraint')} as comment,
         nullif(c.conindid, 0)::int8::float8 as "indexOid", am.amname as "indexMethod", c.condeferrable as deferrable, c.condeferred as deferred,
         ${major >= 18 ? 'c.conperiod' : 'false'} as period, c.convalidated ${major >= 18 ? 'and c.conenforced' : ''} as validated,
         case when c.contype = 'f' then (select json_build_object('oid', f.oid::int8, 'schema', n.nspname, 'name', f.relname, 'qualified', pg_catalog.format('%I.%I', n.nspname, f.relname))
            from pg_catalog.pg_class f join pg_catalog.pg_namespace n on n.oid = f.relnamespace where f.oid = c.confrelid) end as references,
         case when c.contype = 'f' then (select json_agg(json_build_object('own', o.attname, 'other', r.attname,
              'operator', pg_catalog.format('operator(%I.%s)', pn.nspname, op.oprname)) order by k.nth)
            from unnest(c.conkey, c.confkey, c.conpfeqop) with ordinality as k(own, other, op, nth)
            join pg_catalog.pg_attribute o on o.attrelid = c.conrelid and o.attnum = k.own join pg_catalog.pg_attribute r on r.attrelid = c.confrelid and r.attnum = k.other
            join pg_catalog.pg_operator op on op.oid = k.op join pg_catalog.pg_namespace pn on pn.oid = op.oprnamespace) end as pairs
    from pg_catalog.pg_constraint c left join pg_catalog.pg_class i on i.oid = c.conindid left join pg_catalog.pg_am am on am.oid = i.relam
   where c.conrelid = $1 and c.contype in ('c', 'n', 'p', 'u', 'x', 'f') and (c.contype <> 'f' or c.conparentid = 0) order by c.contype, c.conname`

const INDEXES = `
  select x.indexrelid::int8::float8 as oid, i.relname as name, pg_catalog.quote_ident(i.relname) as quoted, pg_catalog.pg_get_indexdef(x.indexrelid) as text, am.amname as method, x.indisunique as unique,
         x.indisvalid and x.indisready as valid, s.spcname as tablespace, x.indisclustered as clustered, ${commentOf('x.indexrelid', 'pg_class')} as comment,
         (select h.inhparent::int8::float8 from pg_catalog.pg_inherits h where h.inhrelid = x.indexrelid) as parent,
         coalesce((select json_agg(json_build_object('column', a.attnum, 'target', a.attstattarget) order by a.attnum)
                     from pg_catalog.pg_attribute a where a.attrelid = x.indexrelid and a.attstattarget >= 0), '[]'::json) as statistics
    from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid join pg_catalog.pg_am am on am.oid = i.relam
    left join pg_catalog.pg_tablespace s on s.oid = i.reltablespace
   where x.indrelid = $1 order by i.relname`

/** Those of its columns. Where a partitioned table has one, it is the parent's. */
const SEQUENCES = `
  select s.oid::int8::float8 as oid, n.nspname as schema, s.relname as name, pg_catalog.quote_literal(pg_catalog.format('%I.%I', n.nspname, s.relname)) as literal, pg_catalog.format_type(q.seqtypid, null) as type, q.seqstart::text as start, q.seqincrement::text as increment,
         q.seqmin::text as min, q.seqmax::text as max, q.seqcache::text as cache, q.seqcycle as cycle, pg_catalog.pg_get_userbyid(s.relowner) as owner,
         a.attname as column, d.deptype = 'i' as identity, ${commentOf('s.oid', 'pg_class')} as comment, ${grantsOf('s.relacl')} as grants
    from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_catalog.pg_sequence q on q.seqrelid = s.oid
    join pg_catalog.pg_namespace n on n.oid = s.relnamespace join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
   where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = $1 and d.deptype in ('a', 'i') order by s.relname`

const TRIGGERS = `
  select t.tgname as name, pg_catalog.pg_get_triggerdef(t.oid) as text, t.tgenabled as enabled, ${commentOf('t.oid', 'pg_trigger')} as comment
    from pg_catalog.pg_trigger t where t.tgrelid = $1 and not t.tgisinternal and t.tgparentid = 0 order by t.tgname`

const POLICIES = `
  select p.polname as name, p.polpermissive as permissive,
         case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end as command,
         (select json_agg(case when r = 0 then null else pg_catalog.pg_get_userbyid(r) end) from pg_catalog.unnest(p.polroles) r) as roles,
         pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using, pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check, ${commentOf('p.oid', 'pg_policy')} as comment
    from pg_catalog.pg_policy p where p.polrelid = $1 order by p.polname`

const STATISTICS = `
  select n.nspname as schema, s.stxname as name, pg_catalog.format('%I.%I', n.nspname, s.stxname) as qualified, pg_catalog.pg_get_statisticsobjdef(s.oid) as text,
         case when s.stxstattarget >= 0 then s.stxstattarget::int end as target, ${commentOf('s.oid', 'pg_statistic_ext')} as comment
    from pg_catalog.pg_statistic_ext s join pg_catalog.pg_namespace n on n.oid = s.stxnamespace where s.stxrelid = $1 order by s.stxname`

/** NULL of SQL is undefined here. The caller knows what its query gives. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- rows have the type that their query gives them
function plain<T>(row: object): T {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]: [string, unknown]) => [key, value ?? undefined]),
  ) as T
}

/** Runs a query, in a session whose settings are those of plainSession. */
export type RowReader = (sql: string, parameters: readonly unknown[]) => Promise<readonly object[]>

async function list<T>(read: RowReader, sql: string, oid: number): Promise<readonly T[]> {
  return (await read(sql, [oid])).map((row) => plain<T>(row))
}

interface TableRow extends Pick<
  TableShape,
  | 'qualified'
  | 'owner'
  | 'tablespace'
  | 'options'
  | 'toastOptions'
  | 'comment'
  | 'rowSecurity'
  | 'forceRowSecurity'
  | 'replicaIdentity'
  | 'replicaIndex'
  | 'partitionKey'
  | 'rules'
> {
  readonly grants: readonly Grant[] | undefined
  readonly bound: string | undefined
  readonly parents: TableShape['inherits']
}

/** Once for each session that reads definitions. */
export async function prepareReading(session: PrivateSession): Promise<void> {
  await session.query(`${plainSession}; set statement_timeout = 0; set lock_timeout = 0`)
}

export async function readDefinition<Table extends Pick<FoundTable, 'oid'>>(
  session: RowReader,
  table: Table,
  major: number,
): Promise<Table & TableShape> {
  const { oid } = table
  const [row] = await list<TableRow>(session, TABLE, oid)
  const { bound, parents, ...own } = row!
  const constraints = await list<Constraint & { indexOid: number | undefined }>(session, constraintsSql(major), oid)
  return {
    ...table,
    ...own,
    grants: own.grants?.map((one) => plain<Grant>(one)),
    partitionOf: bound === undefined ? undefined : { ...parents[0]!, bound },
    inherits: bound === undefined ? parents : [],
    columns: (await list<Column>(session, COLUMNS, oid)).map((one) => ({
      ...one,
      grants: one.grants.map((grant) => plain<Grant>(grant)),
    })),
    constraints: constraints.map(({ indexOid, ...one }) => ({
      ...one,
      index: 'pux'.includes(one.kind) ? indexOid : undefined,
      pairs: one.pairs ?? [],
    })),
    indexes: await list<Index>(session, INDEXES, oid),
    sequences: (await list<Sequence>(session, SEQUENCES, oid)).map((one) => ({
      ...one,
      grants: one.grants?.map((grant) => plain<Grant>(grant)),
    })),
    triggers: await list<Trigger>(session, TRIGGERS, oid),
    policies: (await list<Policy>(session, POLICIES, oid)).map((one) => ({
      ...one,
      roles: one.roles.map((role: string | null) => role ?? 'public'),
    })),
    statistics: await list<Statistics>(session, STATISTICS, oid),
  }
}

/** Where a sequence stood. */
export async function sequenceState(
  session: PrivateSession,
  sequence: string,
): Promise<{ readonly last: string; readonly called: boolean }> {
  const { rows } = await session.query<{ last: string; called: boolean }>(
    `select last_value::text as last, is_called as called from ${sequence}`,
  )
  return rows[0]!
}
