// The warehouse that is meant where none is named.
import type { Context } from '../../base/room.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'

/** Rejects with `warehouse.unknown`, `backup.which-warehouse`. */
export async function soleWarehouse(context: Context, named: string | undefined): Promise<string> {
  const all = await context.use(warehouses)
  if (named !== undefined) return all.get(named).declaration.name
  const known = all.list().map((one) => one.name)
  if (known.length === 1) return known[0]!
  throw backupErrors.whichWarehouse({ known })
}
