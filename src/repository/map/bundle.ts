// Bundles of segment maps: written by a backup in a few objects, read by reference.
import { createHash, type Hash } from 'node:crypto'

import { isWharfError, messageOf } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { KIB, MIB } from '../../base/units.ts'
import type { MapRef, SegmentMap } from '../contract.ts'
import { isReplaceable } from '../heal/fall-back.ts'
import { replacementsOf } from '../heal/names.ts'
import {
  damaged,
  openFrame,
  openObjectHead,
  readDirectory,
  readSections,
  type DirectoryEntry,
  type ReadOptions,
} from '../object/decode.ts'
import { ObjectStream } from '../object/encode.ts'
import { HEAD_BYTES } from '../object/head.ts'
import { withVersions } from '../object/versions.ts'
import { FRAME_HEAD_BYTES, Sealer } from '../object/sealer.ts'
import { mapsName } from '../pack/names.ts'
import { decodeMap, encodeMap, MapError } from './codec.ts'

/** Stored bytes after which a bundle ends. */
const BUNDLE_BYTES = 32 * MIB
const NEIGHBOUR_GAP_BYTES = 64 * KIB
const LARGEST_RANGE_BYTES = 8 * MIB
const noLabel = Buffer.alloc(0)

/** A bundle whose maps are all there, but which has no name yet. */
interface FullBundle {
  readonly name: string
  readonly stream: ObjectStream
  /** SHA-256 over the frames of all maps, one after the other. */
  readonly frames: Hash
  maps: number
}

/**
 * Takes maps one by one and stores them in bundles. Until finish() nothing of it is an object: what was written waits without a name, so that maps may come
 * while their packs are not durable yet. Each bundle is read back in full. Durable after the next barrier.
 */
export class BundleWriter {
  private readonly options: ReadOptions & { bundleBytes?: number | undefined }
  private readonly full: FullBundle[] = []
  private open: FullBundle | undefined
  private adding: Promise<unknown> = Promise.resolve()
  private abandoned = false

  constructor(options: ReadOptions & { bundleBytes?: number | undefined }) {
    this.options = options
  }

  /** Not for concurrent calls. */
  async add(map: SegmentMap): Promise<MapRef> {
    const adding = this.addOne(map)
    this.adding = adding.catch(() => {})
    return await adding
  }

  private async addOne(map: SegmentMap): Promise<MapRef> {
    if (this.abandoned) throw new Error('the maps were abandoned')
    const bundle = (this.open ??= await this.begin())
    const hash = createHash('sha256')
    const added = await bundle.stream.add({ type: 'map', label: noLabel, plain: encodeMap(map) }, true, (piece) => {
      hash.update(piece)
      bundle.frames.update(piece)
    })
    bundle.maps++
    if (bundle.stream.length >= (this.options.bundleBytes ?? BUNDLE_BYTES)) this.roll()
    return { object: bundle.name, offset: added.offset, bytes: added.storedBytes, sha256: hash.digest('hex') }
  }

  private async begin(): Promise<FullBundle> {
    const { store, ring, signal } = this.options
    const objectId = systemRandom.bytes(16)
    const name = mapsName(objectId.toString('hex'))
    const stream = await ObjectStream.create(store, ring, { name, kind: 'maps', objectId, signal })
    return { name, stream, frames: createHash('sha256'), maps: 0 }
  }

  private roll(): void {
    if (this.open) this.full.push(this.open)
    this.open = undefined
  }

  async finish(): Promise<void> {
    this.roll()
    for (let next = this.full[0]; next; next = this.full[0]) {
      await next.stream.finish()
      this.full.shift()
      await readBack(next, this.options)
    }
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    this.abandoned = true
    // A stream that is just being opened would stay.
    await this.adding
    this.roll()
    await Promise.allSettled(this.full.splice(0).map(({ stream }) => stream.abandon()))
  }
}

