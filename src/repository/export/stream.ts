// One stream of objects (doc/design/repository-format.md section 8c): each with its name, its length and a running SHA-256 of everything before it.
import { createHash, type Hash } from 'node:crypto'

import { errors } from '../errors.ts'
import { isObjectName } from '../store/names.ts'

export const STREAM_HEAD = Buffer.from('wharfinger export 1\n', 'latin1')
const DIGEST_BYTES = 32
const LARGEST_OBJECT_BYTES = 2 ** 40

/** Takes bytes in order, resolving when more may come. */
export type Sink = (bytes: Buffer) => Promise<void>

export class FrameWriter {
  private readonly sink: Sink
  private readonly hash: Hash = createHash('sha256')
  bytes = 0

  private constructor(sink: Sink) {
    this.sink = sink
  }

  static async begin(sink: Sink): Promise<FrameWriter> {
    const writer = new FrameWriter(sink)
    await writer.write(STREAM_HEAD)
    return writer
  }

  private async write(bytes: Buffer): Promise<void> {
    this.hash.update(bytes)
    this.bytes += bytes.length
    await this.sink(bytes)
  }

  /** `content` must give exactly `bytes` bytes. */
  async object(name: string, bytes: number, content: AsyncIterable<Buffer>): Promise<void> {
    const head = Buffer.alloc(2 + name.length + 8)
    head.writeUInt16LE(name.length, 0)
    head.write(name, 2, 'latin1')
    head.writeBigUInt64LE(BigInt(bytes), 2 + name.length)
    await this.write(head)
    let left = bytes
    for await (const piece of content) {
      left -= piece.length
      if (left < 0) break
      await this.write(piece)
    }
    if (left !== 0) throw errors.exportChanged({ name })
    await this.write(this.digest())
  }

  /** Of everything so far. */
  digest(): Buffer {
    return this.hash.copy().digest()
  }
}

export interface Frame {
  readonly name: string
  readonly bytes: number
  /** Must be read to its end before the next frame; throws there where the digest is another. */
  readonly content: AsyncGenerator<Buffer>
  /** Of everything before this frame, as hex. */
  readonly before: string
}

/** Frames up to the end of the stream. Throws `repository.bad-export` at the first byte that cannot be right, and where the stream ends within a frame. */
export async function* readFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  const input = new Input(source)
  if (!(await input.exactly(STREAM_HEAD.length, 'its head')).equals(STREAM_HEAD))
    throw errors.badExport({ why: 'it does not begin as one' })
  while (!(await input.atEnd())) {
    const before = input.digest().toString('hex')
    const nameBytes = (await input.exactly(2, 'the head of an object')).readUInt16LE(0)
    const name = (await input.exactly(nameBytes, 'the name of an object')).toString('latin1')
    if (!isObjectName(name)) throw errors.badExport({ why: 'an object has a name that is none' })
    const size = (await input.exactly(8, name)).readBigUInt64LE(0)
    if (size > LARGEST_OBJECT_BYTES) throw errors.badExport({ why: `${name} claims ${size} bytes` })
    let ended = false
    const content = async function* (): AsyncGenerator<Buffer> {
      for (let left = Number(size); left > 0;) {
        const piece = await input.some(left, name)
        left -= piece.length
        yield piece
      }
      const digest = input.digest()
      if (!(await input.exactly(DIGEST_BYTES, name)).equals(digest))
        throw errors.badExport({ why: `${name} is not what was written` })
      ended = true
    }
    yield { name, bytes: Number(size), content: content(), before }
    if (!ended) throw errors.badExport({ why: `${name} was not read` })
  }
}

/** Whole content of a small frame. */
export async function contentOf(frame: Frame): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of frame.content) pieces.push(piece)
  return Buffer.concat(pieces)
}

class Input {
  private readonly source: AsyncIterator<Buffer>
  private readonly hash = createHash('sha256')
  private rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.source = source[Symbol.asyncIterator]()
  }

  private async fill(): Promise<boolean> {
    while (this.rest.length === 0) {
      const next = await this.source.next()
      if (next.done === true) return false
      this.rest = next.value
    }
    return true
  }

  async atEnd(): Promise<boolean> {
    return !(await this.fill())
  }

  /** At least one byte, at most `most`. */
  async some(most: number, of: string): Promise<Buffer> {
    if (!(await this.fill())) throw errors.badExport({ why: `it ends within ${of}` })
    const piece = this.rest.subarray(0, most)
    this.rest = this.rest.subarray(piece.length)
    this.hash.update(piece)
    return piece
  }

  async exactly(length: number, of: string): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (let left = length; left > 0;) {
      const piece = await this.some(left, of)
      left -= piece.length
      pieces.push(piece)
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  digest(): Buffer {
    return this.hash.copy().digest()
  }
}
