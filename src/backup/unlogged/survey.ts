// What a server says about its unlogged tables: size, rows written, and what the journal of loads explains of that.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'
import type { TableName } from './patterns.ts'

export interface UnloggedTable extends TableName {
  readonly oid: number
  readonly relfilenode: number
  /** `schema.table` of the partitioned table that it belongs to, or its own. */
  readonly root: string
  /** With indexes and TOAST. */
  readonly bytes: number
  /** Rows inserted, updated and deleted, as PostgreSQL counts them since its statistics began; also by transactions that failed. */
  readonly rowsWritten: number
  /** The newest entry of the journal that names it, whether logged or not. */
  readonly lastLoad: JournaledLoad | undefined
  /** Rows that all loads of the journal wrote to it. */
  readonly rowsByLoads: number
}

export interface JournaledLoad {
  readonly id: string
  readonly pipeline: string
  readonly task: string
  readonly runId: string
  readonly committedAt: string
  readonly inputs: readonly string[]
}

export interface UnloggedSurvey {
  /** When it was asked, by the server's clock. */
  readonly at: string
  readonly tables: readonly UnloggedTable[]
  /** What could not be asked. */
  readonly warnings: readonly string[]
}

// Partitions count under their root in the journal; here each stands for itself, with the root's loads.
const TABLES = `
  select c.oid::int8::text as oid, pg_catalog.pg_relation_filenode(c.oid)::int8::text as relfilenode, n.nspname as schema, c.relname as name,
         coalesce(rn.nspname || '.' || r.relname, n.nspname || '.' || c.relname) as root,
         pg_catalog.pg_total_relation_size(c.oid)::text as bytes,
         (pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid)
           + pg_catalog.pg_stat_get_tuples_deleted(c.oid))::text as written
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class r on r.oid = pg_catalog.pg_partition_root(c.oid) and r.oid <> c.oid
    left join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
   where c.relkind = 'r' and c.relpersistence = 'u' and n.nspname <> 'wharf'
   order by 3, 4`

const LOADS = `
  select distinct on (target) target, id, pipeline, task, run_id, committed_at, inputs,
         (select coalesce(sum(coalesce((w.written ->> target)::bigint, case when cardinality(w.targets) = 1 then w.rows else 0 end)), 0)::text
            from wharf.load_journal w where target = any(w.targets)) as written
    from wharf.load_journal j cross join lateral unnest(j.targets) target
   where target = any($1)
   order by target, committed_at desc`

interface TableRow {
  oid: string
  relfilenode: string
  schema: string
  name: string
  root: string
  bytes: string
  written: string
}

interface LoadRow {
  target: string
  id: string
  pipeline: string
  task: string
  run_id: string
  committed_at: Date
  inputs: readonly { readonly name: string }[]
  written: string
}

/** Every unlogged table of every database that takes connections. */
export async function surveyUnlogged(warehouse: Warehouse, signal: AbortSignal): Promise<UnloggedSurvey> {
  await using session = await warehouse.connect({ purpose: 'unlogged tables', signal, lockTimeoutMs: 5000 })
  const [now] = await session.query<{ at: Date }>('select clock_timestamp() as at')
  const databases = await session.query<{ name: string }>(
    'select datname as name from pg_catalog.pg_database where datallowconn and not datistemplate and datconnlimit <> -2 order by 1',
  )
  const tables: UnloggedTable[] = []
  const warnings: string[] = []
  for (const { name } of databases) {
    try {
      await using inside = await warehouse.connect({
        purpose: 'unlogged tables',
        database: name,
        signal,
        lockTimeoutMs: 5000,
      })
      tables.push(...(await surveyDatabase(inside, name)))
    } catch (error) {
      signal.throwIfAborted()
      if (isWharfError(error, 'warehouse.no-database')) continue
      if (!isWharfError(error)) throw error
      warnings.push(`the unlogged tables of database ${name} are not known: ${messageOf(error)}`)
    }
  }
  return { at: now!.at.toISOString(), tables, warnings }
}

/** Those of the database that the session is in. */
export async function surveyDatabase(session: Session, database: string): Promise<readonly UnloggedTable[]> {
  const rows = await session.query<TableRow>(TABLES)
  const loads = await journalOf(session, [...new Set(rows.map((row) => row.root))])
  return rows.map((row) => {
    const load = loads.get(row.root)
    return {
      database,
      schema: row.schema,
      name: row.name,
      oid: Number(row.oid),
      relfilenode: Number(row.relfilenode),
      root: row.root,
      bytes: Number(row.bytes),
      rowsWritten: Number(row.written),
      lastLoad: load && {
        id: load.id,
        pipeline: load.pipeline,
        task: load.task,
        runId: load.run_id,
        committedAt: load.committed_at.toISOString(),
        inputs: load.inputs.map((input) => input.name),
      },
      rowsByLoads: load ? Number(load.written) : 0,
    }
  })
}

/** Rooms of one floor meet through rows: the journal is that of the room loads. */
async function journalOf(session: Session, roots: readonly string[]): Promise<ReadonlyMap<string, LoadRow>> {
  if (roots.length === 0) return new Map()
  // Not there where no load has run in this database, or of a version without the column. To try would break the transaction that a copy is taken in.
  const [journal] = await session.query<{ there: boolean }>(
    `select exists (select from pg_catalog.pg_attribute where attrelid = pg_catalog.to_regclass('wharf.load_journal') and attname = 'written' and not attisdropped) as there`,
  )
  if (!journal!.there) return new Map()
  return new Map((await session.query<LoadRow>(LOADS, [roots])).map((row) => [row.target, row]))
}
