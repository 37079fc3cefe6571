import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { refuseAlone } from '../critical/refuse.ts'
import type { PartPlan } from '../plan/parts/plan.ts'
import { partPlanText } from '../plan/parts/text.ts'
import { planText, type RecoveryPlan } from '../plan/plan.ts'
import { prepareRecovery } from '../plan/prepare.ts'
import { chosenWarehouse } from './default-warehouse.ts'
import { inclusiveOf, placeOfInput, planOutput } from './options.ts'
import { partPlanOutput, planAnyInput, planPart, type PlanAnyInput } from './plan-part.ts'

export const targetErrors = [
  'recovery.no-target',
  'recovery.many-targets',
  'recovery.bad-time',
  'recovery.no-backup',
  'recovery.before-first',
  'recovery.beyond-end',
  'recovery.in-hole',
  'recovery.unknown-name',
  'recovery.unknown-xid',
  'recovery.unknown-load',
  'recovery.ambiguous',
  'recovery.bad-tablespace',
  'recovery.no-critical',
  'recovery.all-critical',
  'recovery.critical-needs-start',
  'recovery.critical-option',
  'recovery.critical-hooks',
] as const

export const plan = defineOperation<PlanAnyInput, RecoveryPlan | PartPlan>({
  name: 'recover plan',
  summary: 'show what a recovery would do, need, take and lose',
  description: [
    'Finds the backup and the place in WAL for the target, and predicts each step with an 80 % interval. Touches nothing. With --table, --database, --block or --loads the plan is that of wharf recover table, database, block or loads; without, that of wharf recover run.',
    'Works with no control database and no running server; with --repository-path also without wharf.yaml.',
    'wharf recover plan retail --to-directory /restore --at "2026-11-20 14:05:00+01:00"\nwharf recover plan retail --table sales.orders --at "2026-11-20 14:05"\nwharf recover plan --database shop --before-load 01JD…\nwharf recover plan --block sales.orders:7,12',
  ].join('\n\n'),
  input: planAnyInput,
  positional: ['warehouse'],
  output: z.union([planOutput as z.ZodType<RecoveryPlan>, partPlanOutput as z.ZodType<PartPlan>]),
  role: 'viewer',
  danger: 'none',
  errors: [...targetErrors, 'recovery.many-plans', 'recovery.no-relation-in-backup', 'recovery.template-database'],
  needs: 'repository',
  where: 'here',
  run: async (asked, context, signal) => {
    refuseAlone(asked)
    const part = await planPart(asked, context, signal)
    if (part) return part
    const {
      table: _,
      database: _d,
      block: _b,
      loads: _l,
      mode: _m,
      diff: _f,
      as: _a,
      sandboxDirectory: _s,
      ...input
    } = asked
    const place = placeOfInput(input)
    const warehouse = await chosenWarehouse(input.warehouse, context)
    const prepared = await prepareRecovery(
      { ...input, warehouse, ...place, inclusive: inclusiveOf(input) },
      context,
      signal,
    )
    await prepared.close()
    return prepared.plan
  },
  text: (found) => ('way' in found ? partPlanText(found) : planText(found)),
})
