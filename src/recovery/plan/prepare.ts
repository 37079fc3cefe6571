// From options to everything that a recovery needs to know, nothing touched yet: plan and run share it.
import { join, resolve } from 'node:path'

import type { Progress } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { formatSize } from '../../base/units.ts'
import type { BackupSummary, Manifest, Repository } from '../../repository/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { criticalPart, type CriticalPart } from '../critical/choice.ts'
import { refuseCriticalFirst } from '../critical/refuse.ts'
import { findPlace, isOriginalPlace, movesToStay, refuseOther, type Place } from '../in-place/place.ts'
import { readRecords, type RecoveryWay } from '../rates/times.ts'
import { surveyWal, type WalSurvey } from '../rates/wal-survey.ts'
import { replayOutlook } from '../replay/plan-replay.ts'
import { isWithin, placeTablespaces, type Layout } from '../restore/layout.ts'
import type { RepositoryChoice } from '../restore/open-repository.ts'
import { chooseOwner, closedFolder, type Owner } from '../restore/owner.ts'
import { targetFolders } from '../restore/target-folder.ts'
import { chooseDelivery, type DeliveryKind } from '../restore/wal-delivery.ts'
import { lastRecordEnd } from '../target/records.ts'
import type { TargetOptions } from '../target/request.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { mostShown, otherBackups } from './alternatives.ts'
import { findTarget } from './find-target.ts'
import { lossOf } from './loss.ts'
import { windowOf } from '../get/ahead/fetch-ahead.ts'
import { grownBytes } from '../sandbox/growth.ts'
import { sandboxWal } from '../sandbox/prepare.ts'
import { makePlan, walBytesOf, walRoom, type RecoveryPlan } from './plan.ts'
import { spaceNeeds } from './space.ts'

export interface RecoveryOptions extends TargetOptions, RepositoryChoice {
  readonly toDirectory: string
  /** `toDirectory` holds the cluster itself, stopped. */
  readonly inPlace?: boolean | undefined
  /** `toDirectory` holds an unfinished restore. */
  readonly resume?: boolean | undefined
  readonly backup?: string | undefined
  readonly timeline?: number | undefined
  readonly tablespace: Readonly<Record<string, string>>
  readonly owner?: string | undefined
  readonly original: boolean
  readonly allowCorrupt: boolean
  readonly start: boolean
  readonly verify: 'connect' | 'checksums' | 'full'
  /** The critical tier is readable before the rest is restored. */
  readonly criticalFirst?: boolean | undefined
  /** Folder below which the sandbox for that is made; default: the home's. */
  readonly criticalDirectory?: string | undefined
  /** What its times are kept as; default: `node`. */
  readonly way?: RecoveryWay | undefined
}

export interface PreparedRecovery {
  readonly options: RecoveryOptions
  readonly repository: Repository
  readonly manifest: Manifest
  readonly resolved: ResolvedTarget
  readonly layout: Layout
  readonly owner: Owner | undefined
  readonly delivery: DeliveryKind
  /** Where it is recovered in place. */
  readonly place: Place | undefined
  /** Whether WAL is rewritten: for every server but the original in its original place. */
  readonly rewrite: boolean
  /** What the critical tier needs; undefined where no tier is set apart. */
  readonly critical: CriticalPart | undefined
  readonly plan: RecoveryPlan
  /** Closes the repository where it was opened for this recovery alone. */
  close(): Promise<void>
}

