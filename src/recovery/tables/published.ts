// What subscribers of the live server get of a recovery. What is only compared or merged from is unlogged, and is never sent.
import type { Session } from '../../warehouse/contract.ts'

/** Publications of all tables send the staging too. Said before anything is written. */
export async function notePublished(session: Session): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    'select pg_catalog.quote_ident(pubname) as name from pg_catalog.pg_publication where puballtables order by 1',
  )
  return rows.map(
    ({ name }) =>
      `publication ${name} is of all tables: what is recovered is sent to its subscribers too, while it is made as wharf_recovery_… and then under its own name; a subscription that has no such table stops there until it has one`,
  )
}

/** Publications that a table (by oid) is part of, in whatever way: of what is swapped in nothing is sent. */
export async function noteUnsent(session: Session, table: { oid: number; shown: string }): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    `select distinct pg_catalog.quote_ident(p.pubname) as name from pg_catalog.pg_publication p
      cross join lateral pg_catalog.pg_get_publication_tables(p.pubname::text) t
      where t.relid = $1 or t.relid in (select relid from pg_catalog.pg_partition_tree($1::oid)) order by 1`,
    [table.oid],
  )
  return rows.map(
    ({ name }) =>
      `subscribers of publication ${name} keep the rows that they have of ${table.shown}: what is put in its place is not sent to them, copy it there anew`,
  )
}
