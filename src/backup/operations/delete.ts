import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { defineOperation, demandConfirmation } from '../../base/operation.ts'
import { declaredRepository } from '../../repository/config.ts'
import { keyErrors as repositoryErrors } from '../../repository/key-errors.ts'
import { markExpired, reviveBackup, unlockPruneKey } from '../../repository/prune.ts'
import { backupErrors } from '../errors.ts'
import { controlHolds, DEFAULT_GRACE_MS, retentionOf } from '../retention/expire.ts'
import { findBackups, type FoundBackup } from '../retention/find.ts'

const where = z.strictObject({
  repository: z.string(),
  deletedAfter: z.string(),
  objects: z.number(),
  bytes: z.number(),
})

export const remove = defineOperation({
  name: 'backup delete',
  summary: 'let one backup expire now',
  description:
    'As if no retention rule kept it: it is not listed any more, can be brought back by wharf backup restore-expired while its grace period lasts, and is deleted by a later wharf backup expire. No other backup is touched. The newest backup of a warehouse and one that is held are refused.\n\nwharf backup delete 20261120T140500Z-7f3a9c1e --reason "taken while the disk was failing"',
  input: z.strictObject({
    id: z.string().min(1).describe('id of the backup'),
    reason: z.string().trim().min(1).describe('why; kept with the tombstone'),
    repository: declaredName().optional().describe('only in this repository; default: wherever it is'),
  }),
  positional: ['id'],
  output: z.strictObject({ id: z.string(), repositories: z.array(where) }),
  role: 'admin',
  danger: 'destroys',
  errors: ['backup.unknown-backup', 'backup.newest-backup', 'backup.held-backup', 'repository.no-prune-declared'],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    const found = (await findBackups(input.id, { ...input, context, signal })).filter((one) => !one.expiring)
    if (found.length === 0) throw backupErrors.unknownBackup({ id: input.id })
    const outside = await controlHolds(context)
    for (const one of found) await refuse(one, outside, signal)
    await demandConfirmation(context, `delete backup ${input.id} of ${found[0]!.summary.warehouse}?`)
    const done = []
    for (const { repository, summary } of found) {
      const { prune } = declaredRepository(context, repository.name)
      if (!prune) throw repositoryErrors.noPruneDeclared({ name: repository.name })
      const key = await unlockPruneKey(repository, prune, signal)
      const { warehouse, id } = summary
      const graceMs = retentionOf(context, warehouse)?.grace ?? DEFAULT_GRACE_MS
      const request = { backups: [{ warehouse, id }], wal: [], reason: input.reason, graceMs }
      const { objects, bytes } = await markExpired(repository, request, { key, signal })
      const until = (await repository.listExpiring(signal)).find((one) => one.summary.id === id)!.deleteAfterMs
      done.push({ repository: repository.name, deletedAfter: new Date(until).toISOString(), objects, bytes })
    }
    return { id: input.id, repositories: done }
  },
  text: ({ id, repositories }) =>
    repositories.map((one) => `${id} in ${one.repository} is deleted after ${one.deletedAfter}`).join('\n'),
})

async function refuse(
  of: FoundBackup,
  outside: Awaited<ReturnType<typeof controlHolds>>,
  signal: AbortSignal,
): Promise<void> {
  const { repository, summary } = of
  const { id, warehouse } = summary
  const newest = (await repository.listBackups(signal, { warehouse, onDamaged: () => {} })).at(-1)
  if (newest?.id === id) throw backupErrors.newestBackup({ id, warehouse })
  const hold = [...(await repository.holds.list(signal)), ...outside].find((one) => one.backup === id)
  if (hold) throw backupErrors.heldBackup({ id, reason: hold.reason })
}

export const restoreExpired = defineOperation({
  name: 'backup restore-expired',
  summary: 'bring an expired backup back while its grace period lasts',
  description:
    'With all WAL since its start that is still there. It gets a hold, or the next expiry would let it go again: release that when it may go.\n\nwharf backup restore-expired 20261120T140500Z-7f3a9c1e --reason "needed for the audit"',
  input: z.strictObject({
    id: z.string().min(1).describe('id of the backup'),
    reason: z.string().min(1).default('brought back after it had expired').describe('why; kept with the hold'),
    repository: declaredName().optional().describe('only in this repository; default: wherever it has expired'),
  }),
  positional: ['id'],
  output: z.strictObject({ id: z.string(), repositories: z.array(z.string()), holds: z.array(z.string()) }),
  role: 'operator',
  danger: 'writes',
  errors: ['backup.unknown-backup', 'backup.not-expired', 'repository.too-late-to-revive'],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    const { id, reason } = input
    const found = (await findBackups(id, { ...input, context, signal })).filter((one) => one.expiring)
    if (found.length === 0) throw backupErrors.notExpired({ id })
    const by = context.actor
    const holds: string[] = []
    for (const { repository, summary } of found) {
      await reviveBackup(repository, id, { by, reason, signal })
      const { warehouse } = summary
      holds.push((await repository.holds.place({ backup: id, warehouse, reason, by, wal: 'since' }, signal)).id)
    }
    return { id, repositories: found.map((one) => one.repository.name), holds }
  },
  text: ({ id, repositories, holds }) =>
    `${id} is back in ${repositories.join(', ')}, held by ${holds.join(', ')}: release that when it may go`,
})
