// Compaction: packs of which a good part is named by no backup any more are stored again without it, and the old object goes in two phases like everything else
// (doc/design/repository-format.md section 12a).
import { isWharfError } from '../../base/errors.ts'
import { timedId } from '../../base/random.ts'
import type { ExtentRef, ObjectInfo } from '../contract.ts'
import { isReplaceable } from '../heal/fall-back.ts'
import type { PruneKey } from '../keys/prune.ts'
import { readSections, type ReadOptions } from '../object/decode.ts'
import { ObjectStream } from '../object/encode.ts'
import { packName } from '../pack/names.ts'
import {
  holds,
  parseTrimmedName,
  proveTrimmed,
  readTrimmed,
  TRIMMED_PREFIX,
  trimmedName,
  trimmedSection,
  type TrimmedPack,
} from '../pack/trimmed.ts'
import { NamedExtents } from './extents.ts'
import { supersededName } from './names.ts'
import { readRoots, type RootCache } from './roots.ts'
import { putTombstone, readStanding, type Standing } from './standing.ts'

/** A pack is stored again when so much of it is dead. At a tenth each stored byte is written about once more in its life, and a repository has 1.05 × what it needs. */
const DEAD_SHARE = 1 / 10
const NAMES_PER_TOMBSTONE = 20_000

export interface TrimRequest {
  readonly graceMs: number
}

export interface Trimmed {
  readonly packs: number
  /** Written for it. */
  readonly bytes: number
  /** What goes when the grace period is over, less what was written. */
  readonly freedBytes: number
}

/** What holds the extents of a pack. */
interface Carriers {
  readonly original: ObjectInfo | undefined
  /** Newest first. */
  readonly trimmed: readonly ObjectInfo[]
}

/** Nothing where a manifest cannot be read (nobody knows then what it names), or where objects are locked: they could not go. */
export async function trim(
  request: TrimRequest,
  key: PruneKey,
  options: ReadOptions & { readonly cache?: RootCache },
): Promise<Trimmed> {
  const nothing = { packs: 0, bytes: 0, freedBytes: 0 }
  if (options.store.retention) return nothing
  const { roots, unreadable } = await readRoots(options, options.cache)
  if (unreadable.length > 0) return nothing
  const standing = await readStanding(options)
  const carriers = await listCarriers(options)
  const named = await orNothing(new NamedExtents(options).union(roots))
  if (!named) return nothing
  const done = { ...nothing }
  const old: string[] = []
  const going = new Set(standing.tombstones.flatMap((one) => one.objects))
  for (const [pack, extents] of named) {
    const known = carriers.get(pack)
    if (!known) continue
    // What is damaged is left to check and heal.
    const fresh = (await orNothing(trimOne(pack, { extents, known, standing }, options))) ?? 'needed'
    if (fresh === 'needed') continue
    if (fresh !== 'enough') {
      done.packs++
      done.bytes += fresh.bytes
      done.freedBytes += fresh.freedBytes
    }
    // Of one that is trimmed all that came before goes, also what a run that was killed left.
    if (fresh !== 'enough' || known.trimmed.length > 0) {
      const before = [known.original, ...known.trimmed.slice(fresh === 'enough' ? 1 : 0)]
        .flatMap((one) => (one ? [one.name] : []))
        .filter((name) => !going.has(supersededName(name)))
      // Whoever stored it may have been killed before it was read back.
      if (fresh === 'enough' && before.length > 0 && !(await isSound(known.trimmed[0]!.name, options))) continue
      old.push(...before)
    }
  }
  await options.store.barrier(options)
  await supersede(old, request, { key, options })
  return done
}

async function listCarriers(options: ReadOptions): Promise<Map<string, Carriers>> {
  const all = new Map<string, { original: ObjectInfo | undefined; trimmed: ObjectInfo[] }>()
  const of = (pack: string) => {
    const known = all.get(pack) ?? { original: undefined, trimmed: [] }
    all.set(pack, known)
    return known
  }
  for await (const object of options.store.list('packs/', options)) {
    const pack = object.name.slice(-32)
    if (object.name === packName(pack)) of(pack).original = object
  }
  for await (const object of options.store.list(TRIMMED_PREFIX, options)) {
    const parsed = parseTrimmedName(object.name)
    if (parsed) of(parsed.pack).trimmed.unshift(object)
  }
  return all
}

