// The first phase: tombstones for backups that have expired, for what only they need, for WAL, and for what nobody names at all.
import { timedId } from '../../base/random.ts'
import type { ObjectInfo } from '../contract.ts'
import { INPUT_PREFIX, KEPT_PREFIX } from '../kept/names.ts'
import type { PruneKey } from '../keys/prune.ts'
import { confirmationName } from '../manifest/confirmation.ts'
import { lateness } from '../manifest/list.ts'
import { manifestName, readManifest, readManifestHead } from '../manifest/store.ts'
import type { ReadOptions } from '../object/decode.ts'
import { deletableKind } from './names.ts'
import { whoIsAtWork } from './leases.ts'
import { listHolds } from './holds.ts'
import { deadKept, expiredKept } from './kept.ts'
import { revive } from './revive.ts'
import { TRIMMED_PREFIX } from '../pack/trimmed.ts'
import { namedAs, namesOf, readRoots, type RootCache, type Roots } from './roots.ts'
import { putTombstone, readStanding, type Standing } from './standing.ts'

const NAMES_PER_TOMBSTONE = 20_000

export interface MarkRequest {
  /** Backups that are to go. */
  readonly backups: readonly { readonly warehouse: string; readonly id: string }[]
  /** Names of WAL chunks that are to go. */
  readonly wal: readonly string[]
  readonly reason: string
  readonly graceMs: number
}

export interface Marked {
  readonly tombstones: readonly string[]
  readonly backups: readonly string[]
  readonly objects: number
  readonly bytes: number
  readonly garbage: number
  /** Manifests that cannot be read: because of them no map or pack is marked. */
  readonly unreadable: Roots['unreadable']
}

/** What a mark would name; nothing is written. */
export async function planMark(
  request: MarkRequest,
  options: ReadOptions,
  cache?: RootCache,
): Promise<Omit<Marked, 'tombstones'> & { readonly names: readonly string[] }> {
  const standing = await readStanding(options)
  // Before manifests: a backup that ends in between is seen as at work or by its manifest.
  const atWork = await whoIsAtWork(options)
  const sizes = await listSizes(options)
  const roots = await readRoots(options, cache)
  const oldest = Math.min((await options.store.now(options)) - request.graceMs, ...atWork.map((one) => one.startedMs))
  const late = await lateManifests(roots, { standing, sizes, olderThanMs: oldest }, options)
  const gone = new Set([...request.backups.map((one) => manifestName(one.warehouse, one.id)), ...late])
  const expired: readonly string[] = [...ownObjects(request, sizes, standing), ...late]
  const whole = roots.unreadable.length === 0
  const exclusive = whole ? onlyOf(gone, { roots, standing, sizes }) : []
  const kept = await expiredKept({ roots, gone, standing, sizes, olderThanMs: oldest }, options)
  const garbage = [...late, ...(whole ? unnamed(roots, { standing, sizes, olderThanMs: oldest }) : []), ...kept.garbage]
  const names = [...new Set([...expired, ...kept.expired, ...exclusive, ...garbage])]
  const bytes = names.reduce((sum, name) => sum + (sizes.get(name)?.bytes ?? 0), 0)
  const unreadable = [...roots.unreadable, ...kept.unreadable]
  const backups = request.backups.map((one) => one.id)
  return { names, backups, objects: names.length, bytes, garbage: garbage.length, unreadable }
}

/** Puts the tombstones. What they name is dead from then on, and can be revived until shortly before they are mature. */
export async function mark(
  request: MarkRequest,
  key: PruneKey,
  options: ReadOptions & { readonly cache?: RootCache },
): Promise<Marked> {
  const { names, ...plan } = await planMark(request, options, options.cache)
  const tombstones: string[] = []
  for (let at = 0; at < names.length; at += NAMES_PER_TOMBSTONE) {
    const atMs = await options.store.now(options)
    const tombstone = timedId(atMs)
    const { reason, graceMs } = request
    const objects = names.slice(at, at + NAMES_PER_TOMBSTONE)
    await putTombstone({ tombstone, atMs, graceMs, reason, backups: [...plan.backups], objects }, key, options)
    tombstones.push(tombstone)
  }
  await reviveHeld(request, options)
  return { ...plan, tombstones }
}

