// One backup as command, schedules and demo start it: warehouse and policy by name, events on the way, a report at the end.
import { availableParallelism } from 'node:os'

import { isWharfError, messageOf } from '../base/errors.ts'
import type { Progress } from '../base/operation.ts'
import type { Context } from '../base/room.ts'
import { repositories, type BackupKind, type ManifestDraft, type Repository } from '../repository/contract.ts'
import { warehouses, type Warehouse } from '../warehouse/contract.ts'
import { rights } from '../warehouse/rights.ts'
import { backupSection, defaultPolicy, type BackupPolicy } from './config.ts'
import { chooseSource } from './choose-source.ts'
import { madeBy } from './engine/made-by.ts'
import { takeBackup } from './engine/take.ts'
import type { TakenBackup } from './engine/options.ts'
import { backupErrors } from './errors.ts'
import { openEvents, type BackupEvents } from './events.ts'
import { choosePlaces, mirror, settleMirror } from './mirror.ts'
import { ensureReceiving, type ReceivingWal } from './receive.ts'
import { demandRights } from './server/demand-rights.ts'
import { reportOf, type BackupReport } from './report.ts'
import { throttleOf } from './source-config.ts'
import { foreignWrites } from './unlogged/others.ts'
import { keyOf, observationOf } from './unlogged/seen.ts'
import { lookAtUnlogged } from './unlogged/unprotected.ts'

/** More threads than this compete for one disk; more can be asked for by name. */
const MOST_WORKERS = 4

export interface BackupRequest {
  readonly warehouse: string
  readonly kind: BackupKind
  /** A full backup that shares nothing. */
  readonly independent?: boolean | undefined
  /** Into this one alone; default: that of the policy, else into every one of the warehouse. */
  readonly repository?: string | undefined
  readonly workers?: number | undefined
  /** See TakeOptions.adopt. */
  readonly adopt?: boolean | undefined
}

/** Resolves when the backup is complete and durable. */
export async function runBackup(
  request: BackupRequest,
  context: Context,
  tools: { report: (event: Progress) => void; signal: AbortSignal },
): Promise<BackupReport> {
  const warehouse = (await context.use(warehouses)).get(request.warehouse)
  const policy = context.section(backupSection)[request.warehouse] ?? defaultPolicy
  const { declaration } = warehouse
  const named = request.repository ?? policy.repository
  if (named === undefined && declaration.repositories.length === 0)
    throw backupErrors.noRepository({ warehouse: request.warehouse })
  const wanted = named === undefined ? declaration : { repositories: [named], optionalRepositories: [] }
  const events = openEvents(context, request.warehouse)
  let repository = wanted.repositories[0]!
  try {
    const places = await choosePlaces(await context.use(repositories), wanted, tools.signal)
    repository = places.first.name
    const { manifest, notes, alerts } = await take(request, {
      context,
      policy,
      warehouse,
      repository: places.first,
      ...tools,
    })
    await holdLastGood(manifest, places.first, tools.signal)
    await tell(manifest, repository, events)
    const copies = await mirror(manifest.id, places, { clock: context.clock, ...tools })
    if (manifest.unlogged.length > 0) await tellForeignWrites(context, { warehouse, events, signal: tools.signal })
    for (const alert of alerts) await events.emit('backup.alert', { backup: manifest.id, repository, ...alert })
    await settleMirror(manifest.id, copies, { warehouse: declaration, first: repository, events })
    return reportOf(manifest, { repository, notes, copies })
  } catch (error) {
    const code = isWharfError(error) ? error.code : undefined
    // Whoever replaced a cluster must hear of it even if nobody reads the log of the schedule.
    if (code === 'backup.other-cluster')
      await events.emit('backup.alert', { reason: 'other-cluster', repository, message: messageOf(error) })
    await events.emit('backup.failed', { repository, kind: request.kind, code, message: messageOf(error) })
    throw error
  }
}

