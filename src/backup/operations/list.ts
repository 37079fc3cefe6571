import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import { repositories, type BackupSummary, type Repository } from '../../repository/contract.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { kindSchema } from '../config.ts'

const complete = z.strictObject({
  state: z.literal('complete'),
  id: z.string(),
  warehouse: z.string(),
  repository: z.string(),
  kind: kindSchema,
  parent: z.string().optional(),
  startedAt: z.string(),
  finishedAt: z.string(),
  durationMs: z.number(),
  timeline: z.number(),
  startLsn: z.string(),
  stopLsn: z.string(),
  clusterBytes: z.number(),
  newBytes: z.number(),
  sharedBytes: z.number(),
  staticBytes: z.number(),
  auditedBytes: z.number(),
  deferredBytes: z.number(),
  skippedScratchBytes: z.number(),
  storedBytes: z.number(),
  corruptBlocks: z.number(),
  unloggedBytes: z.number(),
})
/** `running` while its lease is renewed; `unfinished` once that has run out: nothing of it can be restored. */
const incomplete = z.strictObject({
  state: z.enum(['running', 'unfinished']),
  id: z.string(),
  warehouse: z.string(),
  repository: z.string(),
  startedAt: z.string(),
})
const damaged = z.strictObject({
  state: z.literal('damaged'),
  id: z.string(),
  repository: z.string(),
  problem: z.string(),
})
/** Let go by retention or by hand; deleted some time after `deletedAfter`. */
const expiring = z.strictObject({
  state: z.literal('expiring'),
  id: z.string(),
  warehouse: z.string(),
  repository: z.string(),
  startedAt: z.string(),
  deletedAfter: z.string(),
  reason: z.string(),
})
/** A repository that could not be asked: what it holds is not known. */
const away = z.strictObject({
  repository: z.string(),
  code: z.string(),
  problem: z.string(),
  hint: z.string().optional(),
})
type Away = z.output<typeof away>
const line = z.discriminatedUnion('state', [complete, incomplete, expiring, damaged])
type Line = z.output<typeof line>

export const list = defineOperation({
  name: 'backup list',
  summary: 'show the backups of a warehouse, or of all',
  description:
    'Reads the repositories themselves; works without a control database. Oldest first. A repository that cannot be asked is named, and the exit code is that of findings.',
  input: z.strictObject({
    warehouse: declaredName().optional().describe('only this warehouse'),
    repository: declaredName().optional().describe('only this repository'),
    all: z.boolean().default(false).describe('also what has expired and is not deleted yet'),
  }),
  output: z.strictObject({ backups: z.array(line), away: z.array(away) }),
  role: 'viewer',
  danger: 'none',
  errors: ['repository.unknown', 'repository.wrong-key', 'warehouse.unknown', 'warehouse.none-declared'],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    const all = await context.use(repositories)
    const names = input.repository === undefined ? all.list().map((one) => one.name) : [input.repository]
    const backups: Line[] = []
    const away: Away[] = []
    for (const name of names) {
      try {
        backups.push(...(await linesOf(await all.open(name, signal), { ...input, context, signal })))
      } catch (error) {
        // Asked for by name, or a defect: that is the answer. One of several must not hide the others.
        if (input.repository !== undefined || names.length === 1 || !isWharfError(error)) throw error
        signal.throwIfAborted()
        away.push({ repository: name, code: error.code, problem: error.message, hint: error.hint })
      }
    }
    // A name that nobody declared and no repository knows is a slip, and "no backups" would frighten.
    if (backups.length === 0 && away.length === 0 && input.warehouse !== undefined)
      (await context.use(warehouses)).get(input.warehouse)
    return { backups: backups.toSorted(byStart), away }
  },
  exit: ({ away }) => (away.length === 0 ? 'ok' : 'findings'),
  text: ({ backups, away }) =>
    [
      ...(backups.length === 0 ? ['no backups'] : backups.map(lineText)),
      ...away.map((one) => `repository ${one.repository} could not be asked: ${one.problem}`),
      ...away.flatMap((one) => (one.hint === undefined ? [] : [`  hint: ${one.hint}`])),
    ].join('\n'),
})

