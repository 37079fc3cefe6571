// What every table of the demo's warehouse holds, in one number each, independent of the order of rows.
import type { Session } from '../../warehouse/contract.ts'

export interface TableProof {
  readonly table: string
  readonly rows: string
  /** Sum of 64-bit hashes of the rows as text. */
  readonly hash: string
}

/** Logged tables only (partitions one by one): unlogged ones come back empty, by their nature. */
export async function proveTables(session: Session): Promise<TableProof[]> {
  // The text of a time depends on it.
  await session.query(`set timezone = 'UTC'`)
  const tables = await session.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname in ('retail', 'wharf') order by 1`,
  )
  const proofs: TableProof[] = []
  for (const { name } of tables) {
    const [row] = await session.query<{ rows: string; hash: string }>(
      `select count(*)::text as rows, coalesce(sum(hashtextextended(t::text, 0)), 0)::text as hash from ${name} t`,
    )
    proofs.push({ table: name, rows: row?.rows ?? '0', hash: row?.hash ?? '0' })
  }
  return proofs
}

/** Tables whose content differs or that are missing on one side. */
export function differences(before: readonly TableProof[], after: readonly TableProof[]): string[] {
  const found = new Map(after.map((one) => [one.table, one]))
  const changed = before.filter((one) => {
    const other = found.get(one.table)
    return other?.rows !== one.rows || other.hash !== one.hash
  })
  const known = new Set(before.map((one) => one.table))
  return [...changed.map((one) => one.table), ...after.filter((one) => !known.has(one.table)).map((one) => one.table)]
}