interface TakeTools {
  readonly context: Context
  readonly policy: BackupPolicy
  readonly warehouse: Warehouse
  readonly repository: Repository
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

async function take(request: BackupRequest, tools: TakeTools): Promise<TakenBackup> {
  const { context, policy, warehouse, repository, signal } = tools
  const source = chooseSource(policy.source, { warehouse, context, signal })
  const taken = await takeBackup({
    warehouse,
    repository,
    receive: async (scope) => scope.use(await receiveOrSay({ warehouse, repository }, context, signal)),
    ...source,
    throttle: throttleOf(policy.throttle),
    kind: request.independent ? 'full' : request.kind,
    independent: request.independent ?? false,
    tiers: policy.tiers,
    audit: {
      sharePerDay: policy.audit.share_per_day,
      bytesPerSecond: policy.audit.bytes_per_second,
    },
    workers: request.workers ?? policy.workers ?? Math.min(MOST_WORKERS, availableParallelism()),
    fastCheckpoint: policy.checkpoint === 'fast',
    unloggedWaitMs: policy.unlogged.wait,
    madeBy: madeBy(),
    adopt: request.adopt ?? false,
    clock: context.clock,
    log: context.log,
    report: tools.report,
    signal,
  })
  return { ...taken, notes: [...taken.notes, ...(source.snapshot?.notes ?? [])] }
}

/** P6: unlogged writes by others are named. A backup that is done does not fail for want of this. */
async function tellForeignWrites(
  context: Context,
  { warehouse, events, signal }: { warehouse: Warehouse; events: BackupEvents; signal: AbortSignal },
): Promise<void> {
  try {
    const { survey, seen } = await lookAtUnlogged(context, warehouse, signal)
    const tables = survey.tables.flatMap((table) => {
      const earlier = seen.get(keyOf(table)) ?? []
      const foreign = foreignWrites([...earlier, observationOf(table, survey.at)])
      // Only what has come since the last look: the rest was told then.
      if (earlier.length === 0 || foreign?.before !== survey.at) return []
      return [{ table: `${table.database}.${table.schema}.${table.name}`, rows: foreign.rows, since: foreign.after }]
    })
    if (tables.length > 0) await events.emit('backup.alert', { reason: 'unlogged-writes', tables })
  } catch (error) {
    if (!signal.aborted)
      context.log.debug({ reason: messageOf(error) }, 'writes to unlogged tables were not looked for')
  }
}

/** A role that may not receive is told by which statement it may. */
async function receiveOrSay(
  { warehouse, repository }: { warehouse: Warehouse; repository: Repository },
  context: Context,
  signal: AbortSignal,
): Promise<ReceivingWal> {
  const toStream = rights.filter(({ name }) => name === 'REPLICATION')
  await demandRights(warehouse, toStream, signal)
  return await ensureReceiving(context, warehouse.declaration.name, signal, repository)
}

const corruptReason = ({ id, corrupt }: ManifestDraft): string =>
  `holds the last good image of ${corrupt.length} blocks that are corrupt in ${id}, with all WAL since its start`

/** The good image of a block that has just turned bad is in the parent, if anywhere: nothing may delete it or the WAL since (P4: in the repository itself). */
async function holdLastGood(manifest: ManifestDraft, repository: Repository, signal: AbortSignal): Promise<void> {
  const { id, parent: backup, warehouse, corrupt } = manifest
  if (corrupt.length === 0 || backup === undefined) return
  const reason = corruptReason(manifest)
  await repository.holds.place(
    { id: `corrupt-since-${id}`, backup, warehouse, reason, by: 'wharf', wal: 'since' },
    signal,
  )
}

async function tell(manifest: ManifestDraft, repository: string, events: BackupEvents): Promise<void> {
  const { id, kind, parent, statistics, corrupt } = manifest
  await events.emit('backup.finished', { backup: id, repository, kind, ...statistics })
  if (corrupt.length === 0) return
  if (parent !== undefined) {
    await events.attempt('hold on the last good backup', (control) =>
      control.placeHold({
        id: `backup/${parent}/corrupt-since/${id}`,
        kind: 'backup',
        subject: parent,
        reason: corruptReason(manifest),
        by: 'wharf',
        until: undefined,
      }),
    )
  }
  await events.emit('backup.alert', {
    reason: 'corrupt-blocks',
    backup: id,
    repository,
    count: corrupt.length,
    blocks: corrupt.slice(0, 100),
    heldBackup: parent,
  })
}
