// What stands on the live server where a recovered table would go, and what hangs on it.
import type { Session } from '../../warehouse/contract.ts'
import { shownName, sqlName } from './names.ts'

export interface LiveRelation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: string
}

/** The relation of that name, whatever it is. */
export async function liveRelation(
  session: Session,
  at: { readonly schema: string; readonly name: string },
): Promise<LiveRelation | undefined> {
  const [row] = await session.query<Omit<LiveRelation, 'oid'> & { oid: string }>(
    `select c.oid::int8::text as oid, n.nspname as schema, c.relname as name, c.relkind as kind
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2`,
    [at.schema, at.name],
  )
  return row && { ...row, oid: Number(row.oid) }
}

/** A table with its partitions, parents first. */
export async function liveTree(session: Session, root: number): Promise<readonly LiveRelation[]> {
  const rows = await session.query<Omit<LiveRelation, 'oid'> & { oid: string }>(
    `with tree as (select $1::oid as relid, 0 as level where not exists (select from pg_catalog.pg_partition_tree($1::oid))
                   union all select relid, level from pg_catalog.pg_partition_tree($1::oid))
     select c.oid::int8::text as oid, n.nspname as schema, c.relname as name, c.relkind as kind
       from tree t join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace order by t.level, 2, 3`,
    [root],
  )
  return rows.map((one) => ({ ...one, oid: Number(one.oid) }))
}

export interface ForeignPart {
  readonly schema: string
  readonly name: string
  readonly parent: { readonly schema: string; readonly name: string }
  /** As ALTER TABLE … ATTACH PARTITION takes it. */
  readonly bound: string
}

/** Partitions, of any level, that are foreign tables. */
export async function foreignParts(session: Pick<Session, 'query'>, root: number): Promise<readonly ForeignPart[]> {
  const rows = await session.query<Record<'schema' | 'name' | 'parentSchema' | 'parentName' | 'bound', string>>(
    `select n.nspname as schema, c.relname as name, pn.nspname as "parentSchema", p.relname as "parentName", pg_catalog.pg_get_expr(c.relpartbound, c.oid) as bound
       from pg_catalog.pg_partition_tree($1::oid) t join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_class p on p.oid = t.parentrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
      where c.relkind = 'f' order by 1, 2`,
    [root],
  )
  return rows.map(({ schema, name, bound, parentSchema, parentName }) => ({
    schema,
    name,
    bound,
    parent: { schema: parentSchema, name: parentName },
  }))
}

/** Names that stay taken in some schemas: relations, types and extended statistics, as `schema.name`. */
export async function takenNames(
  session: Session,
  schemas: readonly string[],
  without: ReadonlySet<number>,
): Promise<ReadonlySet<string>> {
  const rows = await session.query<{ full: string }>(
    `with gone as (select oid from pg_catalog.pg_class where oid = any($2::oid[])
                   union select indexrelid from pg_catalog.pg_index where indrelid = any($2::oid[])
                   union select objid from pg_catalog.pg_depend where classid = 'pg_catalog.pg_class'::regclass and refclassid = 'pg_catalog.pg_class'::regclass
                          and refobjid = any($2::oid[]) and deptype in ('a', 'i'))
     select n.nspname || '.' || c.relname as full from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any($1) and c.oid not in (select oid from gone)
     union select n.nspname || '.' || t.typname from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      where n.nspname = any($1) and t.typrelid = 0 and t.typelem = 0
     union select n.nspname || '.' || s.stxname from pg_catalog.pg_statistic_ext s join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
      where n.nspname = any($1) and not s.stxrelid = any($2::oid[])`,
    [schemas, [...without]],
  )
  return new Set(rows.map((one) => one.full))
}

export interface View {
  readonly name: string
  readonly text: string
  readonly options: readonly string[]
}

export interface IncomingKey {
  /** The table that refers, qualified for SQL. */
  readonly table: string
  readonly shown: string
  readonly name: string
  readonly quoted: string
  readonly text: string
  readonly comment: string | undefined
}

export interface Published {
  readonly publication: string
  readonly oid: number
  readonly columns: readonly string[] | undefined
  readonly filter: string | undefined
}

/** What hangs on tables that are to be replaced, and can be made to hang on others. */
export interface Dependents {
  readonly views: readonly View[]
  readonly keys: readonly IncomingKey[]
  readonly publications: readonly Published[]
  /** What cannot be moved: in PostgreSQL's words. */
  readonly fixed: readonly string[]
}

export async function dependentsOf(session: Session, tree: readonly number[]): Promise<Dependents> {
  return {
    views: await viewsOn(session, tree),
    keys: await keysTo(session, tree),
    publications: await publicationsOf(session, tree),
    fixed: await fixedOn(session, tree),
  }
}

/** What keeps tables from being replaced: what cannot be moved, and publications of parts of them, which would be left with the old parts. */
export function inTheWay({ fixed, publications }: Dependents, replaced: ReadonlySet<number>): readonly string[] {
  const ofParts = publications.filter((one) => !replaced.has(one.oid))
  return [...fixed, ...new Set(ofParts.map((one) => `publication ${one.publication} of a partition`))]
}

async function viewsOn(session: Session, tree: readonly number[]): Promise<readonly View[]> {
  const rows = await session.query<{ name: string; text: string; options: readonly string[] }>(
    `select pg_catalog.format('%I.%I', n.nspname, v.relname) as name, pg_catalog.pg_get_viewdef(v.oid) as text, coalesce(to_json(v.reloptions), '[]'::json) as options
       from pg_catalog.pg_class v join pg_catalog.pg_namespace n on n.oid = v.relnamespace
      where v.relkind = 'v' and exists (select from pg_catalog.pg_rewrite r join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
        where r.ev_class = v.oid and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = any($1::oid[])) order by 1`,
    [tree],
  )
  return rows
}