/** Stores maps; refs in the order given. */
export async function writeBundles(
  maps: readonly SegmentMap[],
  options: ReadOptions & { bundleBytes?: number },
): Promise<MapRef[]> {
  const writer = new BundleWriter(options)
  try {
    const refs: MapRef[] = []
    for (const map of maps) refs.push(await writer.add(map))
    await writer.finish()
    return refs
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

async function readBack(bundle: FullBundle, options: ReadOptions): Promise<void> {
  const frames = createHash('sha256')
  let seen = 0
  for await (const { frame } of readSections(bundle.name, 'maps', options)) {
    frames.update(frame)
    seen++
  }
  if (seen !== bundle.maps) throw damaged(bundle.name, `it holds ${seen} of ${bundle.maps} maps just written`)
  if (!frames.digest().equals(bundle.frames.digest())) throw damaged(bundle.name, 'its maps are not what was written')
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Reads maps by reference, in the order given; neighbours of a bundle are fetched together. */
export async function readMaps(refs: readonly MapRef[], options: ReadOptions): Promise<SegmentMap[]> {
  const result = Array.from<SegmentMap>({ length: refs.length })
  const byObject = new Map<string, number[]>()
  for (const [index, ref] of refs.entries()) {
    const known = byObject.get(ref.object)
    if (known) known.push(index)
    else byObject.set(ref.object, [index])
  }
  for (const [name, indexes] of byObject) {
    indexes.sort((one, other) => refs[one]!.offset - refs[other]!.offset)
    try {
      await withVersions(name, options, (store) => readBundle(name, { indexes, refs, result }, { ...options, store }))
    } catch (error) {
      if (!isReplaceable(error)) throw error
      await readReplaced(name, { indexes, refs, result, error }, options)
    }
  }
  return result
}

interface Reading {
  /** Sorted by offset. */
  readonly indexes: readonly number[]
  readonly refs: readonly MapRef[]
  readonly result: (SegmentMap | undefined)[]
}

async function readBundle(name: string, { indexes, refs, result }: Reading, options: ReadOptions): Promise<void> {
  const head = await options.store.get(name, { signal: options.signal, offset: 0, length: HEAD_BYTES })
  const sealer = new Sealer(openObjectHead(options.ring, head, name, 'maps'), name)
  for (const range of rangesOf(indexes, refs)) {
    const from = refs[range[0]!]!.offset
    const to = Math.max(...range.map((index) => refs[index]!.offset + refs[index]!.bytes))
    const bytes = await options.store.get(name, { signal: options.signal, offset: from, length: to - from })
    for (const index of range) result[index] = openMap(sealer, bytes.subarray(refs[index]!.offset - from), refs[index]!)
  }
}

/** Map by map, what is damaged from the replacements of the bundle. */
async function readReplaced(name: string, of: Reading & { error: unknown }, options: ReadOptions): Promise<void> {
  const { indexes, refs, result, error } = of
  const replaced = await replacedMaps(name, options)
  for (const index of indexes) {
    const ref = refs[index]!
    try {
      await readBundle(name, { indexes: [index], refs, result }, options)
    } catch (failure) {
      if (!isReplaceable(failure)) throw failure
      const map = await replaced(ref.sha256)
      if (map === undefined) throw error
      result[index] = map
    }
  }
}

/**
 * Looks a map up in the replacements of a bundle by the SHA-256 of the frame that it stands for, which is its label there. Undefined where none of them has
 * it whole.
 */
export async function replacedMaps(
  name: string,
  options: ReadOptions,
): Promise<(sha256: string) => Promise<SegmentMap | undefined>> {
  const found = new Map<string, { object: string; sealer: Sealer; at: DirectoryEntry & { number: number } }[]>()
  for await (const object of replacementsOf(name, options)) {
    try {
      const objectBytes = (await options.store.stat(object, options))?.bytes ?? 0
      const { opened, entries } = await readDirectory(object, 'maps', { ...options, objectBytes })
      const sealer = new Sealer(opened, object)
      for (const [number, entry] of entries.entries()) {
        const key = entry.label.toString('hex')
        found.set(key, [...(found.get(key) ?? []), { object, sealer, at: { ...entry, number } }])
      }
    } catch (error) {
      if (!isReplaceable(error)) throw error
    }
  }
  return async (sha256) => {
    for (const { object, sealer, at } of found.get(sha256) ?? []) {
      try {
        const { store, signal } = options
        const frame = await store.get(object, { signal, offset: at.offset, length: at.storedBytes })
        const section = openFrame(sealer, frame, { name: object, number: at.number })
        return decodeMapSection(section, object, `map ${at.number}`)
      } catch (error) {
        if (!isReplaceable(error)) throw error
      }
    }
    return undefined
  }
}

/** Indexes, sorted by offset, in groups that one range read fetches. The same map may be wanted twice. */
function rangesOf(indexes: readonly number[], refs: readonly MapRef[]): number[][] {
  const ranges: number[][] = []
  let from = 0
  let to = 0
  for (const index of indexes) {
    const { offset, bytes } = refs[index]!
    const last = ranges.at(-1)
    if (last && offset - to <= NEIGHBOUR_GAP_BYTES && offset + bytes - from <= LARGEST_RANGE_BYTES) last.push(index)
    else {
      ranges.push([index])
      from = offset
      to = offset
    }
    to = Math.max(to, offset + bytes)
  }
  return ranges
}

function openMap(sealer: Sealer, bytes: Buffer, ref: MapRef): SegmentMap {
  const frame = bytes.subarray(0, ref.bytes)
  const what = `the map at byte ${ref.offset}`
  if (frame.length < ref.bytes || frame.length < FRAME_HEAD_BYTES) throw damaged(ref.object, `it ends before ${what}`)
  if (sha256(frame) !== ref.sha256) throw damaged(ref.object, `${what} is not the one that the manifest names`)
  const section = openFrame(sealer, frame, { name: ref.object, number: frame.readUInt32LE(0) })
  return decodeMapSection(section, ref.object, what)
}

/** Decodes the content of a map section; whatever is wrong with it is damage of `object`. */
export function decodeMapSection(section: { type: string; plain: Buffer }, object: string, what: string): SegmentMap {
  if (section.type !== 'map') throw damaged(object, `${what} is no map`)
  try {
    return decodeMap(section.plain, what)
  } catch (error) {
    if (error instanceof MapError || isWharfError(error, 'bytes.past-end')) throw damaged(object, messageOf(error))
    throw error
  }
}
