// The warehouse of a command that names something else in its arguments.
import type { Context } from '../../base/room.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'

/** The one that is named, else the only one that wharf.yaml declares. */
export async function chosenWarehouse(named: string | undefined, context: Context): Promise<string> {
  if (named !== undefined) return named
  const declared = (await context.use(warehouses)).list()
  if (declared.length === 1) return declared[0]!.name
  throw errors.whichWarehouse(declared.map((one) => one.name))
}
