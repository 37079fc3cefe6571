// What keeps tables from standing still: pages that a later vacuum will freeze, rows that were changed, hint bits that go to WAL.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'

export interface TableActivity {
  readonly database: string
  readonly oid: number
  /** Quoted, for SQL. */
  readonly name: string
  readonly pages: number
  readonly unfrozenPages: number
  /** Where the count comes from: exact, or as of the last vacuum. */
  readonly countedBy: 'pg_visibility' | 'relallfrozen' | 'relallvisible'
  readonly frozenXidAge: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly lastVacuum: string | undefined
}

interface Row {
  readonly oid: string
  readonly name: string
  readonly pages: string
  readonly unfrozen: string
  readonly age: string
  readonly inserted: string
  readonly updated: string
  readonly deleted: string
  readonly last_vacuum: string | null
}

/** Of all user tables; databases that cannot be asked are named. */
export async function readActivity(
  warehouse: Warehouse,
  databases: readonly string[],
  options: { majorVersion: number; signal: AbortSignal },
): Promise<{ tables: readonly TableActivity[]; problems: readonly string[] }> {
  const tables: TableActivity[] = []
  const problems: string[] = []
  for (const database of databases) {
    try {
      await using session = await warehouse.connect({ purpose: 'backup static', database, signal: options.signal })
      tables.push(...(await tablesOf(session, { database, majorVersion: options.majorVersion })))
    } catch (error) {
      options.signal.throwIfAborted()
      if (!isWharfError(error)) throw error
      problems.push(`database ${database} could not be asked: ${messageOf(error)}`)
    }
  }
  return { tables, problems }
}

async function tablesOf(session: Session, of: { database: string; majorVersion: number }): Promise<TableActivity[]> {
  const [extension] = await session.query<{ schema: string }>(
    `select quote_ident(n.nspname) as schema from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
      where e.extname = 'pg_visibility' and has_function_privilege(format('%I.pg_visibility_map_summary(regclass)', n.nspname), 'execute')`,
  )
  const countedBy = extension ? 'pg_visibility' : of.majorVersion >= 18 ? 'relallfrozen' : 'relallvisible'
  const frozen = extension
    ? `(select s.all_frozen from ${extension.schema}.pg_visibility_map_summary(c.oid::regclass) s)`
    : `c.${countedBy}`
  const rows = await session.query<Row>(
    `select c.oid::text, format('%I.%I', n.nspname, c.relname) as name, p.pages::text, greatest(0, p.pages - ${frozen})::text as unfrozen,
            age(c.relfrozenxid)::text as age, coalesce(s.n_tup_ins, 0)::text as inserted, coalesce(s.n_tup_upd, 0)::text as updated,
            coalesce(s.n_tup_del, 0)::text as deleted, greatest(s.last_vacuum, s.last_autovacuum)::text as last_vacuum
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_stat_all_tables s on s.relid = c.oid
       cross join lateral (select pg_catalog.pg_relation_size(c.oid) / 8192 as pages) p
      where c.relkind in ('r', 'm') and c.relpersistence = 'p' and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'`,
  )
  return rows.map((row) => ({
    database: of.database,
    oid: Number(row.oid),
    name: row.name,
    pages: Number(row.pages),
    unfrozenPages: Number(row.unfrozen),
    countedBy,
    frozenXidAge: Number(row.age),
    inserted: Number(row.inserted),
    updated: Number(row.updated),
    deleted: Number(row.deleted),
    lastVacuum: row.last_vacuum ?? undefined,
  }))
}
