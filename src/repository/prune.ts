// Expiry of a repository for the rooms above: tombstones, revival, deletion. Which backups go is decided there.
import type { Manifest, Repository } from './contract.ts'
import { storeErrors as errors } from './store-errors.ts'
import { createPruneKey, openPruneKey, type PruneKey, type PruneUnlock } from './keys/prune.ts'
import { findManifest } from './manifest/list.ts'
import { confirmationName } from './manifest/confirmation.ts'
import { readManifest } from './manifest/store.ts'
import type { ReadOptions } from './object/decode.ts'
import { mark, planMark, type Marked, type MarkRequest } from './prune/mark.ts'
import { namedAs, namesOf, type RootCache } from './prune/roots.ts'
import { deadKept } from './prune/kept.ts'
import { revive } from './prune/revive.ts'
import { readStanding } from './prune/standing.ts'
import { sweep, type Swept } from './prune/sweep.ts'
import { trim, type Trimmed } from './prune/trim.ts'
import { StoredRepository } from './stored.ts'
import { parseChunkName } from './wal/names.ts'

export type { PruneKey, PruneUnlock, Marked, MarkRequest, Swept, Trimmed, RootCache }
export { MARGIN_MS } from './prune/standing.ts'

function optionsOf(repository: Repository, signal: AbortSignal): ReadOptions {
  if (!(repository instanceof StoredRepository)) throw new TypeError(`${repository.name} is not a stored repository`)
  return { store: repository.store, ring: repository.ring, signal }
}

export function makePruneKey(repository: Repository, unlock: PruneUnlock, signal: AbortSignal): Promise<PruneKey> {
  return createPruneKey({ store: repository.store, signal }, unlock)
}

/** Rejects with `repository.no-prune-key`, `.wrong-prune-key`. */
export function unlockPruneKey(repository: Repository, unlock: PruneUnlock, signal: AbortSignal): Promise<PruneKey> {
  return openPruneKey({ store: repository.store, signal }, unlock)
}

/** What markExpired() would name; nothing is written, no key is needed. */
export async function planExpiry(repository: Repository, request: MarkRequest, signal: AbortSignal) {
  const { names, ...plan } = await planMark(request, optionsOf(repository, signal))
  return { ...plan, wal: names.filter((name) => parseChunkName(name)).length }
}

export async function markExpired(
  repository: Repository,
  request: MarkRequest,
  tools: { readonly key: PruneKey; readonly signal: AbortSignal; readonly cache?: RootCache },
): Promise<Marked> {
  const { cache } = tools
  return await mark(request, tools.key, { ...optionsOf(repository, tools.signal), ...(cache ? { cache } : {}) })
}

/** Stores packs again without what no backup names any more; what they were before goes after the grace period. */
export async function trimPacks(
  repository: Repository,
  request: { readonly graceMs: number },
  tools: { readonly key: PruneKey; readonly signal: AbortSignal; readonly cache?: RootCache },
): Promise<Trimmed> {
  const { cache } = tools
  return await trim(request, tools.key, { ...optionsOf(repository, tools.signal), ...(cache ? { cache } : {}) })
}

export async function sweepExpired(
  repository: Repository,
  tools: Omit<Parameters<typeof sweep>[0], 'store' | 'ring'>,
): Promise<Swept> {
  return await sweep({ ...tools, ...optionsOf(repository, tools.signal) })
}

/** Names under a tombstone. */
export async function deadNames(repository: Repository, signal: AbortSignal): Promise<ReadonlySet<string>> {
  return new Set((await readStanding(optionsOf(repository, signal))).dead.keys())
}

/**
 * Brings an expired backup back, with all WAL since its start that is still there. Rejects with `repository.unknown-backup`,
 * `.too-late-to-revive`.
 */
export async function reviveBackup(
  repository: Repository,
  id: string,
  why: { readonly by: string; readonly reason: string; readonly signal: AbortSignal },
): Promise<Manifest> {
  const options = optionsOf(repository, why.signal)
  const object = await findManifest(id, options)
  const standing = await readStanding(options)
  const { manifest } = await readManifest(object.name, options)
  const size = BigInt(manifest.walSegmentBytes)
  const from = manifest.replayFromLsn - (manifest.replayFromLsn % size)
  const names = namesOf(manifest).add(object.name).add(confirmationName(manifest.warehouse, id))
  for (const name of standing.dead.keys()) {
    const chunk = parseChunkName(name)
    if (chunk?.systemIdentifier === manifest.systemIdentifier && chunk.endLsn > from) names.add(name)
    if (names.has(namedAs(name))) names.add(name)
  }
  for (const name of names) {
    if (standing.dead.has(name) && !(await options.store.stat(name, options)))
      throw errors.objectMissing({ name, location: options.store.location })
  }
  for (const name of await deadKept(manifest, standing, options)) names.add(name)
  await revive(names, { ...why, what: `backup ${id}`, standing }, options)
  return manifest
}
