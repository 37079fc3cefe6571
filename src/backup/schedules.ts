// Backups as runs: the task kind `backup`, and a run for each schedule of the configuration.
import { z } from 'zod'

import { declaredName } from '../base/config-types.ts'
import type { Context } from '../base/room.ts'
import type { Schedule, TaskKind } from '../runs/contract.ts'
import { backupSection, kindSchema } from './config.ts'
import { runBackup } from './run-backup.ts'

const taskInput = z.strictObject({
  warehouse: declaredName(),
  kind: kindSchema,
  independent: z.boolean().default(false),
  repository: declaredName().optional(),
})
type TaskInput = z.output<typeof taskInput>

/** Repeatable: an attempt that died left nothing visible, the next one starts from the beginning. */
export const backupTask: TaskKind<TaskInput> = {
  name: 'backup',
  input: taskInput,
  execute: (task, signal) => runBackup(task.input, task.context, { report: (event) => task.progress(event), signal }),
}

/** A backup that failed for a passing reason is tried again after a while. */
const RETRIES = 2
const RETRY_DELAY_MS = 60_000

export function backupSchedules(context: Context): readonly Schedule[] {
  return Object.entries(context.section(backupSection)).flatMap(([warehouse, policy]) =>
    Object.entries(policy.schedules).map(([name, schedule]): Schedule => {
      const input: TaskInput = { warehouse, kind: schedule.kind, independent: schedule.independent }
      const isCron = 'cron' in schedule
      return {
        id: `backup/${warehouse}/${name}`,
        when: isCron ? { cron: schedule.cron, timezone: schedule.timezone } : { after: schedule.after },
        missed: schedule.missed,
        request: ({ nominal }) => ({
          // One backup of a warehouse at a time: runs of one pipeline are exclusive.
          pipeline: `backup ${warehouse}`,
          trigger: isCron ? 'schedule' : 'after',
          actor: 'schedule',
          idempotencyKey: `backup/${warehouse}/${name}/${nominal.toISOString()}`,
          tasks: [{ name: 'backup', kind: 'backup', input, needs: [], retries: RETRIES, retryDelayMs: RETRY_DELAY_MS }],
        }),
      }
    }),
  )
}
