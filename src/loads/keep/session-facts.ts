// What of a session decides about the meaning of the SQL that it runs.
import type { Session } from '../../warehouse/contract.ts'

/** Settings that change what a statement means, or how a value is read. Those that a version does not have are passed over. */
const SETTINGS = [
  'search_path', 'TimeZone', 'timezone_abbreviations', 'DateStyle', 'IntervalStyle', 'extra_float_digits', 'bytea_output', 'xmloption',
  'lc_monetary', 'lc_numeric', 'lc_time', 'standard_conforming_strings', 'backslash_quote', 'array_nulls', 'transform_null_equals', 'quote_all_identifiers',
  'default_text_search_config', 'default_tablespace', 'temp_tablespaces', 'default_table_access_method', 'default_toast_compression',
  'session_replication_role', 'row_security', 'check_function_bodies', 'plpgsql.variable_conflict',
] // prettier-ignore

export interface SessionFacts {
  readonly database: string
  readonly role: string
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly postgresVersion: number
  readonly isolation: string
  readonly settings: Readonly<Record<string, string>>
}

export async function sessionFacts(session: Session): Promise<SessionFacts> {
  const [row] = await session.query<{
    database: string
    role: string
    system: string
    timeline: number
    version: number
    isolation: string
    settings: Record<string, string>
  }>(
    `select current_database() as database, session_user::text as role, (select system_identifier::text from pg_control_system()) as system,
            ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as timeline,
            current_setting('server_version_num')::int as version, current_setting('default_transaction_isolation') as isolation,
            (select jsonb_object_agg(name, value) from (
               select s.name, current_setting(s.name, true) as value from unnest($1::text[]) s(name)) t where value is not null) as settings`,
    [SETTINGS],
  )
  const { database, role, system, timeline, version, isolation, settings } = row!
  return { database, role, systemIdentifier: BigInt(system), timeline, postgresVersion: version, isolation, settings }
}

/** Where WAL stands right before the load writes its mark. */
export async function walPosition(session: Session): Promise<{ lsn: string; timeline: number }> {
  const [row] = await session.query<{ lsn: string; timeline: number }>(
    `select lsn::text, ('x' || substr(pg_walfile_name(lsn), 1, 8))::bit(32)::int as timeline from pg_current_wal_insert_lsn() lsn`,
  )
  return row!
}

/** Each relation with the newest load of the journal before `own` that wrote it: one that has committed. */
export async function newestLoads(
  session: Session,
  relations: readonly string[],
  own: string,
): Promise<Readonly<Record<string, string | null>>> {
  const rows = await session.query<{ relation: string; load: string | null }>(
    `select r as relation, (select j.id from wharf.load_journal j where r = any(j.targets) and j.id <> $2 order by j.committed_at desc limit 1) as load
       from unnest($1::text[]) r`,
    [relations, own],
  )
  return Object.fromEntries(rows.map(({ relation, load }) => [relation, load]))
}

/**
 * Those of the names, of tables that were truncated or dropped, that are tables now, written as `schema.table`. TRUNCATE leaves its lock, as making a table does: a
 * name without one meant another table then (search_path), or its savepoint was rolled back.
 */
export async function replacedTables(session: Session, named: readonly string[]): Promise<readonly string[]> {
  if (named.length === 0) return []
  const rows = await session.query<{ relation: string }>(
    `select n.nspname || '.' || c.relname as relation from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and c.relpersistence <> 't' and c.oid in (select to_regclass(t) from unnest($1::text[]) t)
        and c.oid in (select relation from pg_locks where pid = pg_backend_pid() and locktype = 'relation' and mode = 'AccessExclusiveLock')
      order by 1`,
    [named],
  )
  return rows.map((one) => one.relation)
}
