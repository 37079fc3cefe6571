// Reads extents back: neighbours in one range, seal, checksum, file and lengths verified.
import { AlignedPieces } from '../../base/aligned-memory.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { freeNow } from '../../base/freed-memory.ts'
import { KIB } from '../../base/units.ts'
import type { ExtentReader, ExtentRead, ExtentWanted, ObjectStore } from '../contract.ts'
import { errors } from '../errors.ts'
import { isReplaceable } from '../heal/fall-back.ts'
import { replacementsOf } from '../heal/names.ts'
import type { KeyRing } from '../keys/ring.ts'
import { HEAD_BYTES } from '../object/head.ts'
import { openFrame, openObjectHead } from '../object/decode.ts'
import { Sealer } from '../object/sealer.ts'
import { isShadowLike, otherVersions } from '../object/versions.ts'
import { FetchedRange } from './fetched-range.ts'
import { decodeExtentLabel } from './label.ts'
import { packName } from './names.ts'
import { LARGEST_RANGE_BYTES, rangesOf, type Range } from './ranges.ts'
import { holds, readableTrimmed, type TrimmedPack } from './trimmed.ts'

/** Opened heads that are kept: about 300 bytes each. */
const KEPT_HEADS = 4096

/** Ranges under way past the page cache: one that is decoded and one that comes, of two readings at once. */
const DIRECT_RANGES = 4
const PIECE_BYTES = LARGEST_RANGE_BYTES + 64 * KIB

export interface PackReaderParts {
  readonly store: ObjectStore
  readonly ring: KeyRing
  /** For who reads much that nobody reads again soon: past the page cache. */
  readonly direct?: boolean | undefined
}

interface Opened {
  readonly pack: string
  readonly one: ExtentWanted
  /** Name of the object: that of the pack, or of a replacement. */
  readonly name: string
  readonly sealer: Sealer
  readonly bytes: Buffer
  /** Where in the object `bytes` begin. */
  readonly from: number
}

export class PackReader implements ExtentReader {
  private readonly parts: PackReaderParts
  private readonly sealers = new Map<string, Sealer>()
  /** Packs of which only trimmed ones are left. */
  private readonly trimmed = new Map<string, readonly TrimmedPack[]>()
  private pieces: AlignedPieces | undefined

  constructor(parts: PackReaderParts) {
    this.parts = parts
  }

  async *read(pack: string, wanted: readonly ExtentWanted[], signal: AbortSignal): AsyncGenerator<ExtentRead> {
    let given = 0
    try {
      for await (const one of this.readShown(pack, wanted, signal)) {
        given++
        yield one
      }
    } catch (error) {
      if (!isShadowLike(error)) throw error
      // Somebody put a newer version over the pack: the rest comes from the original.
      for await (const store of otherVersions(packName(pack), { store: this.parts.store, signal })) {
        try {
          for await (const one of new PackReader({ ...this.parts, store }).readShown(
            pack,
            wanted.slice(given),
            signal,
          )) {
            given++
            yield one
          }
          return
        } catch (again) {
          if (!isShadowLike(again)) throw again
        }
      }
      throw error
    }
  }

  private async *readShown(
    pack: string,
    wanted: readonly ExtentWanted[],
    signal: AbortSignal,
  ): AsyncGenerator<ExtentRead> {
    const trimmed = await this.trimmedInstead(pack, signal)
    if (trimmed) {
      yield* this.readTrimmed(trimmed, wanted, signal)
      return
    }
    const ranges = rangesOf(wanted)
    let next = this.fetch(pack, ranges[0], signal)
    try {
      for (let at = 0; at < ranges.length; at++) {
        const fetched = await next
        // The next range comes while this one is decoded.
        next = this.fetch(pack, ranges[at + 1], signal)
        next.catch(() => {})
        using _memory = fetched
        yield* this.readRange(pack, { fetched, range: ranges[at]!, signal })
      }
    } finally {
      // Who stops early leaves one behind.
      await next.then(
        (unused) => unused[Symbol.dispose](),
        () => {},
      )
    }
  }

