import { z } from 'zod'

import { isWharfError } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { formatTable } from '../../base/table.ts'
import { existingControlDatabase } from '../../control/running.ts'
import { repositories } from '../../repository/contract.ts'
import { backupErrors } from '../errors.ts'
import { holdView, type HoldView } from './hold.ts'

export const holds = defineOperation({
  name: 'backup holds',
  summary: 'show what keeps backups whatever retention says',
  description: 'Holds in the repositories, and those of the control database where there is one.',
  input: z.strictObject({}),
  output: z.strictObject({ holds: z.array(holdView) }),
  role: 'viewer',
  danger: 'none',
  errors: ['repository.unreachable'],
  needs: 'repository',
  where: 'here',
  run: async (_input, context, signal) => ({ holds: await allHolds(context, signal) }),
  text: ({ holds: all }) =>
    all.length === 0
      ? 'no holds'
      : formatTable(
          ['hold', 'backup', 'where', 'by', 'until', 'reason'],
          all.map((one) => [
            one.id,
            one.backup,
            one.repository ?? 'control database',
            one.by,
            one.until ?? '',
            one.reason,
          ]),
        ),
})

export const release = defineOperation({
  name: 'backup release',
  summary: 'end a hold on a backup',
  description:
    'By the id that wharf backup holds shows. The next expiry decides anew.\n\nwharf backup release 20261128T101500Z-1b2c3d4e',
  input: z.strictObject({ hold: z.string().min(1).describe('id of the hold') }),
  positional: ['hold'],
  output: z.strictObject({ released: z.array(holdView) }),
  role: 'operator',
  danger: 'writes',
  errors: ['backup.unknown-hold'],
  needs: 'repository',
  where: 'here',
  run: async ({ hold }, context, signal) => {
    const found = (await allHolds(context, signal)).filter((one) => one.id === hold)
    if (found.length === 0) throw backupErrors.unknownHold({ id: hold })
    const all = await context.use(repositories)
    for (const one of found) {
      if (one.repository === undefined) await (await existingControlDatabase(context))?.releaseHold(hold, context.actor)
      else await (await all.open(one.repository, signal)).holds.release(hold, signal)
    }
    return { released: found }
  },
  text: ({ released }) =>
    released
      .map((one) => `${one.id} holds ${one.backup} no more in ${one.repository ?? 'the control database'}`)
      .join('\n'),
})

async function allHolds(context: Context, signal: AbortSignal): Promise<HoldView[]> {
  const all = await context.use(repositories)
  const found: HoldView[] = []
  for (const { name } of all.list()) {
    const repository = await all.open(name, signal).catch((error: unknown) => {
      // A declared repository that was never made holds nothing.
      if (isWharfError(error, 'repository.not-initialised')) return undefined
      throw error
    })
    for (const { atMs: _, untilMs, ...hold } of (await repository?.holds.list(signal)) ?? [])
      found.push({
        ...hold,
        repository: name,
        ...(untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }),
      })
  }
  const control = await existingControlDatabase(context)
  for (const { id, subject, reason, by, until } of (await control?.holds({ kind: 'backup' })) ?? []) {
    const wal = id.includes('/corrupt-since/') ? ('since' as const) : ('own' as const)
    found.push({ id, backup: subject, reason, by, wal, ...(until ? { until: until.toISOString() } : {}) })
  }
  return found
}
