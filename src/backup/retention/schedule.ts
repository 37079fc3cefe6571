// Expiry as a run: once a day where a warehouse has a retention and a repository its prune key. It waits for the warehouse's backup to end.
import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import type { Context } from '../../base/room.ts'
import { declaredRepositories } from '../../repository/config.ts'
import type { Schedule, TaskKind } from '../../runs/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { backupSection } from '../config.ts'
import { expireRepository } from './expire.ts'
import { expiryView, type ExpiryView } from './expiry-view.ts'

const taskInput = z.strictObject({ warehouse: declaredName() })

/** Repeatable: what a tombstone names is deleted by whoever comes next. */
export const expireTask: TaskKind<z.output<typeof taskInput>> = {
  name: 'expire',
  input: taskInput,
  execute: async (task, signal) => {
    const { context, input } = task
    const { declaration } = (await context.use(warehouses)).get(input.warehouse)
    const views: ExpiryView[] = []
    for (const name of declaration.repositories) {
      if (!hasPruneKey(context, name)) continue
      const tools = { signal, report: (event: Parameters<typeof task.progress>[0]) => task.progress(event) }
      views.push(expiryView(await expireRepository(name, input, context, tools)))
    }
    return { repositories: views }
  },
}

function hasPruneKey(context: Context, name: string): boolean {
  return declaredRepositories(context).some((one) => one.name === name && one.prune !== undefined)
}

export function expireSchedules(context: Context): readonly Schedule[] {
  if (declaredRepositories(context).every((one) => one.prune === undefined)) return []
  return Object.entries(context.section(backupSection)).flatMap(([warehouse, { retention }]): Schedule[] =>
    retention === undefined
      ? []
      : [
          {
            id: `expire/${warehouse}`,
            when: { cron: retention.cron, timezone: retention.timezone },
            missed: 'last',
            request: ({ nominal }) => ({
              pipeline: `backup ${warehouse}`,
              trigger: 'schedule',
              actor: 'schedule',
              idempotencyKey: `expire/${warehouse}/${nominal.toISOString()}`,
              tasks: [{ name: 'expire', kind: 'expire', input: { warehouse }, needs: [] }],
            }),
          },
        ],
  )
}
