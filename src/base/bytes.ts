// Cursors over bytes. Decoders are written over ByteReader so that every read past the end is one kind of error.
import { defineErrors } from './errors.ts'

const errors = defineErrors('bytes', {
  pastEnd: {
    exit: 'damaged',
    message: (at: { what: string; wanted: number; offset: number; length: number }) =>
      `${at.what} ends early: ${at.wanted} bytes wanted at offset ${at.offset} of ${at.length}`,
  },
})

/** Reads little-endian values (PostgreSQL on every platform that we support) from a buffer, front to back. */
export class ByteReader {
  readonly buffer: Buffer
  readonly what: string
  offset: number

  /** `what` names the bytes in errors, e.g. `segment map 7f3a…`. */
  constructor(buffer: Buffer, what: string, offset = 0) {
    this.buffer = buffer
    this.what = what
    this.offset = offset
  }

  get remaining(): number {
    return this.buffer.length - this.offset
  }

  private take(count: number): number {
    const at = this.offset
    if (count < 0 || at + count > this.buffer.length) {
      throw errors.pastEnd({ what: this.what, wanted: count, offset: at, length: this.buffer.length })
    }
    this.offset = at + count
    return at
  }

  skip(count: number): void {
    this.take(count)
  }

  u8(): number {
    return this.buffer.readUInt8(this.take(1))
  }

  u16(): number {
    return this.buffer.readUInt16LE(this.take(2))
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.take(4))
  }

  u64(): bigint {
    return this.buffer.readBigUInt64LE(this.take(8))
  }

  i64(): bigint {
    return this.buffer.readBigInt64LE(this.take(8))
  }

  /** A view of the next `count` bytes, not a copy. */
  bytes(count: number): Buffer {
    const at = this.take(count)
    return this.buffer.subarray(at, at + count)
  }

  /** Unsigned LEB128, at most 53 bits. */
  varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
      if (scale > Number.MAX_SAFE_INTEGER)
        throw errors.pastEnd({
          what: `${this.what} (varint)`,
          wanted: 9,
          offset: this.offset,
          length: this.buffer.length,
        })
    }
  }

  /** A varint length, then that many bytes of UTF-8. */
  text(): string {
    return this.bytes(this.varint()).toString('utf8')
  }
}

/** Grows as it is written; the mirror of ByteReader. */
export class ByteWriter {
  private buffer: Buffer
  private used = 0

  constructor(capacity = 256) {
    this.buffer = Buffer.allocUnsafe(capacity)
  }

  get length(): number {
    return this.used
  }

  private room(count: number): number {
    const at = this.used
    if (at + count > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, at + count))
      this.buffer.copy(grown, 0, 0, at)
      this.buffer = grown
    }
    this.used = at + count
    return at
  }

  u8(value: number): this {
    const at = this.room(1)
    this.buffer.writeUInt8(value, at)
    return this
  }

  u16(value: number): this {
    const at = this.room(2)
    this.buffer.writeUInt16LE(value, at)
    return this
  }

  u32(value: number): this {
    const at = this.room(4)
    this.buffer.writeUInt32LE(value, at)
    return this
  }

  u64(value: bigint): this {
    const at = this.room(8)
    this.buffer.writeBigUInt64LE(value, at)
    return this
  }

  i64(value: bigint): this {
    const at = this.room(8)
    this.buffer.writeBigInt64LE(value, at)
    return this
  }

  bytes(value: Uint8Array): this {
    const at = this.room(value.length)
    this.buffer.set(value, at)
    return this
  }

  varint(value: number): this {
    let rest = value
    while (rest >= 0x80) {
      this.u8((rest % 128) | 0x80)
      rest = Math.floor(rest / 128)
    }
    return this.u8(rest)
  }

  text(value: string): this {
    const encoded = Buffer.from(value, 'utf8')
    return this.varint(encoded.length).bytes(encoded)
  }

  /** The bytes written so far: a view, valid until the next write. */
  done(): Buffer {
    return this.buffer.subarray(0, this.used)
  }
}
