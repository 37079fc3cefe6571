// What the databases of a recovered server say about loads and unlogged tables.
import { codeOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { quoteName } from '../../warehouse/quote.ts'
import type { DatabaseState, JournaledWriter, TableState } from './choose.ts'

interface TableRow {
  readonly relation: string
  readonly schema: string
  readonly name: string
  readonly root: string
  readonly unlogged: boolean
}

const TABLES = `
  select n.nspname || '.' || c.relname as relation, n.nspname as schema, c.relname as name, rn.nspname || '.' || rc.relname as root,
         c.relpersistence = 'u' as unlogged
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_class rc on rc.oid = coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)
    join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
   where c.relkind = 'r' and (c.relpersistence = 'u' or n.nspname || '.' || c.relname = any($1)) and n.nspname not in ('wharf', 'pg_catalog')`

const WRITERS = `
  select id, pipeline, task, item, committed_at, targets, inputs from wharf.load_journal where targets && $1 order by committed_at, id`

/** `ids`: loads of which it is asked whether the server holds them; `relations`: tables of interest beside the unlogged ones. */
export async function readState(
  session: Session,
  asked: { readonly database: string; readonly ids: readonly string[]; readonly relations: readonly string[] },
): Promise<DatabaseState> {
  const rows = await session.query<TableRow>(TABLES, [asked.relations])
  const tables = new Map<string, TableState>()
  for (const { relation, schema, name, root, unlogged } of rows) {
    const empty = unlogged ? await isEmpty(session, `${quoteName(schema)}.${quoteName(name)}`) : false
    tables.set(relation, { root, unlogged, empty })
  }
  const roots = [...new Set(rows.filter((row) => row.unlogged).map((row) => row.root))]
  const [held, writers, replayed] = await Promise.all([
    orNone(session.query<{ id: string }>('select id from wharf.load_journal where id = any($1)', [asked.ids])),
    orNone(session.query<WriterRow>(WRITERS, [roots])),
    orNone(session.query<{ load_id: string; relation: string }>('select load_id, relation from wharf.load_replayed')),
  ])
  return {
    database: asked.database,
    tables,
    journal: new Set(held.map((row) => row.id)),
    writers: writers.map(writerOf),
    replayed: new Set(replayed.map((row) => `${row.load_id} ${row.relation}`)),
  }
}

interface WriterRow {
  readonly id: string
  readonly pipeline: string
  readonly task: string
  readonly item: string
  readonly committed_at: Date
  readonly targets: readonly string[]
  readonly inputs: readonly { readonly name: string }[]
}

function writerOf(row: WriterRow): JournaledWriter {
  const { id, pipeline, task, item, targets } = row
  const inputs = row.inputs.map((one) => one.name)
  return { id, pipeline, task, item, targets, inputs, committedAt: row.committed_at.toISOString() }
}

async function isEmpty(session: Session, sql: string): Promise<boolean> {
  const [row] = await session.query<{ filled: boolean }>(`select exists (select from only ${sql}) as filled`)
  return row?.filled !== true
}

/** No load, or no replay, was ever in this database. */
async function orNone<T>(reading: Promise<T[]>): Promise<T[]> {
  try {
    return await reading
  } catch (error) {
    if (['42P01', '3F000'].includes(codeOf(error) ?? '')) return []
    throw error
  }
}
