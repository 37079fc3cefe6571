// What `recover plan` takes and shows for parts of a warehouse.
import { z } from 'zod'

import type { Context } from '../../base/room.ts'
import { partErrors as errors } from '../part-errors.ts'
import { planBlocks } from '../plan/parts/block.ts'
import { planDatabase } from '../plan/parts/database.ts'
import { planLoads } from '../plan/parts/loads.ts'
import { partWays, type PartPlan } from '../plan/parts/plan.ts'
import { planTables } from '../plan/parts/table.ts'
import { chosenWarehouse } from './default-warehouse.ts'
import { inclusiveOf, planOutput, recoveryInput, sandboxInput, tableInput } from './options.ts'

export const planAnyInput = z.strictObject({
  ...recoveryInput,
  warehouse: recoveryInput.warehouse
    .optional()
    .describe('name of the warehouse; default: the only one that is declared'),
  table: z.array(z.string()).optional().describe('plan of recover table: this table; may be given several times'),
  database: z.string().optional().describe('plan of recover database; with --table and --block: their database'),
  block: z.array(z.string()).optional().describe('plan of recover block: sales.orders or sales.orders:7,12'),
  loads: z.boolean().default(false).describe('plan of recover loads after a recovery to the target'),
  ...tableInput,
  sandboxDirectory: sandboxInput.sandboxDirectory,
})
export type PlanAnyInput = z.output<typeof planAnyInput>

const { backup, target, steps, time, space, lost, notes } = planOutput.shape
export const partPlanOutput = z.object({
  way: z.enum(partWays),
  warehouse: z.string(),
  repository: z.string(),
  what: z.array(z.string()),
  backup,
  target,
  size: z.object({
    files: z.number(),
    wantedBytes: z.number(),
    catalogBytes: z.number(),
    walBytes: z.number(),
  }),
  steps,
  time,
  space,
  live: z.array(z.string()).describe('what will be done on the live server'),
  lost,
  because: z.string().optional().describe('why this backup'),
  notes,
})

/** Undefined: the whole warehouse is meant. */
export async function planPart(
  input: PlanAnyInput,
  context: Context,
  signal: AbortSignal,
): Promise<PartPlan | undefined> {
  const { table: tables = [], block: blocks = [], database, loads } = input
  const asked = [
    ...(tables.length > 0 ? ['--table'] : []),
    ...(blocks.length > 0 ? ['--block'] : []),
    ...(loads ? ['--loads'] : []),
  ]
  if (asked.length > 1) throw errors.manyPlans({ options: asked })
  if (asked.length === 0 && database === undefined) return undefined
  // Of a part nothing comes first.
  if (input.criticalFirst) throw errors.manyPlans({ options: [asked[0] ?? '--database', '--critical-first'] })
  const warehouse = await chosenWarehouse(input.warehouse, context)
  const request = { ...input, warehouse, inclusive: inclusiveOf(input) }
  if (tables.length > 0) return await planTables({ ...request, tables }, context, signal)
  if (blocks.length > 0) return await planBlocks({ ...request, blocks }, context, signal)
  if (loads) return await planLoads(request, context, signal)
  return await planDatabase({ ...request, database: database! }, context, signal)
}
