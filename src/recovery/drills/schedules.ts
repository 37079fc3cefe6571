// Drills as runs: the task kind `recovery drill`, and a run for each schedule of the configuration.
import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import type { Context } from '../../base/room.ts'
import type { Schedule, TaskKind } from '../../runs/contract.ts'
import { drillsSection, tierSchema, verifySchema } from './config.ts'
import { runDrill } from './run-drill.ts'

const taskInput = z.strictObject({
  warehouse: declaredName(),
  target: z.enum(['latest', 'random']),
  tier: tierSchema.default('all'),
  verify: verifySchema.optional(),
})
type TaskInput = z.output<typeof taskInput>

/** Repeatable: each attempt has a sandbox of its own, and that of an attempt that died is removed by the next. */
export const drillTask: TaskKind<TaskInput> = {
  name: 'recovery drill',
  input: taskInput,
  execute: async (task, signal) => {
    const { input, context } = task
    const { evidence, digest } = await runDrill(
      {
        warehouse: input.warehouse,
        ...(input.target === 'random' ? { random: true } : { latest: true }),
        tier: input.tier,
        verify: input.verify,
        keep: false,
        trigger: 'schedule',
        actor: 'schedule',
      },
      context,
      { report: (event) => task.progress(event), signal },
    )
    const { id, outcome, recoveryMs, predicted } = evidence
    return { drill: id, outcome, digest, recoveryMs, predictedMs: predicted?.expectedMs ?? null }
  },
}

export function drillSchedules(context: Context): readonly Schedule[] {
  return Object.entries(context.section(drillsSection)).flatMap(([warehouse, policy]) =>
    Object.entries(policy.schedules).map(([name, schedule]): Schedule => {
      const input: TaskInput = { warehouse, target: schedule.target, tier: schedule.tier, verify: schedule.verify }
      return {
        id: `drill/${warehouse}/${name}`,
        when: { cron: schedule.cron, timezone: schedule.timezone },
        missed: schedule.missed,
        request: ({ nominal }) => ({
          // One drill of a warehouse at a time: runs of one pipeline are exclusive.
          pipeline: `drill ${warehouse}`,
          trigger: 'schedule',
          actor: 'schedule',
          idempotencyKey: `drill/${warehouse}/${name}/${nominal.toISOString()}`,
          // A drill that failed has found something: to repeat it would hide that.
          tasks: [{ name: 'drill', kind: 'recovery drill', input, needs: [], retries: 0 }],
        }),
      }
    }),
  )
}