  private async *readRange(
    pack: string,
    { fetched, range, signal }: { fetched: FetchedRange; range: Range; signal: AbortSignal },
  ): AsyncGenerator<ExtentRead> {
    const { sealer, bytes, failure } = fetched
    for (const one of range.wanted) {
      signal.throwIfAborted()
      const at = { pack, one, name: packName(pack), sealer, bytes, from: range.from }
      const read = await this.soundOne(at, failure, signal)
      // What was neither encrypted nor compressed is a view into it.
      if (read.plain.buffer === bytes.buffer) yield fetched.lend(read)
      else yield read
    }
  }

  /** Undefined where the pack itself is there, or nothing at all. */
  private async trimmedInstead(pack: string, signal: AbortSignal): Promise<readonly TrimmedPack[] | undefined> {
    const known = this.trimmed.get(pack)
    if (known) return known
    try {
      await this.sealer(packName(pack), signal)
      return undefined
    } catch (error) {
      if (!isWharfError(error, 'repository.object-missing')) return undefined
    }
    const found = await readableTrimmed(pack, { ...this.parts, signal })
    if (found.length > 0) this.trimmed.set(pack, found)
    return found.length > 0 ? found : undefined
  }

  private async *readTrimmed(
    from: readonly TrimmedPack[],
    wanted: readonly ExtentWanted[],
    signal: AbortSignal,
  ): AsyncGenerator<ExtentRead> {
    const { pack } = from[0]!
    for (const { source, group } of bySource(from, wanted)) {
      if (!source) {
        // Neither here nor there: a replacement of the whole pack may have it.
        const error = damagedExtent(pack, group[0]!, 'no trimmed pack holds it')
        for (const one of group) yield await this.replaced(pack, one, { error, signal })
        continue
      }
      for (const range of rangesOf(group.map((one) => movedTo(source, one)))) {
        const sealer = await this.sealer(source.name, signal)
        const bytes = await this.parts.store.get(source.name, {
          signal,
          offset: range.from,
          length: range.to - range.from,
        })
        for (const one of range.wanted as Moved[]) {
          signal.throwIfAborted()
          yield await this.soundMoved({ pack, one, name: source.name, sealer, bytes, from: range.from }, signal)
        }
      }
    }
  }

  private async soundMoved(at: Opened & { one: Moved }, signal: AbortSignal): Promise<ExtentRead> {
    try {
      return { ...this.open(at), wanted: at.one.original }
    } catch (error) {
      if (!isReplaceable(error)) throw error
      return await this.replaced(at.pack, at.one.original, { error, signal })
    }
  }

  private async soundOne(
    at: Omit<Opened, 'sealer'> & { sealer: Sealer | undefined },
    failure: unknown,
    signal: AbortSignal,
  ): Promise<ExtentRead> {
    try {
      if (failure !== undefined) throw failure
      return this.open({ ...at, sealer: at.sealer! })
    } catch (error) {
      if (!isReplaceable(error)) throw error
      return await this.replaced(at.pack, at.one, { error, signal })
    }
  }

  /** The extent from a replacement of its pack: it lies in the same place there. Rejects with `error` where there is none. */
  private async replaced(
    pack: string,
    one: ExtentWanted,
    after: { error: unknown; signal: AbortSignal },
  ): Promise<ExtentRead> {
    const { store } = this.parts
    const { signal } = after
    // The pack was trimmed, and went, while it was read.
    if (!this.trimmed.has(pack) && isWharfError(after.error, 'repository.damaged-extent')) {
      for (const source of await readableTrimmed(pack, { ...this.parts, signal })) {
        if (!holds(source, one.ref)) continue
        this.trimmed.set(pack, [source])
        for await (const read of this.readTrimmed([source], [one], signal)) return read
      }
    }
    for await (const name of replacementsOf(packName(pack), { store, signal })) {
      try {
        const sealer = await this.sealer(name, signal)
        const from = one.ref.offset
        const bytes = await store.get(name, { signal, offset: from, length: one.ref.storedBytes })
        return this.open({ pack, one, name, sealer, bytes, from })
      } catch (failure) {
        if (!isReplaceable(failure)) throw failure
      }
    }
    throw asExtentError(after.error, pack, one)
  }

