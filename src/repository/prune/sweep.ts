// The second phase: deletes what mature tombstones name, looking again right before each step (doc/design/repository-format.md section 12).
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import type { ObjectInfo } from '../contract.ts'
import type { PruneKey } from '../keys/prune.ts'
import { isReplaceable } from '../heal/fall-back.ts'
import { replacementsOf } from '../heal/names.ts'
import { isLost, readAllKept, type KeptCache } from '../kept/expiry.ts'
import { outcomeOf } from '../kept/outcome.ts'
import { newestReaders, readReader } from '../lease/reader.ts'
import type { ReadOptions } from '../object/decode.ts'
import { StoredWal } from '../wal/archive.ts'
import { listHolds } from './holds.ts'
import { whoIsAtWork } from './leases.ts'
import { packName } from '../pack/names.ts'
import { readableTrimmed, type TrimmedPack } from '../pack/trimmed.ts'
import { NamedExtents } from './extents.ts'
import {
  deletableKind,
  deletionOrder,
  objectOf,
  parseRevivalName,
  REVIVAL_PREFIX,
  revivalName,
  TOMBSTONE_PREFIX,
  tombstoneName,
} from './names.ts'
import { readRoots, type Root, type RootCache, type Roots } from './roots.ts'
import { MARGIN_MS, readStanding, type StandingCache, type Tombstone } from './standing.ts'
import { isOfKept, judge, packOf, type Look, type TrimmedLook } from './judge.ts'

/** Objects that are deleted after one look. */
const STEP = 16

export interface SweepOptions extends ReadOptions {
  readonly key: PruneKey
  /** Backups that something outside of the repository holds (the control database), besides its own holds. */
  readonly held: (signal: AbortSignal) => Promise<ReadonlySet<string>>
  readonly cache?: RootCache
  readonly progress?: (event: Progress) => void
}

export interface Swept {
  readonly objects: number
  readonly bytes: number
  readonly backups: readonly string[]
  /** What is mature and was not deleted, and why. */
  readonly left: readonly { readonly object: string; readonly why: string }[]
}

export async function sweep(options: SweepOptions): Promise<Swept> {
  return await new Sweep(options).run()
}

class Sweep {
  private readonly options: SweepOptions
  private readonly standings: StandingCache = new Map()
  private readonly rootCache: RootCache
  private readonly keptCache: KeptCache = new Map()
  private readonly extents: NamedExtents
  private readonly left: { object: string; why: string }[] = []
  private readonly backups: string[] = []
  private objects = 0
  private bytes = 0

  constructor(options: SweepOptions) {
    this.options = options
    this.rootCache = options.cache ?? new Map<string, Root>()
    this.extents = new NamedExtents(options)
  }

  async run(): Promise<Swept> {
    const first = await readStanding(this.options, this.standings)
    const now = await this.options.store.now(this.options)
    for (const tombstone of first.tombstones) {
      if (tombstone.publicKey !== this.options.key.publicKey || tombstone.matureMs > now) continue
      await this.bury(tombstone)
    }
    await this.removeSpent()
    const { objects, bytes, backups, left } = this
    return { objects, bytes, backups, left }
  }

  private async look(packs: ReadonlySet<string>, present: readonly string[]): Promise<Look> {
    const { options } = this
    const atWork = await whoIsAtWork(options)
    const standing = await readStanding(options, this.standings)
    const held = new Map<string, { why: string; wal: 'own' | 'since' }>()
    for (const id of await options.held(options.signal)) held.set(id, { why: 'the control database', wal: 'since' })
    for (const hold of await listHolds(options)) {
      const wal = held.get(hold.backup)?.wal === 'since' ? 'since' : hold.wal
      held.set(hold.backup, { why: hold.reason, wal })
    }
    const roots = await readRoots(options, this.rootCache)
    const trimmed = packs.size > 0 && roots.unreadable.length === 0 ? await this.lookAtTrimmed(packs, roots) : undefined
    const kept = present.some(isOfKept) ? await this.lookAtKept(present) : undefined
    const nowMs = await options.store.now(options)
    return { atWork, standing, held, roots, kept, nowMs, ...(trimmed ? { trimmed } : {}) }
  }

  /** WAL is asked once more whether a load committed that was marked because it had not. */
  private async lookAtKept(present: readonly string[]): Promise<NonNullable<Look['kept']>> {
    const { options } = this
    const found = await readAllKept(options, this.keptCache)
    const wal = new StoredWal(options)
    const lost = new Set<string>()
    for (const { object, load } of found.kept) {
      if (present.includes(object) && isLost(await outcomeOf(load, wal, options.signal))) lost.add(object)
    }
    return { ...found, lost }
  }

