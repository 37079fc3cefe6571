// Writes sealed objects: sections one after another, then directory and tail.
import { createHash, type Hash } from 'node:crypto'

import { ByteWriter } from '../../base/bytes.ts'
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
    const pieces = this.sealer.seal(number, encodeBody(section))
    if (verify) {
      const body = this.sealer.open(Buffer.concat(pieces), number)
      if (!body || !decodeBody(body).plain.equals(section.plain)) {
        throw errors.damagedObject({
          object: this.name,
          reason: `section ${number} did not decode right after it was encoded`,
        })
      }
    }
    return pieces
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

  private write(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      this.hash.update(piece)
      this.bytes += piece.length
    }
    const before = this.pending
    this.pending = before
      .then(async () => {
        if (this.failed === undefined) await this.writer.write(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))
      })
      .catch((error: unknown) => {
        this.failed ??= error
      })
  }

  /** Waits for the write before this one, so that at most one is queued. Also returns the frame's pieces, for hashing. */
  async add(section: Section, verify: boolean): Promise<SectionRef & { readonly pieces: readonly Buffer[] }> {
    const { pieces, ref } = this.encoder.add(section, verify)
    await this.settle()
    this.write(pieces)
    return { ...ref, pieces }
  }

  /** As add(), with a body that was made before. */
  async addBody(section: Section, body: Buffer): Promise<SectionRef> {
    const { pieces, ref } = this.encoder.addBody(section, body)
    await this.settle()
    this.write(pieces)
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
