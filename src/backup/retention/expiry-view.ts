// What is said about expiry: the output of `backup plan` and `backup expire`.
import { z } from 'zod'

import { formatSize } from '../../base/units.ts'
import { formatLsn } from '../../wal/lsn.ts'
import type { BackupSummary } from '../../repository/contract.ts'
import type { Expiry } from './expire.ts'

const keptSchema = z.strictObject({
  id: z.string(),
  kind: z.string(),
  startedAt: z.string(),
  because: z.array(z.string()).describe('rules and holds that keep it'),
  deferred: z
    .strictObject({ bytes: z.number(), replayFromLsn: z.string() })
    .optional()
    .describe('bytes that a tier has left as older backups have them, and where replay begins for their sake'),
})
export const expirySchema = z.strictObject({
  repository: z.string(),
  kept: z.array(keptSchema),
  expires: z.array(z.strictObject({ id: z.string(), kind: z.string(), startedAt: z.string() })),
  expiring: z.array(
    z.strictObject({ id: z.string(), startedAt: z.string(), deletedAfter: z.string(), reason: z.string() }),
  ),
  marked: z.strictObject({ objects: z.number(), bytes: z.number(), wal: z.number(), garbage: z.number() }),
  deleted: z.strictObject({ objects: z.number(), bytes: z.number(), backups: z.array(z.string()) }),
  left: z.array(z.strictObject({ object: z.string(), why: z.string() })),
  notes: z.array(z.string()),
})
export type ExpiryView = z.output<typeof expirySchema>

const time = (ms: number): string => new Date(ms).toISOString()

export function expiryView(of: Expiry): ExpiryView {
  const { backups, decision, expiring, notes } = of.survey
  const known = new Map(backups.map((one) => [one.id, one]))
  const facts = (id: string) => {
    const one = known.get(id)!
    return { id, kind: one.kind, startedAt: time(one.startedMs) }
  }
  const { objects, bytes, wal, garbage } = of.marked
  return {
    repository: of.repository,
    kept: [...decision.kept].map(([id, because]) => ({
      ...facts(id),
      because: [...because],
      ...deferredOf(known.get(id)!),
    })),
    expires: decision.expired.map(({ id }) => facts(id)),
    expiring: expiring
      .filter((one) => !of.deleted.backups.includes(one.summary.id))
      .map((one) => ({
        id: one.summary.id,
        startedAt: time(one.summary.startedMs),
        deletedAfter: time(one.deleteAfterMs),
        reason: one.reason,
      })),
    marked: { objects, bytes, wal, garbage },
    deleted: { objects: of.deleted.objects, bytes: of.deleted.bytes, backups: [...of.deleted.backups] },
    left: of.left.map((one) => ({ ...one })),
    notes: [...notes],
  }
}

function deferredOf({ statistics, replayFromLsn }: BackupSummary): Pick<z.output<typeof keptSchema>, 'deferred'> {
  const { deferredBytes: bytes } = statistics
  return bytes === 0 ? {} : { deferred: { bytes, replayFromLsn: formatLsn(replayFromLsn) } }
}

/** `done`: it has happened; otherwise it would. */
export function expiryText(view: ExpiryView, done: boolean): string {
  const { marked, deleted } = view
  const lines = [`repository ${view.repository}`]
  for (const one of view.kept) {
    lines.push(`  keeps    ${one.id}  ${one.kind.padEnd(12)}  ${one.because.join(', ')}`)
    if (one.deferred)
      lines.push(
        `           ${formatSize(one.deferred.bytes)} of it deferred: needs WAL from ${one.deferred.replayFromLsn} on`,
      )
  }
  for (const one of view.expires)
    lines.push(`  ${done ? 'expired' : 'expires'}  ${one.id}  ${one.kind.padEnd(12)}  no rule keeps it`)
  for (const one of view.expiring) lines.push(`  expiring ${one.id}  deleted after ${one.deletedAfter}: ${one.reason}`)
  if (marked.objects > 0)
    lines.push(
      `  ${done ? 'marked' : 'would mark'} ${marked.objects} objects, ${formatSize(marked.bytes)}: ${marked.wal} of WAL, ${marked.garbage} that no backup names`,
    )
  if (deleted.objects > 0) lines.push(`  deleted ${deleted.objects} objects, ${formatSize(deleted.bytes)}`)
  for (const one of view.left.slice(0, 20)) lines.push(`  left     ${one.object}: ${one.why}`)
  if (view.left.length > 20) lines.push(`  left     ${view.left.length - 20} more objects`)
  for (const note of view.notes) lines.push(`  note: ${note}`)
  if (view.kept.length + view.expires.length + view.expiring.length === 0) lines.push('  no backups')
  return lines.join('\n')
}