  private async fetch(pack: string, range: Range | undefined, signal: AbortSignal): Promise<FetchedRange> {
    if (!range) return new FetchedRange({ bytes: Buffer.alloc(0) })
    const memory = this.memoryFor(range)
    try {
      const sealer = await this.sealer(packName(pack), signal)
      const bytes = await this.parts.store.get(packName(pack), {
        signal,
        offset: range.from,
        length: range.to - range.from,
        memory,
      })
      return new FetchedRange({ sealer, bytes, memory, pieces: this.pieces })
    } catch (error) {
      if (memory) this.pieces!.give(memory)
      if (!isReplaceable(error)) throw error
      return new FetchedRange({ bytes: Buffer.alloc(0), failure: asExtentError(error, pack, range.wanted[0]!) })
    }
  }

  private memoryFor(range: Range): Buffer | undefined {
    if (this.parts.direct !== true || range.to - range.from > LARGEST_RANGE_BYTES) return undefined
    this.pieces ??= new AlignedPieces(DIRECT_RANGES, PIECE_BYTES)
    return this.pieces.takeNow()
  }

  private async sealer(name: string, signal: AbortSignal): Promise<Sealer> {
    const known = this.sealers.get(name)
    if (known) return known
    const head = await this.parts.store.get(name, { signal, offset: 0, length: HEAD_BYTES })
    const sealer = new Sealer(openObjectHead(this.parts.ring, head, name, 'pack'), name)
    if (this.sealers.size >= KEPT_HEADS) this.sealers.delete(this.sealers.keys().next().value!)
    this.sealers.set(name, sealer)
    return sealer
  }

  private open(at: Opened): ExtentRead {
    const { pack, one, name, sealer, bytes, from } = at
    const { ref, file } = one
    const damaged = (reason: string) => damagedExtent(pack, one, reason)
    const frame = bytes.subarray(ref.offset - from, ref.offset - from + ref.storedBytes)
    if (frame.length < ref.storedBytes) throw damaged('the pack ends before it')
    try {
      const section = openFrame(sealer, frame, { name, number: ref.number })
      if (section.type !== 'extent') throw damaged('it is no extent')
      if (section.plain.length !== ref.plainBytes)
        throw damaged(`it has ${section.plain.length} plain bytes instead of ${ref.plainBytes}`)
      const label = decodeExtentLabel(section.label, `the label of extent ${ref.number}`)
      if (label.file !== file) throw damaged(`it holds ${label.file}`)
      if (section.plain.buffer !== section.body.buffer) freeNow(section.body)
      return { wanted: one, plain: section.plain, blocks: label.blocks }
    } catch (error) {
      throw asExtentError(error, pack, one)
    }
  }
}

/** An extent that is wanted, where it lies in a trimmed pack. */
interface Moved extends ExtentWanted {
  readonly original: ExtentWanted
}

function movedTo(source: TrimmedPack, one: ExtentWanted): Moved {
  const { section, offset, storedBytes } = source.extents.get(one.ref.number)!
  return { ...one, ref: { ...one.ref, number: section, offset, storedBytes }, original: one }
}

/** Neighbours in `wanted` that lie in the same trimmed pack, in order. */
function bySource(
  from: readonly TrimmedPack[],
  wanted: readonly ExtentWanted[],
): { source: TrimmedPack | undefined; group: ExtentWanted[] }[] {
  const groups: { source: TrimmedPack | undefined; group: ExtentWanted[] }[] = []
  for (const one of wanted) {
    const source = from.find((trimmed) => holds(trimmed, one.ref))
    const last = groups.at(-1)
    if (last && last.source === source) last.group.push(one)
    else groups.push({ source, group: [one] })
  }
  return groups
}

function damagedExtent(pack: string, one: ExtentWanted, reason: string, cause?: unknown): Error {
  return errors.damagedExtent(
    { pack, number: one.ref.number, file: one.file, reason },
    { place: { object: packName(pack) }, cause },
  )
}

/** Damage of the pack becomes damage of the extent; failures to reach the store stay what they are. */
function asExtentError(error: unknown, pack: string, one: ExtentWanted): unknown {
  if (isWharfError(error, 'repository.damaged-extent')) return error
  if (error instanceof RangeError || isWharfError(error, 'bytes.past-end'))
    return damagedExtent(pack, one, 'its label cannot be read', error)
  if (!isWharfError(error) || error.exit !== 'damaged') return error
  return damagedExtent(pack, one, messageOf(error), error)
}
