// Checks of repositories as runs: the task kind `repository check`, and a run for each schedule. What is found is alerted and fails the run.
import { z } from 'zod'

import { declaredName } from '../base/config-types.ts'
import { messageOf } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import { checkDeclared, checkSchedules } from '../repository/checking.ts'
import type { Schedule, TaskKind } from '../runs/contract.ts'
import { backupErrors } from './errors.ts'
import { openEvents } from './events.ts'

const taskInput = z.strictObject({ repository: declaredName(), share: z.string() })
type TaskInput = z.output<typeof taskInput>

/** Objects that an alert names; the command shows all. */
const MOST_NAMED = 20
const RETRIES = 2
const RETRY_DELAY_MS = 10 * 60_000

/** Repeatable: it only reads, and what it has read is noted when it is done. */
export const checkTask: TaskKind<TaskInput> = {
  name: 'repository check',
  input: taskInput,
  execute: async (task, signal) => {
    const { repository, share } = task.input
    const events = openEvents(task.context, repository)
    let result
    try {
      const tools = { report: task.progress.bind(task), signal }
      result = await checkDeclared({ name: repository, depth: 'share', share }, task.context, tools)
    } catch (error) {
      if (!signal.aborted)
        await events.emit('backup.alert', { reason: 'repository-not-checked', repository, message: messageOf(error) })
      throw error
    }
    const { findings, checkedObjects, checkedBytes, healed } = result
    if (findings.length === 0) return { repository, checkedObjects, checkedBytes, healed: healed.length }
    const objects = findings.slice(0, MOST_NAMED).map(({ object, message, backups }) => ({ object, message, backups }))
    await events.emit('backup.alert', { reason: 'repository-damaged', repository, count: findings.length, objects })
    throw backupErrors.repositoryDamaged({ repository, count: findings.length, first: findings[0]!.message })
  },
}

export function repositoryChecks(context: Context): readonly Schedule[] {
  return checkSchedules(context).map(({ repository, cron, timezone, share }): Schedule => {
    const input: TaskInput = { repository, share }
    return {
      id: `repository check/${repository}`,
      when: { cron, timezone },
      missed: 'last',
      request: ({ nominal }) => ({
        pipeline: `repository check ${repository}`,
        trigger: 'schedule',
        actor: 'schedule',
        idempotencyKey: `repository check/${repository}/${nominal.toISOString()}`,
        tasks: [
          { name: 'check', kind: 'repository check', input, needs: [], retries: RETRIES, retryDelayMs: RETRY_DELAY_MS },
        ],
      }),
    }
  })
}