async function linesOf(
  repository: Repository,
  of: { warehouse?: string | undefined; all?: boolean; context: Context; signal: AbortSignal },
): Promise<Line[]> {
  const lines: Line[] = []
  const backups = await repository.listBackups(of.signal, {
    ...(of.warehouse === undefined ? {} : { warehouse: of.warehouse }),
    onDamaged: (object, error) =>
      lines.push({ state: 'damaged', id: object, repository: repository.name, problem: messageOf(error) }),
  })
  for (const summary of backups) lines.push(completeLine(summary, repository.name))
  if (of.all) lines.push(...(await expiringLines(repository, of)))
  const now = await repository.store.now({ signal: of.signal })
  for (const one of await repository.listUnfinished(of.signal)) {
    if (of.warehouse !== undefined && one.warehouse !== of.warehouse) continue
    lines.push({
      state: one.leaseUntilMs > now ? 'running' : 'unfinished',
      id: one.id,
      warehouse: one.warehouse,
      repository: repository.name,
      startedAt: new Date(one.startedMs).toISOString(),
    })
  }
  return lines
}

async function expiringLines(
  repository: Repository,
  of: { warehouse?: string | undefined; signal: AbortSignal },
): Promise<Line[]> {
  const found = await repository.listExpiring(of.signal)
  return found
    .filter(({ summary }) => of.warehouse === undefined || summary.warehouse === of.warehouse)
    .map(({ summary, deleteAfterMs, reason }) => ({
      state: 'expiring',
      id: summary.id,
      warehouse: summary.warehouse,
      repository: repository.name,
      startedAt: new Date(summary.startedMs).toISOString(),
      deletedAfter: new Date(deleteAfterMs).toISOString(),
      reason,
    }))
}

function completeLine(one: BackupSummary, repository: string): Line {
  const {
    clusterBytes,
    newBytes,
    storedBytes,
    sharedBytes,
    staticBytes,
    auditedBytes,
    deferredBytes,
    skippedScratchBytes,
    durationMs,
  } = one.statistics
  return {
    state: 'complete',
    id: one.id,
    warehouse: one.warehouse,
    repository,
    kind: one.kind,
    ...(one.parent === undefined ? {} : { parent: one.parent }),
    startedAt: new Date(one.startedMs).toISOString(),
    finishedAt: new Date(one.finishedMs).toISOString(),
    durationMs,
    timeline: one.timeline,
    startLsn: formatLsn(one.startLsn),
    stopLsn: formatLsn(one.stopLsn),
    clusterBytes,
    newBytes,
    sharedBytes,
    staticBytes,
    auditedBytes,
    deferredBytes,
    skippedScratchBytes,
    storedBytes,
    corruptBlocks: one.corruptBlocks,
    unloggedBytes: one.unloggedBytes,
  }
}

function byStart(one: Line, other: Line): number {
  const key = (of: Line): string => ('startedAt' in of ? of.startedAt : '')
  return key(one) < key(other) ? -1 : key(one) > key(other) ? 1 : 0
}

function lineText(one: Line): string {
  if (one.state === 'damaged') return `${one.id}  DAMAGED  ${one.repository}: ${one.problem}`
  const start = `${one.id}  ${one.warehouse}  ${one.repository}  ${one.state.padEnd(10)}`
  if (one.state === 'expiring') return `${start}  deleted after ${one.deletedAfter}: ${one.reason}`
  if (one.state !== 'complete') return start.trimEnd()
  const corrupt = one.corruptBlocks > 0 ? `  ${one.corruptBlocks} CORRUPT BLOCKS` : ''
  const deferred = one.deferredBytes > 0 ? `, ${formatSize(one.deferredBytes)} deferred` : ''
  const sizes = `${formatSize(one.clusterBytes)} (${formatSize(one.storedBytes)} stored, ${formatSize(one.staticBytes)} static${deferred})`
  return `${start}  ${one.kind.padEnd(12)}  ${sizes}  ${formatDuration(one.durationMs)}${corrupt}`
}
