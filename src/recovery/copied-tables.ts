// What is to be known of tables of one database before and after copies of them are brought back.
import type { Session } from '../warehouse/contract.ts'
import { quoteName } from '../warehouse/quote.ts'

export interface Named {
  readonly schema: string
  readonly name: string
}

/** Qualified, for SQL. */
export function sqlOf({ schema, name }: Named): string {
  return `${quoteName(schema)}.${quoteName(name)}`
}

const keyOf = ({ schema, name }: Named): string => JSON.stringify([schema, name])

/** Tables before those that refer to them; those that refer to each other in a circle as they come. */
export async function parentsFirst<T>(
  session: Session,
  tables: readonly T[],
  named: (table: T) => Named,
): Promise<readonly T[]> {
  const rows = await session.query<Named & { otherSchema: string; otherName: string }>(
    `select distinct n.nspname as schema, c.relname as name, fn.nspname as "otherSchema", f.relname as "otherName"
       from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_class f on f.oid = k.confrelid join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
      where k.contype = 'f' and k.conrelid <> k.confrelid`,
  )
  const known = new Map(tables.map((one) => [keyOf(named(one)), one]))
  const parents = Map.groupBy(rows, keyOf)
  const ordered = new Set<T>()
  const visit = (key: string, path: readonly string[]): void => {
    const table = known.get(key)
    if (table === undefined || ordered.has(table) || path.includes(key)) return
    for (const { otherSchema, otherName } of parents.get(key) ?? [])
      visit(keyOf({ schema: otherSchema, name: otherName }), [...path, key])
    ordered.add(table)
  }
  for (const key of known.keys()) visit(key, [])
  return [...ordered]
}

/** Empties them at once, so that keys between them are no matter; what has no file content is left alone: a table that is not among them may refer to it. */
export async function emptyAll(session: Session, tables: readonly Named[]): Promise<void> {
  const filled: string[] = []
  for (const one of tables) {
    const sql = sqlOf(one)
    const [row] = await session.query<{ bytes: number }>(
      'select pg_catalog.pg_relation_size($1::regclass)::float8 as bytes',
      [sql],
    )
    if (row!.bytes > 0) filled.push(`only ${sql}`)
  }
  if (filled.length > 0) await session.query(`truncate ${filled.join(', ')}`)
}

/** Recovery has set back the sequences of an unlogged table: they go on behind its rows. */
export async function moveSequences(session: Session, table: Named): Promise<void> {
  const sql = sqlOf(table)
  const rows = await session.query<{ column: string; sequence: string; up: boolean }>(
    `select a.attname as column, pg_catalog.format('%I.%I', sn.nspname, s.relname) as sequence, q.seqincrement > 0 as up
       from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
       join pg_catalog.pg_sequence q on q.seqrelid = s.oid join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = $1::regclass and d.deptype in ('a', 'i')
        and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) and not q.seqcycle`,
    [sql],
  )
  for (const { column, sequence, up } of rows) {
    const [last, compare] = up ? ['max', '>'] : ['min', '<']
    await session.query(
      `select pg_catalog.setval($1::regclass, r.last) from (select pg_catalog.${last}(${quoteName(column)})::int8 as last from only ${sql}) r, ${sequence} s
        where r.last ${compare} s.last_value or r.last = s.last_value and not s.is_called`,
      [sequence],
    )
  }
}
