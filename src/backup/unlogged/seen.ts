// Looks at unlogged tables that are remembered in the control database.
import type { ControlDatabase } from '../../control/contract.ts'
import type { Observation } from './others.ts'
import type { UnloggedSurvey, UnloggedTable } from './survey.ts'

/** Looks older than this say nothing that an operator still acts on. */
const KEPT_DAYS = 90

export type Seen = ReadonlyMap<string, readonly Observation[]>

export function keyOf(table: { database: string; schema: string; name: string }): string {
  return `${table.database}\n${table.schema}.${table.name}`
}

export function observationOf(table: UnloggedTable, at: string): Observation {
  return { at, oid: table.oid, rowsWritten: table.rowsWritten, rowsByLoads: table.rowsByLoads }
}

/** Oldest first. */
export async function readSeen(control: ControlDatabase, warehouse: string): Promise<Seen> {
  const rows = await control.query<{
    database: string
    relation: string
    oid: bigint
    at: Date
    rows_written: bigint
    rows_by_loads: bigint
  }>(
    'select database, relation, oid, at, rows_written, rows_by_loads from backup.unlogged_seen where warehouse = $1 order by at',
    [warehouse],
  )
  const seen = new Map<string, Observation[]>()
  for (const row of rows) {
    const key = `${row.database}\n${row.relation}`
    const list = seen.get(key) ?? []
    if (list.length === 0) seen.set(key, list)
    list.push({
      at: row.at.toISOString(),
      oid: Number(row.oid),
      rowsWritten: Number(row.rows_written),
      rowsByLoads: Number(row.rows_by_loads),
    })
  }
  return seen
}

export async function writeSeen(control: ControlDatabase, warehouse: string, survey: UnloggedSurvey): Promise<void> {
  for (const table of survey.tables) {
    await control.query(
      `insert into backup.unlogged_seen (warehouse, database, relation, oid, at, rows_written, rows_by_loads)
       values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
      [
        warehouse,
        table.database,
        `${table.schema}.${table.name}`,
        table.oid,
        survey.at,
        table.rowsWritten,
        table.rowsByLoads,
      ],
    )
  }
  await control.query(
    `delete from backup.unlogged_seen where warehouse = $1 and at < clock_timestamp() - $2 * interval '1 day'`,
    [warehouse, KEPT_DAYS],
  )
}