  private async lookAtTrimmed(packs: ReadonlySet<string>, roots: Roots): Promise<TrimmedLook | undefined> {
    const { options } = this
    const naming = roots.roots.filter((root) => [...packs].some((pack) => root.names.has(packName(pack))))
    const carriers = new Map<string, readonly TrimmedPack[]>()
    for (const pack of packs) carriers.set(pack, await readableTrimmed(pack, options))
    const named = await this.extents.union(naming, packs).catch((error: unknown) => {
      if (!isReplaceable(error)) throw error
      return undefined
    })
    return named && { named, carriers }
  }

  /** Manifests are gone for good before anything that they name goes, and that before the tombstone does. */
  private async bury(tombstone: Tombstone): Promise<void> {
    const { store } = this.options
    const before = this.left.length
    for (const kind of deletionOrder) {
      const names = tombstone.objects.filter((name) => deletableKind(name) === kind)
      for (let at = 0; at < names.length; at += STEP) await this.step(tombstone, names.slice(at, at + STEP))
      if (names.length > 0) await store.barrier(this.options)
    }
    if (this.left.length === before) await this.removeAll(tombstoneName(tombstone.tombstone))
  }

  private async step(tombstone: Tombstone, names: readonly string[]): Promise<void> {
    const { options } = this
    const present: { name: string; bytes: number }[] = []
    for (const name of names) {
      const info = await options.store.stat(objectOf(name), options)
      if (info) present.push({ name, bytes: info.bytes })
      // A delete marker over versions that are still there.
      else if (options.store.abilities.versions) present.push({ name, bytes: 0 })
    }
    if (present.length === 0) return
    const packs = new Set(
      present.flatMap((one) => (deletableKind(one.name) === 'superseded' ? [packOf(one.name)] : [])),
    )
    const look = await this.look(
      packs,
      present.map((one) => one.name),
    )
    const chosen = present.filter(({ name }) => {
      const verdict = judge(name, tombstone, look)
      if (verdict.do === 'leave') this.left.push({ object: name, why: verdict.why })
      return verdict.do === 'delete'
    })
    await Promise.all(chosen.map((one) => this.delete(one)))
    options.progress?.({ phase: 'deleting', done: this.objects, unit: 'count' })
  }

  private async delete({ name, bytes }: { name: string; bytes: number }): Promise<void> {
    try {
      // Gone since an earlier run: that one has told.
      if (!(await this.removeAll(objectOf(name)))) return
    } catch (error) {
      if (!isWharfError(error, 'repository.object-locked')) throw error
      this.left.push({ object: name, why: messageOf(error) })
      return
    }
    this.objects++
    this.bytes += bytes
    if (deletableKind(name) === 'manifest') this.backups.push(name.slice(name.lastIndexOf('/') + 1))
  }

  /** With the replacements that healing gave it, first: they must not stand in for it afterwards. */
  private async removeAll(name: string): Promise<boolean> {
    for await (const replacement of replacementsOf(name, this.options)) await this.removeOne(replacement)
    return await this.removeOne(name)
  }

  /** Every version and then every delete marker of the name: a marker must not go while it hides something. False: there were none. */
  private async removeOne(name: string): Promise<boolean> {
    const { store, signal } = this.options
    if (!store.abilities.versions) {
      await store.remove(name, { signal })
      return true
    }
    const versions = []
    for await (const one of store.versions(name, { signal })) if (one.name === name) versions.push(one)
    for (const markers of [false, true])
      for (const { version, isDeleteMarker } of versions)
        if (isDeleteMarker === markers) await store.remove(name, { signal, version })
    return versions.length > 0
  }

  /** Revivals of which no tombstone is left, and leases of readers that ended long ago. */
  private async removeSpent(): Promise<void> {
    const { options } = this
    const now = await options.store.now(options)
    const { revivals } = await readStanding(options, this.standings)
    // By name: what could not be read, or is not believed, in this run may be in the next.
    const there = new Set<string>()
    for await (const { name } of options.store.list(TOMBSTONE_PREFIX, options)) there.add(name)
    const tombstonesOf = new Map(revivals.map((one) => [revivalName(one.revival), one.tombstones.map(tombstoneName)]))
    for (const { name, modifiedMs } of await this.allRevivals()) {
      const needed = tombstonesOf.get(name)?.some((one) => there.has(one)) ?? there.size > 0
      if (!needed && modifiedMs < now - MARGIN_MS) await this.removeAll(name)
    }
    for (const { names } of await newestReaders(options)) await this.removeReader(names, now)
  }

  private async allRevivals(): Promise<ObjectInfo[]> {
    const found: ObjectInfo[] = []
    for await (const one of this.options.store.list(REVIVAL_PREFIX, this.options))
      if (parseRevivalName(one.name) !== undefined) found.push(one)
    return found
  }

  private async removeReader(names: readonly string[], now: number): Promise<void> {
    const { options } = this
    const info = await options.store.stat(names.at(-1)!, options)
    if (!info || info.modifiedMs > now - 2 * MARGIN_MS) return
    const body = await readReader(info.name, options).catch(() => undefined)
    if (body && body.untilMs > now - 2 * MARGIN_MS) return
    for (const name of names) await this.removeAll(name)
  }
}
