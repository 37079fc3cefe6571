// Rows and sums of tables, partition by partition: evidence that can be held against the next drill and against what people know.
import { quoteName } from '../../warehouse/quote.ts'
import type { PrivateSession } from '../server/connect.ts'
import { PLACE_COLUMNS, whatIsThere, type VerifyOptions } from '../server/verify.ts'
import type { CountedTable } from './evidence.ts'

export type CountsWanted = 'journal' | 'all' | 'none'

/** Sums over the first columns of a wide table; more say nothing new. */
const mostSums = 8

interface Leaf {
  readonly oid: string
  readonly db: string
  readonly filenode: string
  readonly schema: string
  readonly name: string
}

/** Of a table that is no partition and has none, pg_partition_tree says nothing. */
const LEAVES_OF = `
  select c.oid::text, n.nspname as schema, c.relname as name, ${PLACE_COLUMNS}
    from (select relid from pg_catalog.pg_partition_tree(to_regclass($1)) union select to_regclass($1)) t
    join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'm') order by 2, 3`
const ALL_LEAVES = `
  select c.oid::text, n.nspname as schema, c.relname as name, ${PLACE_COLUMNS}
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'm') and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'wharf') order by 2, 3`
const NUMBERS = `
  select attname as name from pg_catalog.pg_attribute
   where attrelid = $1::oid and attnum > 0 and not attisdropped and atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
   order by attnum limit ${mostSums}`

/** Targets of the loads that the journal of this database knows, `schema.table`; none where it has no journal. */
export async function journalTargets(session: PrivateSession): Promise<readonly string[]> {
  if (!(await hasJournal(session))) return []
  const { rows } = await session.query<{ target: string }>(
    'select distinct unnest(targets) as target from wharf.load_journal order by 1',
  )
  return rows.map((row) => row.target)
}

export async function hasJournal(session: PrivateSession): Promise<boolean> {
  const { rows } = await session.query<{ there: boolean }>(
    `select to_regclass('wharf.load_journal') is not null as there`,
  )
  return rows[0]!.there
}

export async function countTables(
  session: PrivateSession,
  asked: {
    database: string
    wanted: CountsWanted
    leftOut?: VerifyOptions['leftOut']
    signal: AbortSignal
  },
): Promise<readonly CountedTable[]> {
  if (asked.wanted === 'none') return []
  const leaves = asked.wanted === 'all' ? await allLeaves(session) : await leavesOfJournal(session)
  const counted: CountedTable[] = []
  for (const leaf of whatIsThere(leaves, asked.leftOut)) {
    asked.signal.throwIfAborted()
    counted.push(await countTable(session, asked.database, leaf))
  }
  return counted
}

async function allLeaves(session: PrivateSession): Promise<readonly Leaf[]> {
  return (await session.query<Leaf>(ALL_LEAVES)).rows
}

async function leavesOfJournal(session: PrivateSession): Promise<readonly Leaf[]> {
  const found = new Map<string, Leaf>()
  for (const target of await journalTargets(session)) {
    // `schema.table` as the journal writes it, unquoted.
    const dot = target.indexOf('.')
    const name = dot < 0 ? quoteName(target) : `${quoteName(target.slice(0, dot))}.${quoteName(target.slice(dot + 1))}`
    for (const leaf of (await session.query<Leaf>(LEAVES_OF, [name])).rows) found.set(leaf.oid, leaf)
  }
  return [...found.values()]
}

async function countTable(session: PrivateSession, database: string, leaf: Leaf): Promise<CountedTable> {
  const columns = (await session.query<{ name: string }>(NUMBERS, [leaf.oid])).rows.map((row) => row.name)
  const sums = columns.map((name, index) => `, sum(${quoteName(name)})::text as s${index}`).join('')
  const { rows } = await session.query<Record<string, string | null>>(
    `select count(*)::text as rows${sums} from only ${quoteName(leaf.schema)}.${quoteName(leaf.name)}`,
  )
  const row = rows[0]!
  return {
    database,
    table: `${leaf.schema}.${leaf.name}`,
    rows: row['rows']!,
    sums: columns.map((column, index) => ({ column, sum: row[`s${index}`] ?? null })),
  }
}

/**
 * Tables that hold other rows than at the drill before, though the journal knows of no load into them since. Users may have changed them: worth a
 * look, and no proof of anything.
 */
export function changedWithoutLoad(
  now: readonly CountedTable[],
  before: readonly CountedTable[],
  loadedSince: ReadonlySet<string>,
): readonly string[] {
  const known = new Map(before.map((one) => [`${one.database}.${one.table}`, one]))
  return now.flatMap((one) => {
    const old = known.get(`${one.database}.${one.table}`)
    if (!old || loadedSince.has(`${one.database}.${one.table}`)) return []
    if (old.rows === one.rows && JSON.stringify(old.sums) === JSON.stringify(one.sums)) return []
    const what = old.rows === one.rows ? 'other sums' : `${one.rows} rows, ${old.rows} then`
    return [
      `${one.database}.${one.table} has changed since the drill before (${what}), and the journal has no load into it since`,
    ]
  })
}
