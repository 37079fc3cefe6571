// The plan of `recover database`.
import type { Context } from '../../../base/room.ts'
import type { Manifest } from '../../../repository/contract.ts'
import { oidInBackup, wishOf } from '../../database/sandbox-for.ts'
import { partErrors as errors } from '../../part-errors.ts'
import { findPartPlan, type PartRequest, type PartWish } from './find.ts'
import { stepsOfTables, type PartPlan } from './plan.ts'

export interface DatabasePlanRequest extends PartRequest {
  readonly database: string
  readonly as?: string | undefined
}

export async function planDatabase(
  request: DatabasePlanRequest,
  context: Context,
  signal: AbortSignal,
): Promise<PartPlan> {
  const { database } = request
  if (/^template[01]$/.test(database)) throw errors.templateDatabase({ database })
  return await findPartPlan(request, (manifest) => databaseWish(request, manifest), { context, signal })
}

export function databaseWish(
  { database, as }: Pick<DatabasePlanRequest, 'database' | 'as'>,
  manifest: Manifest,
): PartWish {
  const oid = oidInBackup(manifest, database)
  const known = new Set(manifest.relations.map((one) => one.database))
  return {
    way: 'database',
    what: [database],
    live: [`a new database ${as ?? `${database}_recovered_<time>`} beside the others; nothing else changes`],
    notes:
      oid === undefined
        ? [
            `backup ${manifest.id} has no database ${database} (it has ${[...known]
              .filter((one) => one !== '')
              .toSorted()
              .join(', ')}): it is looked for in the catalogs at the target, and comes on top`,
          ]
        : [],
    after: stepsOfTables,
    ...wishOf(oid ?? 'catalogs'),
  }
}
