// Object lock of what a backup shares with older ones: everything that its manifest names must stay locked as long as the manifest is.
// What it costs: nothing while the parent says that all is locked long enough; then, once in a quarter of the lock's days, one question and
// one lengthening for each shared object (on Amazon's prices about $5.40 for a million packs, which are some 40 TB).
import type { ManifestDraft } from '../contract.ts'
import { FORMAT_OBJECT } from '../keys/store.ts'
import type { ReadOptions } from '../object/decode.ts'
import { packName } from '../pack/names.ts'
import { StoredWal } from '../wal/archive.ts'
import { manifestName, readManifest } from './store.ts'

const AT_ONCE = 32
/** From so many objects on versions come from lists and not one by one. */
const LIST_FROM = 100

export interface LockedUntil {
  /** When the manifest itself may be removed first. */
  readonly manifestMs: number
  /** Everything that the manifest names is locked until then at least. */
  readonly contentMs: number
}

export interface LockWork {
  readonly manifest: ManifestDraft
  /** By the store's clock, when the backup began: what it put itself is locked from then on. */
  readonly startedMs: number
  /** Names of packs and map bundles that this backup put itself. */
  readonly written: ReadonlySet<string>
}

/** Undefined where the store locks nothing. Call it when everything is durable and before the manifest is written. */
export async function extendLocks(work: LockWork, options: ReadOptions): Promise<LockedUntil | undefined> {
  const { store, signal } = options
  const { retention } = store
  if (!retention) return undefined
  const { manifest, startedMs, written } = work
  const nowMs = await store.now({ signal })
  const manifestMs = nowMs + retention.promisedMs
  const longMs = nowMs + retention.promisedMs + retention.slackMs
  const ownMs = startedMs + retention.promisedMs + retention.slackMs
  const parent = await lockedByParent(manifest, manifestMs, options)
  // A backup that took longer than the slack: its own first packs are locked too short.
  const isOwnEnough = ownMs >= manifestMs
  const named = namedBy(manifest).filter((name) => !parent.names.has(name) && !(isOwnEnough && written.has(name)))
  // Keys that came since the parent have a lock as fresh as they are.
  const keys = parent.isEnough ? [] : [FORMAT_OBJECT, ...(await namesUnder('keys/', options))]
  await retainAll([...keys, ...named], longMs, options)
  if (!isOwnEnough || manifest.replayFromLsn < manifest.startLsn) await retainWal(manifest, longMs, options)
  return { manifestMs, contentMs: Math.min(longMs, isOwnEnough ? ownMs : longMs, parent.untilMs) }
}

export function namedBy(manifest: ManifestDraft): string[] {
  const bundles = new Set<string>()
  for (const file of manifest.files) if (file.kind === 'segment') bundles.add(file.map.object)
  return [...manifest.packs.map(packName), ...bundles]
}

/** What the parent's manifest names, where it says that all of it is locked long enough. */
async function lockedByParent(
  manifest: ManifestDraft,
  neededMs: number,
  options: ReadOptions,
): Promise<{ isEnough: boolean; names: ReadonlySet<string>; untilMs: number }> {
  const none = { isEnough: false, names: new Set<string>(), untilMs: Number.POSITIVE_INFINITY }
  if (manifest.parent === undefined) return none
  try {
    const { manifest: parent, head } = await readManifest(manifestName(manifest.warehouse, manifest.parent), options)
    const untilMs = head.lockedUntilMs ?? 0
    return untilMs >= neededMs ? { isEnough: true, names: new Set(namedBy(parent)), untilMs } : none
  } catch {
    // Removed meanwhile, or damaged: then everything is asked.
    return none
  }
}

async function namesUnder(prefix: string, { store, signal }: ReadOptions): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list(prefix, { signal })) names.push(name)
  return names
}

/** WAL that the backup needs to be consistent, where it may be older than the slack. */
async function retainWal(manifest: ManifestDraft, untilMs: number, options: ReadOptions): Promise<void> {
  const chunks = await new StoredWal(options).list(manifest.systemIdentifier, options.signal)
  const needed = chunks.filter(
    (one) =>
      one.timeline <= manifest.timeline && one.endLsn > manifest.replayFromLsn && one.startLsn < manifest.stopLsn,
  )
  await retainAll(
    needed.map((one) => one.object),
    untilMs,
    options,
  )
}

async function retainAll(names: readonly string[], untilMs: number, options: ReadOptions): Promise<void> {
  const { store, signal } = options
  const versions = names.length >= LIST_FROM ? await versionsOf(names, options) : new Map<string, string>()
  for (let at = 0; at < names.length; at += AT_ONCE) {
    await Promise.all(
      names.slice(at, at + AT_ONCE).map((name) => store.retain(name, { signal, untilMs, version: versions.get(name) })),
    )
  }
}

async function versionsOf(names: readonly string[], options: ReadOptions): Promise<Map<string, string>> {
  const wanted = new Set(names)
  const found = new Map<string, string>()
  for (const prefix of new Set(names.map((name) => name.slice(0, name.indexOf('/') + 1)))) {
    for await (const { name, version } of options.store.list(prefix, options))
      if (version !== undefined && wanted.has(name)) found.set(name, version)
  }
  return found
}
