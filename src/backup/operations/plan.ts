import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { nextOccurrences } from '../../runs/calendar.ts'
import { scheduleSources, type Schedule } from '../../runs/contract.ts'
import { repositories } from '../../repository/contract.ts'
import { controlHolds, planRepository, repositoriesOf, retentionOf } from '../retention/expire.ts'
import { expirySchema, expiryText, expiryView, type ExpiryView } from '../retention/expiry-view.ts'
import { soleWarehouse } from './sole-warehouse.ts'

const NEXT = 3
const scheduleSchema = z.strictObject({
  schedule: z.string(),
  what: z.string(),
  when: z.string().describe('the cron rule with its zone, or the pipeline that it follows'),
  next: z.array(z.string()).describe('ISO 8601; of a schedule that follows a pipeline the times at which that begins'),
})

export const plan = defineOperation({
  name: 'backup plan',
  summary: 'show what will run when, what is kept by which rule, and what expiry will delete',
  description:
    'Next times of all backup schedules of a warehouse; then, for each repository, every backup with the rules and holds that keep it, and what would expire now. Changes nothing.\n\nwharf backup plan retail',
  input: z.strictObject({
    warehouse: declaredName().optional().describe('may be left out where only one is declared'),
    repository: declaredName().optional().describe('only this repository'),
  }),
  positional: ['warehouse'],
  output: z.strictObject({
    warehouse: z.string(),
    retention: z.boolean(),
    schedules: z.array(scheduleSchema),
    repositories: z.array(expirySchema),
  }),
  role: 'viewer',
  danger: 'none',
  errors: ['repository.unknown', 'warehouse.unknown', 'backup.which-warehouse'],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    const warehouse = await soleWarehouse(context, input.warehouse)
    const retention = retentionOf(context, warehouse)
    const holds = await controlHolds(context)
    const views: ExpiryView[] = []
    for (const name of await repositoriesOf(context, { warehouse, repository: input.repository })) {
      const repository = await (await context.use(repositories)).open(name, signal)
      views.push(expiryView(await planRepository(repository, { warehouse, retention, holds }, signal)))
    }
    return {
      warehouse,
      retention: retention !== undefined,
      schedules: schedulesOf(context, warehouse),
      repositories: views,
    }
  },
  text: (all) =>
    [
      ...(all.schedules.length === 0 ? ['no schedules'] : all.schedules.map(scheduleText)),
      ...(all.retention ? [] : ['no retention: nothing expires']),
      ...all.repositories.map((one) => expiryText(one, false)),
    ].join('\n'),
})

/** Backups and expiry of the warehouse. */
function schedulesOf(context: Context, warehouse: string) {
  const all = context.offers(scheduleSources).flatMap((source) => source(context))
  const now = new Date(context.clock.now())
  const own = all.filter((one) => one.id.startsWith(`backup/${warehouse}/`) || one.id === `expire/${warehouse}`)
  return own.map((one) => {
    const [task] = one.request({ nominal: now }).tasks
    const kind = (task?.input as { kind?: string } | undefined)?.kind
    return {
      schedule: one.id,
      what: kind === undefined ? (task?.kind ?? '') : `${kind} backup`,
      when: 'cron' in one.when ? `${one.when.cron} ${one.when.timezone}` : `after pipeline ${one.when.after}`,
      next: occurrences(one, all, now).map((at) => at.toISOString()),
    }
  })
}

function occurrences(one: Schedule, all: readonly Schedule[], now: Date): readonly Date[] {
  if ('cron' in one.when) return nextOccurrences(one.when, now, NEXT)
  const { after } = one.when
  const starts = all.flatMap((other) =>
    'cron' in other.when && other.request({ nominal: now }).pipeline === after
      ? nextOccurrences(other.when, now, NEXT)
      : [],
  )
  return starts.toSorted((a, b) => a.getTime() - b.getTime()).slice(0, NEXT)
}

function scheduleText(one: z.output<typeof scheduleSchema>): string {
  const times = one.next.length === 0 ? 'no time known' : one.next.join(', ')
  const says = one.when.startsWith('after ') ? `${one.when}, which begins at ${times}` : `${times} (${one.when})`
  return `${one.schedule}: ${one.what}, ${says}`
}