/** The caller calls `close`. Rejects whatever would make the recovery fail later, as far as it can be known. */
export async function prepareRecovery(
  options: RecoveryOptions,
  context: Context,
  signal: AbortSignal,
  /** `read`: under a lease until `close`. A plan alone writes nothing into the repository. */
  how: { readonly read: boolean; readonly report?: (event: Progress) => void } = { read: false },
): Promise<PreparedRecovery> {
  let place: Place | undefined
  const target = await findTarget(options, context, {
    leased: how.read,
    signal,
    // Its WAL first: the target may lie in it.
    before: async (repository, backups) => {
      if (!options.inPlace) return
      const { toDirectory: directory, warehouse } = options
      const progress = how.report ?? (() => {})
      place = await findPlace({ directory, warehouse, repository, backups, dry: !how.read, progress, signal })
    },
  })
  const { repository, resolved, manifest, unprotected, close } = target
  try {
    if (place) refuseOther(place.cluster, manifest)
    const original = options.original || (place !== undefined && !place.cluster.isCopy)
    const found = { options: { ...options, original }, repository, resolved, manifest, place }
    const done = await finish(found, { context, saved: how.read, backups: target.backups, signal })
    const notes = [...done.plan.notes, ...(unprotected === undefined ? [] : [unprotected])]
    return { ...done, plan: { ...done.plan, notes }, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function finish(
  found: Pick<PreparedRecovery, 'options' | 'repository' | 'resolved' | 'manifest' | 'place'>,
  {
    context,
    saved,
    backups,
    signal,
  }: {
    context: Context
    saved: boolean
    backups: readonly BackupSummary[]
    signal: AbortSignal
  },
): Promise<Omit<PreparedRecovery, 'close'>> {
  const { options, repository, resolved, manifest, place } = found
  const root = place ? place.cluster.root : resolve(options.toDirectory)
  const tier = criticalPart(manifest)
  if (options.criticalFirst) refuseCriticalFirst(manifest, tier, options)
  const critical = tier?.isPart ? tier : undefined
  const { tablespaces } = manifest
  const layout = placeTablespaces({
    root,
    tablespaces,
    moves: place ? movesToStay(place.cluster, tablespaces, options.tablespace) : options.tablespace,
    original: options.original,
  })
  if (options.criticalFirst) refuseWithin(sandboxes(options, context), layout)
  // What is recovered in place stays its owner's.
  const directory = place ? join(root, 'global') : root
  const owner = await chooseOwner({ directory, wanted: options.owner, environment: context.environment })
  await refuseClosed(layout, owner)
  // Meanwhile: another program tries it.
  const delivers = chooseDelivery(repository, owner)
  delivers.catch(() => undefined)
  const records = await readRecords(context.home)
  const { warehouse } = options
  const lost = await lossOf(manifest, resolved, signal)
  const replay = await replayOutlook(repository, { warehouse, manifest, resolved, records, signal })
  const loss = replay ? { ...lost, unlogged: { ...lost.unlogged, replay } } : lost
  const delivery = await delivers
  const survey = options.start ? await surveyFor(found, { backups, signal }) : undefined
  const walBytes = walBytesOf(manifest, resolved)
  const segment = manifest.walSegmentBytes
  // What is fetched ahead, and what is staged, lies there beside what the server itself keeps.
  const beside = delivery === 'staged' ? walBytes : Math.min(walBytes, windowOf(segment) * segment)
  const room = walRoom(walBytes) + beside
  const atHome = place ? await isOriginalPlace(place.cluster, manifest) : root === manifest.settings['data_directory']
  const rewrite = !(options.original && atHome)
  const plan = makePlan({
    warehouse: options.warehouse,
    repository: repository.name,
    manifest,
    resolved,
    layout,
    owner,
    original: options.original,
    rewritten: rewrite,
    delivery,
    start: options.start,
    verify: options.verify,
    place,
    saved,
    loss,
    space: await spaceNeeds(layout, manifest, {
      walBytes: room,
      over: place !== undefined || options.resume === true,
      beside: options.criticalFirst
        ? { folder: sandboxes(options, context), bytes: roomOf(critical!, { resolved, survey: survey! }) }
        : undefined,
    }),
    records,
    machine: context.environment.hostname,
    backups,
    backupAsked: options.backup !== undefined,
    way: options.way ?? 'node',
    critical,
    survey,
    criticalFirst: options.criticalFirst === true,
  })
  return { ...found, layout, owner, delivery, rewrite, critical, plan }
}

/** Of the WAL that is replayed, and of what would be from the backups that are compared. */
function surveyFor(
  { repository, resolved, manifest }: Pick<PreparedRecovery, 'repository' | 'resolved' | 'manifest'>,
  { backups, signal }: { backups: readonly BackupSummary[]; signal: AbortSignal },
): Promise<WalSurvey> {
  const others = otherBackups(resolved, backups).slice(0, mostShown)
  const fromLsn = manifest.replayFromLsn
  const olderLsn = others.reduce((least, one) => (one.replayFromLsn < least ? one.replayFromLsn : least), fromLsn)
  const { chunks } = resolved.history
  return surveyWal({ wal: repository.wal, chunks, fromLsn, toLsn: resolved.stop.lsn, olderLsn, signal })
}

/** What is restored into is emptied, or must be empty. */
function refuseWithin(folder: string, layout: Layout): void {
  const around = targetFolders(layout).find((one) => isWithin(folder, one))
  if (around !== undefined)
    throw errors.badOption({
      option: '--critical-directory',
      text: folder,
      why: `it lies in ${around}, which is restored into`,
    })
}

function sandboxes({ criticalDirectory }: RecoveryOptions, { home }: Context): string {
  return criticalDirectory === undefined ? join(home, 'sandboxes') : resolve(criticalDirectory)
}

/** Of the sandbox: its files, what replay adds to them, and WAL that waits there. */
function roomOf({ choice }: CriticalPart, of: { resolved: ResolvedTarget; survey: WalSurvey }): number {
  const { manifest, keptBytes } = choice
  const { resolved, survey } = of
  const growth = { toLsn: resolved.stop.lsn, walBytes: walBytesOf(manifest, resolved) }
  return keptBytes + sandboxWal(manifest, resolved) + grownBytes(survey, choice, growth)
}

async function refuseClosed(layout: Layout, owner: Owner | undefined): Promise<void> {
  for (const directory of targetFolders(layout)) {
    const folder = await closedFolder(directory, owner)
    if (folder !== undefined && folder !== directory)
      throw errors.targetUnreachable({ directory, owner: owner!.name, folder })
  }
}

/** What the plan shows but a run refuses. */
export function refuseToRun({ plan, manifest, options }: PreparedRecovery): void {
  if (manifest.corrupt.length > 0 && !options.allowCorrupt) {
    throw errors.corruptBlocks({
      backup: manifest.id,
      count: manifest.corrupt.length,
      blocks: plan.lost.corrupt.slice(0, 10),
    })
  }
  if (manifest.scratch.length > 0 && !options.start)
    throw errors.scratchNeedsStart({ backup: manifest.id, relations: plan.lost.scratch.relations })
  const short = plan.space.find((one) => one.neededBytes > one.freeBytes)
  if (short)
    throw errors.noSpace({
      directory: short.folders[0]!,
      needed: formatSize(short.neededBytes),
      free: formatSize(short.freeBytes),
    })
}

/** Where replay to the end of WAL must come out, exactly; undefined for other targets. */
export async function endOfWal(prepared: PreparedRecovery, signal: AbortSignal): Promise<bigint | undefined> {
  const { resolved, repository } = prepared
  if (resolved.stop.kind !== 'end') return undefined
  return await lastRecordEnd({ wal: repository.wal, view: resolved.history, endLsn: resolved.reach.endLsn, signal })
}
