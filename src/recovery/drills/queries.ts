// Check queries of the users: what must be true of a recovered warehouse, in their own words.
import { messageOf } from '../../base/errors.ts'
import { connectTo, type PrivateServer } from '../server/connect.ts'
import type { CheckQuery } from './config.ts'
import type { Finding, QueryResult } from './evidence.ts'

/** Of a part of the warehouse: what it does not cover. */
export interface Covered {
  readonly databases: readonly string[]
  readonly leftOut: (databaseOid: number, filenode: number) => boolean
}

export interface QueriesDone {
  readonly results: readonly QueryResult[]
  readonly findings: readonly Finding[]
  /** Names of those that need what was left out: nothing is known of them. */
  readonly notCovered: readonly string[]
}

/** Each in a read-only transaction of its own, at most as long as it may take. */
export async function runQueries(
  server: PrivateServer,
  queries: Readonly<Record<string, CheckQuery>>,
  of: { readonly signal: AbortSignal; readonly covered?: Covered | undefined },
): Promise<QueriesDone> {
  const { signal, covered } = of
  const results: QueryResult[] = []
  const notCovered: string[] = []
  for (const [name, query] of Object.entries(queries)) {
    signal.throwIfAborted()
    if (covered && !covered.databases.includes(query.database)) {
      notCovered.push(name)
      continue
    }
    const result = await runQuery(server, name, query)
    if (covered && needsLeftOut(result, covered)) notCovered.push(name)
    else results.push(result)
  }
  const findings = results
    .filter((one) => !one.passed)
    .map((one): Finding => ({
      check: 'query',
      message: `check "${one.name}" in database ${one.database}: expected ${one.expected}, found ${one.found}`,
    }))
  return { results, findings, notCovered }
}

/** PostgreSQL names the file that is not there. */
function needsLeftOut({ passed, found }: QueryResult, covered: Covered): boolean {
  const match = passed ? null : /could not open file "(?:base|pg_tblspc\/\d+\/[^/"]+)\/(\d+)\/(\d+)/.exec(found)
  return match !== null && covered.leftOut(Number(match[1]), Number(match[2]))
}

async function runQuery(server: PrivateServer, name: string, query: CheckQuery): Promise<QueryResult> {
  const about = { name, database: query.database, expected: expectedText(query) }
  try {
    await using session = await connectTo(server, query.database)
    await session.query(`BEGIN READ ONLY`)
    await session.query(`SET LOCAL statement_timeout = ${Math.max(1, Math.round(query.timeout))}`)
    const found = valueOf(await session.query({ text: query.sql, rowMode: 'array' }))
    await session.query('ROLLBACK')
    return { ...about, found: found ?? 'null', passed: isExpected(found, query) }
  } catch (error) {
    return { ...about, found: `an error: ${messageOf(error)}`, passed: false }
  }
}

/** First column of the first row, as PostgreSQL prints it where the driver leaves it alone. */
function valueOf(result: unknown): string | null | undefined {
  const { rows } = (Array.isArray(result) ? result.at(-1) : result) as { rows: readonly unknown[][] }
  const value = rows[0]?.[0]
  if (rows.length === 0) return undefined
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function isExpected(found: string | null | undefined, query: CheckQuery): boolean {
  if (found === undefined || found === null) return false
  if (query.at_least !== undefined && !(Number(found) >= query.at_least)) return false
  if (query.at_most !== undefined && !(Number(found) <= query.at_most)) return false
  if (query.expect !== undefined) return found === String(query.expect)
  return query.at_least !== undefined || query.at_most !== undefined || found === 'true'
}

function expectedText(query: CheckQuery): string {
  if (query.expect !== undefined) return String(query.expect)
  const bounds = [
    ...(query.at_least === undefined ? [] : [`at least ${query.at_least}`]),
    ...(query.at_most === undefined ? [] : [`at most ${query.at_most}`]),
  ]
  return bounds.length === 0 ? 'true' : bounds.join(' and ')
}
