// What tiers need besides the relation map: partitions with their parents, and foreign keys.
import { isWharfError } from '../../base/errors.ts'
import type { MappedRelation } from '../../repository/contract.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import type { TierFacts } from '../plan/tiers.ts'

const TABLES = `
  select c.oid::text, n.nspname as schema, c.relname as name, i.inhparent::text as parent
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_inherits i on i.inhrelid = c.oid and c.relispartition
   where c.relkind in ('r', 'p', 'm')`
const REFERENCES = `
  select distinct conrelid::text as "from", confrelid::text as "to" from pg_catalog.pg_constraint where contype = 'f' and conrelid <> confrelid`

/** Of the databases that `relations` are of. */
export async function readTierFacts(
  warehouse: Warehouse,
  relations: readonly MappedRelation[],
  signal: AbortSignal,
): Promise<TierFacts> {
  const databases = new Map(
    relations.filter((one) => one.databaseOid !== 0).map((one) => [one.databaseOid, one.database]),
  )
  const tables: TierFacts['tables'][number][] = []
  const references: TierFacts['references'][number][] = []
  for (const [databaseOid, database] of databases) {
    try {
      await using session = await warehouse.connect({ purpose: 'backup tiers', database, signal })
      const rows = await session.query<{ oid: string; schema: string; name: string; parent: string | null }>(TABLES)
      for (const { oid, schema, name, parent } of rows)
        tables.push({
          databaseOid,
          database,
          schema,
          name,
          oid: Number(oid),
          parent: parent === null ? undefined : Number(parent),
        })
      for (const { from, to } of await session.query<{ from: string; to: string }>(REFERENCES))
        references.push({ databaseOid, from: Number(from), to: Number(to) })
    } catch (error) {
      // Dropped since.
      if (!isWharfError(error, 'warehouse.no-database')) throw error
    }
  }
  return { tables, references }
}
