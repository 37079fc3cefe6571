import { z } from 'zod'

import { declaredName, instant } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import type { Repository } from '../../repository/contract.ts'
import { reviveBackup } from '../../repository/prune.ts'
import { backupErrors } from '../errors.ts'
import { findBackups } from '../retention/find.ts'

const holdView = z.strictObject({
  id: z.string(),
  backup: z.string(),
  warehouse: z.string().optional(),
  repository: z.string().optional(),
  reason: z.string(),
  by: z.string(),
  until: z.string().optional(),
  wal: z.enum(['own', 'since']),
})
export type HoldView = z.output<typeof holdView>
export { holdView }

/** Where it is too late the hold goes again: it would keep what nobody can restore. */
async function bringBack(
  repository: Repository,
  of: { readonly backup: string; readonly by: string; readonly reason: string; readonly hold: string },
  signal: AbortSignal,
): Promise<void> {
  try {
    await reviveBackup(repository, of.backup, { by: of.by, reason: of.reason, signal })
  } catch (error) {
    await repository.holds.release(of.hold, signal)
    throw error
  }
}

export const hold = defineOperation({
  name: 'backup hold',
  summary: 'keep a backup, whatever retention says',
  description:
    'The hold lies in the repository itself and counts for whoever expires there. It keeps the backup with the WAL that it needs; --wal since also keeps all WAL since its start, so that every later moment stays recoverable from it. An expired backup is brought back while its grace period lasts.\n\nwharf backup hold 20261120T140500Z-7f3a9c1e --reason "audit 2026"',
  input: z.strictObject({
    id: z.string().min(1).describe('id of the backup'),
    reason: z.string().trim().min(1).describe('why; shown wherever it is kept because of this'),
    until: instant().optional().describe('when the hold ends by itself'),
    wal: z.enum(['own', 'since']).default('own').describe('the WAL that the backup needs, or all since its start'),
    repository: declaredName().optional().describe('only in this repository; default: wherever the backup is'),
  }),
  positional: ['id'],
  output: z.strictObject({ holds: z.array(holdView) }),
  role: 'operator',
  danger: 'writes',
  errors: ['backup.unknown-backup', 'backup.hold-ended', 'repository.unknown', 'repository.too-late-to-revive'],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    if (input.until !== undefined && input.until.getTime() <= context.clock.now())
      throw backupErrors.holdEnded({ until: input.until.toISOString() })
    const holds: HoldView[] = []
    for (const { repository, summary } of await findBackups(input.id, { ...input, context, signal })) {
      const by = context.actor
      const { warehouse } = summary
      const { id: backup, reason, wal } = input
      const placed = await repository.holds.place(
        { backup, warehouse, reason, by, wal, untilMs: input.until?.getTime() },
        signal,
      )
      // Asked after the hold is there: an expiry that runs beside us looks at holds after its tombstones.
      const expiring = (await repository.listExpiring(signal)).some((one) => one.summary.id === backup)
      if (expiring) await bringBack(repository, { backup, by, reason, hold: placed.id }, signal)
      const until = input.until === undefined ? {} : { until: input.until.toISOString() }
      holds.push({ id: placed.id, backup, warehouse, repository: repository.name, reason, by, wal, ...until })
    }
    return { holds }
  },
  text: ({ holds }) => holds.map((one) => `${one.backup} is held in ${one.repository} by ${one.id}`).join('\n'),
})
