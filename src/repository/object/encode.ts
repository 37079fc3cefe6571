// Writes sealed objects: sections one after another, then directory and tail.
import { createHash, type Hash } from 'node:crypto'

import { ByteWriter } from '../../base/bytes.ts'
import { freeNow } from '../../base/freed-memory.ts'
import { systemRandom } from '../../base/random.ts'
import type { ObjectStore, ObjectWriter } from '../contract.ts'
import { errors } from '../errors.ts'
import type { KeyRing, OpenedHead } from '../keys/ring.ts'
import { encodeTail, HEAD_BYTES, TAIL_BYTES, type ObjectKind } from './head.ts'
import { DIRECTORY_NUMBER, Sealer } from './sealer.ts'
import { decodeBody, encodeBody, sectionTypes, type Section } from './section.ts'

export interface SectionRef {
  readonly number: number
  readonly offset: number
  /** Length of the frame. */
  readonly storedBytes: number
}

/** Makes the bytes of one object; does no I/O. */
export class ObjectEncoder {
  readonly head: OpenedHead
  private readonly name: string
  private readonly sealer: Sealer
  private readonly directory = new ByteWriter(1024)
  private count = 0
  private offset = HEAD_BYTES

  constructor(ring: KeyRing, object: { name: string; kind: ObjectKind; objectId?: Buffer }) {
    this.name = object.name
    this.head = ring.newHead(object.kind, object.objectId ?? systemRandom.bytes(16))
    this.sealer = new Sealer(this.head, object.name)
  }

  /** Bytes so far. */
  get length(): number {
    return this.offset
  }

  /** `verify`: decode what was just encoded and compare. */
  add(section: Section, verify: boolean): { pieces: Buffer[]; ref: SectionRef } {
    const pieces = this.frame(this.count, section, verify)
    return { pieces, ref: this.list(section, pieces) }
  }

  /** A section whose body was made before, for another object; the caller has decoded it. */
  addBody(section: Section, body: Buffer): { pieces: Buffer[]; ref: SectionRef } {
    const pieces = this.sealer.seal(this.count, [body, Buffer.alloc(0)])
    return { pieces, ref: this.list(section, pieces) }
  }

  private list({ label, plain, type }: Section, pieces: readonly Buffer[]): SectionRef {
    const storedBytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    this.directory.u8(sectionTypes[type]).varint(storedBytes).varint(plain.length).varint(label.length).bytes(label)
    const ref = { number: this.count, offset: this.offset, storedBytes }
    this.count++
    this.offset += storedBytes
    return ref
  }

  private frame(number: number, section: Section, verify: boolean): Buffer[] {
    const body = encodeBody(section)
    const pieces = this.sealer.seal(number, body)
    // Once it is encrypted nobody needs what was compressed.
    if (!pieces.includes(body[1]) && body[1].buffer !== section.plain.buffer) freeNow(body[1])
    if (verify && !this.decodes(pieces, number, section.plain)) {
      throw errors.damagedObject({
        object: this.name,
        reason: `section ${number} did not decode right after it was encoded`,
      })
    }
    return pieces
  }

  private decodes(pieces: readonly Buffer[], number: number, expected: Buffer): boolean {
    const frame = Buffer.concat(pieces)
    const body = this.sealer.open(frame, number)
    if (!body) return false
    const { plain } = decodeBody(body)
    const same = plain.equals(expected)
    for (const own of [frame, body, plain]) freeNow(own)
    return same
  }

  /** Directory and tail. */
  end(): Buffer[] {
    const list = new ByteWriter(this.directory.length + 8).varint(this.count).bytes(this.directory.done())
    const section: Section = { type: 'directory', label: Buffer.alloc(0), plain: Buffer.from(list.done()) }
    const pieces = this.frame(DIRECTORY_NUMBER, section, true)
    const directoryBytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const objectBytes = this.offset + directoryBytes + TAIL_BYTES
    return [...pieces, encodeTail({ objectBytes, directoryOffset: this.offset, directoryBytes, sections: this.count })]
  }
}

/** The bytes of a small object with these sections. */
export function encodeObject(
  ring: KeyRing,
  object: { name: string; kind: ObjectKind },
  sections: Iterable<Section>,
): Buffer[] {
  const encoder = new ObjectEncoder(ring, object)
  const all = [encoder.head.bytes]
  for (const section of sections) all.push(...encoder.add(section, true).pieces)
  return [...all, ...encoder.end()]
}

/** Streams a sealed object into a store. One write is under way while the next section is encoded. */
export class ObjectStream {
  private readonly writer: ObjectWriter
  private readonly encoder: ObjectEncoder
  private readonly hash: Hash = createHash('sha256')
  private pending: Promise<void> = Promise.resolve()
  private failed: unknown
  private bytes = 0
  /** Where the pieces of a frame are put together: a write has ended before the next begins. */
  private joined: Buffer = Buffer.alloc(0)

  private constructor(writer: ObjectWriter, encoder: ObjectEncoder) {
    this.writer = writer
    this.encoder = encoder
  }

  static async create(
    store: ObjectStore,
    ring: KeyRing,
    object: {
      name: string
      kind: ObjectKind
      objectId?: Buffer
      signal: AbortSignal
      retainUntilMs?: number | undefined
    },
  ): Promise<ObjectStream> {
    const encoder = new ObjectEncoder(ring, object)
    const stream = new ObjectStream(await store.create(object.name, object), encoder)
    stream.write([encoder.head.bytes])
    return stream
  }

  get length(): number {
    return this.encoder.length
  }

  /** Frees the pieces when they are written, but for what lies in memory of the caller's. */
  private write(pieces: readonly Buffer[], callers?: ArrayBufferLike): void {
    for (const piece of pieces) {
      this.hash.update(piece)
      this.bytes += piece.length
    }
    const before = this.pending
    this.pending = before
      .then(async () => {
        if (this.failed !== undefined) return
        const frame = this.join(pieces)
        for (const piece of pieces) if (piece.buffer !== callers) freeNow(piece)
        await this.writer.write(frame)
      })
      .catch((error: unknown) => {
        this.failed ??= error
      })
  }

  private join(pieces: readonly Buffer[]): Buffer {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (bytes > this.joined.length) this.joined = Buffer.allocUnsafeSlow(bytes)
    let at = 0
    for (const piece of pieces) {
      this.joined.set(piece, at)
      at += piece.length
    }
    return this.joined.subarray(0, bytes)
  }

  /** Waits for the write before this one, so that at most one is queued. `look` sees the frame's pieces before they are written: afterwards they are gone. */
  async add(section: Section, verify: boolean, look?: (piece: Buffer) => void): Promise<SectionRef> {
    const { pieces, ref } = this.encoder.add(section, verify)
    if (look) pieces.forEach(look)
    await this.settle()
    this.write(pieces, section.plain.buffer)
    return ref
  }

  /** As add(), with a body that was made before. */
  async addBody(section: Section, body: Buffer): Promise<SectionRef> {
    const { pieces, ref } = this.encoder.addBody(section, body)
    await this.settle()
    this.write(pieces, body.buffer)
    return ref
  }

  private async settle(): Promise<void> {
    await this.pending
    if (this.failed !== undefined) throw this.failed
  }

  async finish(): Promise<{ bytes: number; sha256: string }> {
    this.write(this.encoder.end())
    await this.settle()
    await this.writer.finish()
    return { bytes: this.bytes, sha256: this.hash.digest('hex') }
  }

  async abandon(): Promise<void> {
    await this.pending
    await this.writer.abandon()
  }
}
