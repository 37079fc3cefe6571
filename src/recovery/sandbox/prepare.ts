// From a request to everything that a sandbox is made of; nothing is written yet.
import { resolve } from 'node:path'

import type { Context } from '../../base/room.ts'
import { formatSize } from '../../base/units.ts'
import type { Manifest, Repository } from '../../repository/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { findTarget, type TargetChoice } from '../plan/find-target.ts'
import { nameCorrupt } from '../plan/loss.ts'
import { walBytesOf } from '../plan/plan.ts'
import { spaceNeeds, type SpaceNeed } from '../plan/space.ts'
import { placeTablespaces, type Layout } from '../restore/layout.ts'
import { chooseOwner, closedFolder, type Owner } from '../restore/owner.ts'
import { checkTargets } from '../restore/target-folder.ts'
import { lastRecord } from '../target/records.ts'
import type { ResolvedTarget, StopPoint } from '../target/resolve.ts'
import { chooseFiles, replaysAll, type SandboxChoice } from './choice.ts'
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
  const { repository, resolved, manifest } = await foundOnce(scope, request, { context, signal })
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

/** Found already, or looked for once: where a recovery makes several sandboxes, the end of WAL (`--latest`) would be another one for each. Closed with the scope. */
export async function foundOnce(
  scope: AsyncDisposableStack,
  request: TargetChoice & Pick<SandboxRequest, 'found'>,
  { context, signal }: { context: Context; signal: AbortSignal },
): Promise<NonNullable<SandboxRequest['found']>> {
  if (request.found) return request.found
  const found = await findTarget(request, context, { leased: true, signal })
  scope.defer(() => found.close())
  return found
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
  // Where nothing is passed over, all WAL may be written into stubs. They are taken to grow by its length, though it may hold pages compressed.
  const intoStubs = replaysAll(manifest) ? walBytesOf(manifest, parts.resolved) : 0
  return await spaceNeeds(parts.layout, manifest, {
    walBytes: sandboxWal(manifest, parts.resolved) + intoStubs,
    over: false,
  })
}

/** Bytes of WAL that lie in a sandbox at once: it goes as it is replayed, but not where there may be prepared transactions. */
export function sandboxWal(manifest: Manifest, resolved: ResolvedTarget): number {
  const walBytes = walBytesOf(manifest, resolved)
  const waiting = (feedWindow(manifest.walSegmentBytes) + 3) * manifest.walSegmentBytes
  return manifest.settings['max_prepared_transactions'] === '0' ? Math.min(walBytes, waiting) : walBytes
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
