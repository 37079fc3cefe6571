// Rights are asked for by name before anything is started: what is missing is said with the SQL that gives it, not found out half-way.
import { lackingRights, rightsFor, type FileSource, type Right } from '../../warehouse/rights.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'

/** What a backup itself needs. REPLICATION is not among it: WAL may come by archive_command. */
export function backupRights(source: FileSource): readonly Right[] {
  return rightsFor(source).filter((right) => right.backup)
}

/** Rejects with `backup.lacks-right`. */
export async function demandRights(warehouse: Warehouse, wanted: readonly Right[], signal: AbortSignal): Promise<void> {
  await using session = await warehouse.connect({ purpose: 'backup', signal, statementTimeoutMs: 30_000 })
  const { role, lacking } = await lackingRights(session, wanted)
  if (lacking.length === 0) return
  throw backupErrors.lacksRight({
    warehouse: warehouse.declaration.name,
    user: role,
    rights: lacking.map(({ right }) => right.name),
    cure: lacking.map(({ cure }) => cure).join(' '),
  })
}