/** `enough`: the newest holds all and little else. `needed`: only all of its carriers together hold what is named, or nobody knows. */
async function trimOne(
  pack: string,
  of: { extents: ReadonlyMap<number, ExtentRef>; known: Carriers; standing: Standing },
  options: ReadOptions,
): Promise<{ bytes: number; freedBytes: number } | 'needed' | 'enough'> {
  const { extents, known, standing } = of
  const newest = known.trimmed[0] ?? known.original
  // What goes as a whole is not stored again for its last days.
  if (!newest || standing.dead.has(newest.name)) return 'needed'
  const live = [...extents.values()].reduce((sum, one) => sum + one.storedBytes, 0)
  const isOwn = newest === known.original
  const trimmed = isOwn ? undefined : await orNothing(readTrimmed(newest, options))
  const lacks = !isOwn && !(trimmed && [...extents.values()].every((ref) => holds(trimmed, ref)))
  if (!lacks && newest.bytes - live <= newest.bytes * DEAD_SHARE + OVERHEAD_BYTES) return 'enough'
  // A copy from another repository brought the whole pack back beside a trimmed one.
  const source = lacks ? known.original : newest
  if (!source) return 'needed'
  const generation = known.trimmed[0] ? parseTrimmedName(known.trimmed[0].name)!.generation + 1 : 1
  const name = trimmedName(pack, generation)
  const bytes = await store(name, { pack, extents, source, trimmed: lacks ? undefined : trimmed }, options).catch(
    (error: unknown) => {
      // Another pruner was first.
      if (!isWharfError(error, 'repository.object-exists')) throw error
    },
  )
  if (bytes === undefined) return 'needed'
  await proveTrimmed(name, options)
  return { bytes, freedBytes: source.bytes - bytes }
}

async function isSound(name: string, options: ReadOptions): Promise<boolean> {
  return (await orNothing(proveTrimmed(name, options).then(() => true))) ?? false
}

/** Undefined for damage; it rejects for what can pass. */
async function orNothing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (isReplaceable(error)) return undefined
    throw error
  }
}

/** Head, directory and tail, roughly: a pack of a few bytes is not worth it. */
const OVERHEAD_BYTES = 4096

async function store(
  name: string,
  of: {
    pack: string
    extents: ReadonlyMap<number, ExtentRef>
    source: ObjectInfo
    trimmed: TrimmedPack | undefined
  },
  options: ReadOptions,
): Promise<number> {
  const { pack, extents, source, trimmed } = of
  const refs = [...extents.values()].toSorted((one, other) => one.number - other.number)
  const { store, ring, signal } = options
  const objectId = Buffer.from(pack, 'hex')
  // Section of the source → the reference that it stands for.
  const wanted = new Map(refs.map((ref) => [trimmed ? trimmed.extents.get(ref.number)!.section : ref.number, ref]))
  const stream = await ObjectStream.create(store, ring, { name, kind: 'pack', objectId, signal })
  try {
    const kept = refs.map((ref) => [ref.number, ref.offset, ref.storedBytes] as const)
    await stream.add(trimmedSection(pack, kept), true)
    for await (const section of readSections(source.name, 'pack', options)) {
      // A view into the window that is read next: the stream writes behind.
      if (wanted.delete(section.number)) await stream.addBody(section, Buffer.from(section.body))
    }
    if (wanted.size > 0) throw new Error(`${source.name} lacks ${wanted.size} extents that backups name`)
    return (await stream.finish()).bytes
  } catch (error) {
    await stream.abandon()
    throw error
  }
}

async function supersede(
  names: readonly string[],
  request: TrimRequest,
  tools: { key: PruneKey; options: ReadOptions },
): Promise<void> {
  const { key, options } = tools
  for (let at = 0; at < names.length; at += NAMES_PER_TOMBSTONE) {
    const atMs = await options.store.now(options)
    const objects = names.slice(at, at + NAMES_PER_TOMBSTONE).map(supersededName)
    const body = { tombstone: timedId(atMs), atMs, graceMs: request.graceMs, reason: 'compacted', backups: [], objects }
    await putTombstone(body, key, options)
  }
}