async function keysTo(session: Session, tree: readonly number[]): Promise<readonly IncomingKey[]> {
  const rows = await session.query<{
    schema: string
    relation: string
    name: string
    quoted: string
    text: string
    comment: string | null
  }>(
    `select n.nspname as schema, c.relname as relation, k.conname as name, pg_catalog.quote_ident(k.conname) as quoted, pg_catalog.pg_get_constraintdef(k.oid) as text,
            pg_catalog.obj_description(k.oid, 'pg_constraint') as comment
       from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where k.contype = 'f' and k.confrelid = any($1::oid[]) and not k.conrelid = any($1::oid[]) and k.conparentid = 0 order by 1, 2, 3`,
    [tree],
  )
  return rows.map((one) => {
    const at = { schema: one.schema, name: one.relation }
    return {
      table: sqlName(at),
      shown: shownName(at),
      name: one.name,
      quoted: one.quoted,
      text: one.text,
      comment: one.comment ?? undefined,
    }
  })
}

async function publicationsOf(session: Session, tree: readonly number[]): Promise<readonly Published[]> {
  const rows = await session.query<{
    publication: string
    oid: string
    columns: readonly string[] | null
    filter: string | null
  }>(
    `select pg_catalog.quote_ident(p.pubname) as publication, r.prrelid::int8::text as oid, pg_catalog.pg_get_expr(r.prqual, r.prrelid) as filter,
            (select json_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute a where a.attrelid = r.prrelid and a.attnum = any(r.prattrs::int2[])) as columns
       from pg_catalog.pg_publication_rel r join pg_catalog.pg_publication p on p.oid = r.prpubid where r.prrelid = any($1::oid[]) order by 1`,
    [tree],
  )
  return rows.map((one) => ({
    publication: one.publication,
    oid: Number(one.oid),
    columns: one.columns ?? undefined,
    filter: one.filter ?? undefined,
  }))
}

/**
 * Everything that names the tables, their row types or their sequences by their oid, but for what is handled and what is their own. Of the rules of a view the
 * one that makes it a view is handled: others would go on writing into the old table. Who draws from a sequence of the table would go on with the old one.
 */
async function fixedOn(session: Session, tree: readonly number[]): Promise<readonly string[]> {
  const rows = await session.query<{ what: string }>(
    `with types as (select oid from pg_catalog.pg_type where typrelid = any($1::oid[])
                    union select typarray from pg_catalog.pg_type where typrelid = any($1::oid[]) and typarray <> 0),
          sequences as (select s.oid from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
            where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = any($1::oid[]) and d.deptype in ('a', 'i')),
          hanging as (select d.classid, d.objid, d.objsubid from pg_catalog.pg_depend d
            where d.deptype = 'n' and (d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = any($1::oid[])
                                       or d.refclassid = 'pg_catalog.pg_type'::regclass and d.refobjid in (select oid from types)))
     select distinct case when h.classid = 'pg_catalog.pg_rewrite'::regclass
                          then (select case when r.rulename = '_RETURN' then pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, r.ev_class, 0)
                                            else pg_catalog.pg_describe_object(h.classid, h.objid, 0) end from pg_catalog.pg_rewrite r where r.oid = h.objid)
                          else pg_catalog.pg_describe_object(h.classid, h.objid, h.objsubid) end as what
       from hanging h
      where not (h.classid = 'pg_catalog.pg_constraint'::regclass and exists (select from pg_catalog.pg_constraint k where k.oid = h.objid
                   and (k.contype = 'f' or k.conrelid = any($1::oid[]))))
        and not (h.classid = 'pg_catalog.pg_rewrite'::regclass and exists (select from pg_catalog.pg_rewrite r join pg_catalog.pg_class v on v.oid = r.ev_class
                   where r.oid = h.objid and (v.relkind = 'v' and r.rulename = '_RETURN' or v.oid = any($1::oid[]))))
        and not (h.classid = 'pg_catalog.pg_policy'::regclass and exists (select from pg_catalog.pg_policy p where p.oid = h.objid and p.polrelid = any($1::oid[])))
        and not (h.classid = 'pg_catalog.pg_attrdef'::regclass and exists (select from pg_catalog.pg_attrdef f where f.oid = h.objid and f.adrelid = any($1::oid[])))
        and not (h.classid = 'pg_catalog.pg_trigger'::regclass and exists (select from pg_catalog.pg_trigger t where t.oid = h.objid and t.tgrelid = any($1::oid[])))
        and h.classid <> 'pg_catalog.pg_publication_rel'::regclass
        and not (h.classid = 'pg_catalog.pg_class'::regclass and h.objid = any($1::oid[]))
     union select pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) from pg_catalog.pg_depend d
      where d.deptype = 'n' and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid in (select oid from sequences)
        and not (d.classid = 'pg_catalog.pg_attrdef'::regclass and exists (select from pg_catalog.pg_attrdef f where f.oid = d.objid and f.adrelid = any($1::oid[])))
     union all select 'subscription ' || s.subname from pg_catalog.pg_subscription_rel r join pg_catalog.pg_subscription s on s.oid = r.srsubid where r.srrelid = any($1::oid[])
      order by 1`,
    [tree],
  )
  return rows.map((one) => one.what)
}
