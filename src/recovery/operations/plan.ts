import type { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { planText, type RecoveryPlan } from '../plan/plan.ts'
import { prepareRecovery } from '../plan/prepare.ts'
import { inclusiveOf, placeOfInput, planInput, planOutput, type PlanInput } from './options.ts'

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
  'recovery.critical-hooks',
] as const

export const plan = defineOperation<PlanInput, RecoveryPlan>({
  name: 'recover plan',
  summary: 'show what a recovery would do, need, take and lose',
  description: [
    'Finds the backup and the place in WAL for the target, and predicts each step with an 80 % interval. Touches nothing.',
    'Works with no control database and no running server; with --repository-path also without wharf.yaml.',
    'wharf recover plan retail --to-directory /restore --at "2026-11-20 14:05:00+01:00"\nwharf recover plan retail --to-directory /restore --before-load 01JD…',
  ].join('\n\n'),
  input: planInput,
  positional: ['warehouse'],
  output: planOutput as z.ZodType<RecoveryPlan>,
  role: 'viewer',
  danger: 'none',
  errors: targetErrors,
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    const prepared = await prepareRecovery(
      { ...input, ...placeOfInput(input), inclusive: inclusiveOf(input) },
      context,
      signal,
    )
    await prepared.close()
    return prepared.plan
  },
  text: planText,
})
