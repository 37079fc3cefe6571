// Writes extents into packs; one writer per worker thread. Packs end in the background while the next one begins.
import { systemRandom } from '../../base/random.ts'
import { MIB } from '../../base/units.ts'
import type { ExtentRef, ObjectStore, PackRef, PackWriter } from '../contract.ts'
import { errors } from '../errors.ts'
import type { KeyRing } from '../keys/ring.ts'
import { ObjectStream } from '../object/encode.ts'
import { LARGEST_PLAIN_BYTES } from '../object/section.ts'
import { encodeExtentLabel } from './label.ts'
import { packName } from './names.ts'
import { PackReader } from './reader.ts'

/** Plain bytes after which a pack ends. */
export const PACK_PLAIN_BYTES = 48 * MIB
/** Every so many extents one is decoded right after it was encoded. */
const VERIFY_EVERY = 16

export interface PackWriterParts {
  readonly store: ObjectStore
  readonly ring: KeyRing
  readonly signal: AbortSignal
  /** A pack is in the store under its name, and a sample of it was read back. */
  readonly onEnded?: (pack: string) => void
  /** Default PACK_PLAIN_BYTES; tests make packs small. */
  readonly packPlainBytes?: number
}

interface OpenPack {
  readonly id: string
  readonly stream: ObjectStream
  plainBytes: number
  extents: number
  /** One extent that is read back from the store when the pack has ended. */
  sample: { ref: ExtentRef; file: string } | undefined
}

/** Not for concurrent calls: await each append() before the next. */
export class SealedPackWriter implements PackWriter {
  private readonly parts: PackWriterParts
  private pack: OpenPack | undefined
  private readonly ending: Promise<PackRef>[] = []
  private appended = 0

  constructor(parts: PackWriterParts) {
    this.parts = parts
  }

  async append(extent: { file: string; blocks: Uint32Array; plain: Buffer }): Promise<ExtentRef> {
    const { file, blocks, plain } = extent
    this.parts.signal.throwIfAborted()
    if (plain.length === 0 || plain.length > LARGEST_PLAIN_BYTES)
      throw new RangeError(`an extent of ${file} has ${plain.length} bytes`)
    const pack = (this.pack ??= await this.begin())
    const label = encodeExtentLabel(file, blocks)
    const added = await pack.stream.add({ type: 'extent', label, plain }, this.appended++ % VERIFY_EVERY === 0)
    const ref: ExtentRef = {
      pack: pack.id,
      number: added.number,
      offset: added.offset,
      storedBytes: added.storedBytes,
      plainBytes: plain.length,
    }
    pack.plainBytes += plain.length
    pack.extents++
    if (systemRandom.integer(pack.extents) === 0) pack.sample = { ref, file }
    if (pack.plainBytes >= (this.parts.packPlainBytes ?? PACK_PLAIN_BYTES)) await this.roll()
    return ref
  }

  private async begin(): Promise<OpenPack> {
    const objectId = systemRandom.bytes(16)
    const id = objectId.toString('hex')
    const { store, ring, signal } = this.parts
    const stream = await ObjectStream.create(store, ring, { name: packName(id), kind: 'pack', objectId, signal })
    return { id, stream, plainBytes: 0, extents: 0, sample: undefined }
  }

  /** Ends the pack at hand; at most one ends in the background, so a slow disk holds the writer back. */
  private async roll(): Promise<void> {
    const pack = this.pack
    if (!pack) return
    this.pack = undefined
    const before = this.ending.at(-1)
    const ended = this.end(pack)
    ended.catch(() => {})
    this.ending.push(ended)
    await before
  }

  private async end(pack: OpenPack): Promise<PackRef> {
    const { bytes, sha256 } = await pack.stream.finish()
    await this.readBack(pack, bytes)
    this.parts.onEnded?.(pack.id)
    return { id: pack.id, bytes, sha256 }
  }

  private async readBack(pack: OpenPack, bytes: number): Promise<void> {
    const { store, ring, signal } = this.parts
    const name = packName(pack.id)
    const info = await store.stat(name, { signal })
    if (info?.bytes !== bytes) {
      throw errors.damagedObject({
        object: name,
        reason: `the store holds ${info?.bytes ?? 'none'} of ${bytes} bytes just written`,
      })
    }
    if (!pack.sample) return
    const reader = new PackReader({ store, ring })
    for await (const one of reader.read(pack.id, [pack.sample], signal)) void one
  }

  async finish(): Promise<{ packs: readonly PackRef[] }> {
    await this.roll()
    const packs = await Promise.all(this.ending)
    await this.parts.store.barrier({ signal: this.parts.signal })
    return { packs }
  }

  async abandon(): Promise<void> {
    await Promise.allSettled([...this.ending, this.pack?.stream.abandon()])
    this.pack = undefined
  }
}