/** Somebody may have placed a hold since the backups were chosen. Who places one looks at tombstones after it: one of the two sees the other. */
async function reviveHeld(request: MarkRequest, options: ReadOptions): Promise<void> {
  if (request.backups.length === 0) return
  const held = new Map((await listHolds(options)).map((one) => [one.backup, one.reason]))
  for (const { warehouse, id } of request.backups.filter((one) => held.has(one.id))) {
    const standing = await readStanding(options)
    const object = manifestName(warehouse, id)
    const { manifest } = await readManifest(object, options)
    const own = namesOf(manifest).add(object).add(confirmationName(warehouse, id))
    const kept = await deadKept(manifest, standing, options)
    const names = [...standing.dead.keys()].filter((name) => own.has(namedAs(name))).concat(kept)
    await revive(names, { by: 'expiry', reason: `held: ${held.get(id)}`, what: `backup ${id}`, standing }, options)
  }
}

export type Sizes = ReadonlyMap<string, ObjectInfo>

async function listSizes(options: ReadOptions): Promise<Sizes> {
  const sizes = new Map<string, ObjectInfo>()
  for (const prefix of [
    'confirmed/',
    'manifests/',
    'maps/',
    'packs/',
    TRIMMED_PREFIX,
    'wal/',
    KEPT_PREFIX,
    INPUT_PREFIX,
  ])
    for await (const object of options.store.list(prefix, options)) sizes.set(object.name, object)
  return sizes
}

function ownObjects(request: MarkRequest, sizes: Sizes, standing: Standing): string[] {
  const names: string[] = request.backups.flatMap(({ warehouse, id }) => [
    confirmationName(warehouse, id),
    manifestName(warehouse, id),
  ])
  return [...names, ...request.wal.filter((name) => !standing.dead.has(name))].filter((name) => sizes.has(name))
}

/** Maps and packs that manifests which go (now or since earlier) name, and none that stays. */
function onlyOf(gone: ReadonlySet<string>, of: { roots: Roots; standing: Standing; sizes: Sizes }): string[] {
  const kept = new Set<string>()
  const candidates = new Set<string>()
  for (const root of of.roots.roots) {
    const target = gone.has(root.object) || of.standing.dead.has(root.object) ? candidates : kept
    for (const name of root.names) target.add(name)
  }
  if (gone.size === 0) return []
  return [...of.sizes.keys()].filter((name) => candidates.has(namedAs(name)) && !kept.has(namedAs(name)))
}

/** Manifests that came when their lease was over: no backups, and nothing else would ever let go of what they name. */
async function lateManifests(
  roots: Roots,
  of: { standing: Standing; sizes: Sizes; olderThanMs: number },
  options: ReadOptions,
): Promise<string[]> {
  const late: string[] = []
  for (const { object, warehouse, id } of roots.roots) {
    const info = of.sizes.get(object)
    if (!info || info.modifiedMs >= of.olderThanMs || of.standing.dead.has(object)) continue
    if (of.sizes.has(confirmationName(warehouse, id))) continue
    if (await lateness(info, await readManifestHead(object, options), options)) late.push(object)
  }
  return late
}

function unnamed(roots: Roots, of: { standing: Standing; sizes: Sizes; olderThanMs: number }): string[] {
  const named = new Set<string>()
  for (const root of roots.roots) for (const name of root.names) named.add(name)
  const found: string[] = []
  for (const { name, modifiedMs } of of.sizes.values()) {
    if (modifiedMs >= of.olderThanMs || of.standing.dead.has(name)) continue
    const kind = deletableKind(name)
    const lost = kind === 'confirmation' && !of.sizes.has(name.replace(/^confirmed/, 'manifests'))
    if (lost || ((kind === 'map' || kind === 'pack' || kind === 'trimmed') && !named.has(namedAs(name))))
      found.push(name)
  }
  return found
}
