// From a request to everything that a sandbox is made of; nothing is written yet.
import { resolve } from 'node:path'

import type { Context } from '../../base/room.ts'
import { formatSize } from '../../base/units.ts'
import type { Manifest, Repository } from '../../repository/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { nameCorrupt } from '../plan/loss.ts'
import { walBytesOf } from '../plan/plan.ts'
import { spaceNeeds, type SpaceNeed } from '../plan/space.ts'
import { placeTablespaces, type Layout } from '../restore/layout.ts'
import { openChosenRepository } from '../restore/open-repository.ts'
import { chooseOwner, closedFolder, type Owner } from '../restore/owner.ts'
import { readingOf } from '../restore/reading.ts'
import { librariesForReplay } from '../restore/settings.ts'
import { checkTargets } from '../restore/target-folder.ts'
import { firstRecordFrom, lastRecord } from '../target/records.ts'
import { targetRequest } from '../target/request.ts'
import { resolveTarget, type ResolvedTarget, type StopPoint } from '../target/resolve.ts'
import { chooseFiles, type SandboxChoice } from './choice.ts'
import type { SandboxRequest } from './sandbox.ts'
import { feedWindow } from './wal-feed.ts'

export interface PreparedSandbox {
  readonly repository: Repository
  readonly manifest: Manifest
  readonly choice: SandboxChoice
  readonly resolved: ResolvedTarget
  readonly layout: Layout
  readonly owner: Owner | undefined
  close(): Promise<void>
}

/** The caller calls `close` when everything has been read. */
export async function prepareSandbox(
  request: SandboxRequest,
  context: Context,
  signal: AbortSignal,
): Promise<PreparedSandbox> {
  await using scope = new AsyncDisposableStack()
  const { repository, resolved, manifest } = request.found ?? (await find(scope, request, { context, signal }))
  const { wanted = () => false, databases } = request
  const choice = chooseFiles(manifest, request.choose?.(manifest) ?? { wanted, databases })
  refuseCorrupt(manifest, choice, request)
  const root = resolve(request.folder)
  const layout = placeTablespaces({ root, tablespaces: manifest.tablespaces, moves: {}, original: false })
  await checkTargets(layout, { resume: false })
  const owner = await chooseOwner({ directory: root, wanted: request.owner, environment: context.environment })
  const closed = await closedFolder(root, owner)
  if (closed !== undefined && closed !== root)
    throw errors.targetUnreachable({ directory: root, owner: owner!.name, folder: closed })
  await refuseTooLarge({ layout, choice, resolved })
  const open = scope.move()
  return {
    repository,
    manifest,
    choice,
    resolved,
    layout,
    owner,
    close: () => open[Symbol.asyncDispose](),
  }
}

async function find(
  scope: AsyncDisposableStack,
  request: SandboxRequest,
  tools: { context: Context; signal: AbortSignal },
): Promise<Pick<PreparedSandbox, 'repository' | 'resolved' | 'manifest'>> {
  const { context, signal } = tools
  const chosen = await openChosenRepository(request, context, signal)
  scope.defer(() => chosen.close())
  const { repository } = chosen
  scope.use(await readingOf(repository, { warehouse: request.warehouse, log: context.log, signal }))
  const resolved = await resolveIn(repository, request, tools)
  return { repository, resolved, manifest: await repository.readManifest(resolved.backup.id, signal) }
}

async function resolveIn(
  repository: Repository,
  request: SandboxRequest,
  tools: { context: Context; signal: AbortSignal },
): Promise<ResolvedTarget> {
  const { context, signal } = tools
  const { warehouse, backup, timeline } = request
  return await resolveTarget({
    wal: repository.wal,
    // A damaged manifest takes nothing from the others.
    backups: await repository.listBackups(signal, {
      warehouse,
      onDamaged: (object, error) => context.log.warn({ object, err: error }, 'a manifest is damaged'),
    }),
    warehouse,
    repository: repository.name,
    request: targetRequest(request),
    backup,
    timeline,
    recordFrom: (view, lsn, reach) => firstRecordFrom({ wal: repository.wal, view, endLsn: reach.endLsn, signal }, lsn),
    signal,
  })
}

function refuseCorrupt(manifest: Manifest, choice: SandboxChoice, request: SandboxRequest): void {
  if (request.allowCorrupt) return
  const kept = new Set(choice.manifest.files.map((file) => file.path))
  const corrupt = manifest.corrupt.filter((one) => kept.has(one.file))
  if (corrupt.length === 0) return
  const blocks = corrupt.slice(0, 10).map((one) => nameCorrupt(one, manifest))
  throw errors.corruptBlocks({ backup: manifest.id, count: corrupt.length, blocks })
}

export async function sandboxSpace(
  parts: Pick<PreparedSandbox, 'layout' | 'choice' | 'resolved'>,
): Promise<readonly SpaceNeed[]> {
  const { manifest } = parts.choice
  const walBytes = walBytesOf(manifest, parts.resolved)
  // WAL goes as it is replayed, but not where there may be prepared transactions. What an extension's own WAL changes is written into stubs: never more than WAL itself holds.
  const isKept = manifest.settings['max_prepared_transactions'] !== '0'
  const intoStubs = replaysAll(manifest) ? walBytes : 0
  const waiting = (feedWindow(manifest.walSegmentBytes) + 3) * manifest.walSegmentBytes
  return await spaceNeeds(parts.layout, manifest, {
    walBytes: Math.min(walBytes, waiting) + (isKept ? walBytes : 0) + intoStubs,
    over: false,
  })
}

async function refuseTooLarge(parts: Parameters<typeof sandboxSpace>[0]): Promise<void> {
  const needs = await sandboxSpace(parts)
  const short = needs.find((one) => one.neededBytes > one.freeBytes)
  if (short)
    throw errors.noSpace({
      directory: short.folders[0]!,
      needed: formatSize(short.neededBytes),
      free: formatSize(short.freeBytes),
    })
}

/** Replay to the end of WAL would open the server; the last record as a target lets it wait there. */
export async function stopOf(
  prepared: Pick<PreparedSandbox, 'repository' | 'resolved'>,
  signal: AbortSignal,
): Promise<StopPoint> {
  const { resolved, repository } = prepared
  if (resolved.stop.kind !== 'end') return resolved.stop
  const { endLsn } = resolved.reach
  const last = await lastRecord({ wal: repository.wal, view: resolved.history, endLsn, signal })
  return last === undefined ? resolved.stop : { kind: 'after', lsn: last.startLsn, endLsn: last.endLsn }
}

/** Redo of an extension's own records may need the pages that others of its records made: then nothing is passed over. */
export function replaysAll(manifest: Manifest): boolean {
  return librariesForReplay(manifest.settings['shared_preload_libraries'] ?? '').length > 0
}
