// Whether what the visibility map says of pages is true of their rows: an index-only scan believes the map, and shows rows that are not there.
import { messageOf } from '../../base/errors.ts'
import type { PrivateSession } from '../server/connect.ts'
import { PLACE_COLUMNS, whatIsThere, type VerifyOptions } from '../server/verify.ts'
import type { Finding } from './evidence.ts'

export interface VisibilityResult {
  readonly tables: number
  /** False where the files of pg_visibility are missing. */
  readonly hasExtension: boolean
  readonly findings: readonly Finding[]
}

const mostRows = 5

/** Of one database. The extension is made in a transaction that is rolled back. */
export async function checkVisibility(
  session: PrivateSession,
  database: string,
  of: { readonly signal: AbortSignal; readonly leftOut?: VerifyOptions['leftOut'] },
): Promise<VisibilityResult> {
  await session.query('BEGIN')
  try {
    const schema = await makeExtension(session)
    if (schema === undefined) return { tables: 0, hasExtension: false, findings: [] }
    const { rows } = await session.query<{ oid: number; name: string; db: string; filenode: string }>(
      `SELECT c.oid, c.oid::regclass::text AS name, ${PLACE_COLUMNS} FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am am ON am.oid = c.relam
        WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence = 'p' AND am.amname = 'heap' ORDER BY c.oid`,
    )
    const findings: Finding[] = []
    const tables = whatIsThere(rows, of.leftOut)
    for (const table of tables) {
      of.signal.throwIfAborted()
      findings.push(...(await checkTable(session, { ...table, database, schema })))
    }
    return { tables: tables.length, hasExtension: true, findings }
  } finally {
    await session.query('ROLLBACK')
  }
}

/** Schema of its functions, quoted; undefined where it cannot be made. */
async function makeExtension(session: PrivateSession): Promise<string | undefined> {
  const there = await session.query<{ schema: string }>(
    "SELECT pg_catalog.quote_ident(n.nspname) AS schema FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_visibility'",
  )
  if (there.rows[0]) return there.rows[0].schema
  await session.query('SAVEPOINT made')
  try {
    await session.query('CREATE SCHEMA wharf_visibility')
    await session.query('CREATE EXTENSION pg_visibility SCHEMA wharf_visibility')
    return 'wharf_visibility'
  } catch {
    await session.query('ROLLBACK TO SAVEPOINT made')
    return undefined
  }
}

async function checkTable(
  session: PrivateSession,
  table: { oid: number; name: string; database: string; schema: string },
): Promise<readonly Finding[]> {
  const { schema, database, name } = table
  const finding = (message: string): Finding => ({ check: 'visibility', message, relation: `${database}: ${name}` })
  await session.query('SAVEPOINT one')
  try {
    const { rows } = await session.query<{ what: string; at: string }>(
      `(SELECT 'all-visible' AS what, t::text AS at FROM ${schema}.pg_check_visible($1::oid::regclass) t LIMIT ${mostRows})
       UNION ALL (SELECT 'all-frozen', t::text FROM ${schema}.pg_check_frozen($1::oid::regclass) t LIMIT ${mostRows})`,
      [table.oid],
    )
    await session.query('RELEASE SAVEPOINT one')
    return rows.map(({ what, at }) => finding(`row ${at} stands on a page that is marked ${what}, and is not`))
  } catch (error) {
    await session.query('ROLLBACK TO SAVEPOINT one')
    return [finding(`its visibility map cannot be checked: ${messageOf(error)}`)]
  }
}
