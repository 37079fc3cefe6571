// Contents of kept loads: cut into pieces that are stored once, by what they hold.
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

import { isWharfError } from '../../base/errors.ts'
import { MIB } from '../../base/units.ts'
import type { KeptContent, KeptContentWriter, KeptPiece } from '../kept-contract.ts'
import { isReplaceable, orReplacement } from '../heal/fall-back.ts'
import { damaged, readSections, type ReadOptions } from '../object/decode.ts'
import { ObjectStream } from '../object/encode.ts'
import { inputKey, inputName, MOST_OF_A_PIECE, parseInputName } from './names.ts'

export const PIECE_BYTES = 16 * MIB
/** Encoded at a stretch: some ten milliseconds. */
const SECTION_BYTES = MIB

export interface PieceOptions extends ReadOptions {
  /** Names under a tombstone: nothing new may build on them. */
  readonly isDead: (name: string) => boolean
}

export const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** The piece is readable, and durable with the next barrier, when it resolves. */
export async function putPiece(plain: Buffer, options: PieceOptions): Promise<KeptPiece> {
  const sha256 = sha256Of(plain)
  const key = inputKey(sha256, options.ring.seed)
  for (let n = 1; n <= MOST_OF_A_PIECE; n++) {
    const object = inputName(key, n)
    if (options.isDead(object)) continue
    if (await putAs(object, plain, options)) return { object, bytes: plain.length, sha256 }
  }
  throw damaged(inputName(key, MOST_OF_A_PIECE), 'all objects of this piece are damaged')
}

/** False where the name is taken by something damaged. */
async function putAs(name: string, plain: Buffer, options: PieceOptions): Promise<boolean> {
  const { store, signal } = options
  const stored = (await store.stat(name, options)) ? await readWhole(name, options) : undefined
  if (stored === 'damaged') return false
  try {
    // Put again where it is there already: the barrier covers what another process may have left before its own.
    if (stored) await store.put(name, stored, { signal })
    else await writePiece(name, plain, options)
    return true
  } catch (error) {
    if (!isWharfError(error, 'repository.object-exists')) throw error
    return stored !== undefined || (await readWhole(name, options)) !== 'damaged'
  }
}

/** Its stored bytes, if every byte of it is sound. */
async function readWhole(name: string, options: ReadOptions): Promise<Buffer[] | 'damaged'> {
  try {
    await readOwnPiece(name, name, options)
    return [await options.store.get(name, options)]
  } catch (error) {
    if (!isReplaceable(error)) throw error
    return 'damaged'
  }
}

/** Durable with the next barrier. Others come to their turn between two sections: leases must be renewed while a load is kept. */
export async function writePiece(name: string, plain: Buffer, { store, ring, signal }: ReadOptions): Promise<void> {
  const stream = await ObjectStream.create(store, ring, { name, kind: 'input', signal })
  try {
    for (let at = 0; at < plain.length; at += SECTION_BYTES) {
      await setImmediate()
      await stream.add({ type: 'input', label: Buffer.alloc(0), plain: plain.subarray(at, at + SECTION_BYTES) }, true)
    }
    await stream.finish()
  } catch (error) {
    await stream.abandon()
    throw error
  }
}

/** The plain bytes of a piece, proven by its name. `object` is read for it: itself or a replacement. */
export async function readOwnPiece(name: string, object: string, options: ReadOptions): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const section of readSections(object, 'input', options)) {
    if (section.type !== 'input') throw damaged(object, `section ${section.number} is no part of an input`)
    parts.push(section.plain)
  }
  const plain = Buffer.concat(parts)
  if (parseInputName(name)?.key !== inputKey(sha256Of(plain), options.ring.seed))
    throw damaged(object, 'it holds other bytes than its name stands for')
  return plain
}

export function readPiece(name: string, options: ReadOptions): Promise<Buffer> {
  return orReplacement(name, options, (object) => readOwnPiece(name, object, options))
}

export async function* readContent(content: KeptContent, options: ReadOptions): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for (const piece of content.pieces) {
    const plain = await readPiece(piece.object, options)
    if (plain.length !== piece.bytes || sha256Of(plain) !== piece.sha256)
      throw damaged(piece.object, 'it is not the piece that its load names')
    hash.update(plain)
    yield plain
  }
  if (hash.digest('hex') !== content.sha256)
    throw damaged(content.pieces[0]?.object ?? 'an input', 'together the pieces are not the content that was kept')
}

/** Cuts what comes into pieces. One is stored while the next is filled. */
export class ContentWriter implements KeptContentWriter {
  private readonly options: PieceOptions
  private readonly hash = createHash('sha256')
  private readonly pieces: KeptPiece[] = []
  private buffered: Buffer[] = []
  private bufferedBytes = 0
  private bytes = 0
  private storing: Promise<void> = Promise.resolve()

  constructor(options: PieceOptions) {
    this.options = options
  }

  async write(bytes: Buffer): Promise<void> {
    this.hash.update(bytes)
    this.bytes += bytes.length
    let rest = bytes
    while (this.bufferedBytes + rest.length >= PIECE_BYTES) {
      const room = PIECE_BYTES - this.bufferedBytes
      this.push(rest.subarray(0, room))
      rest = rest.subarray(room)
      await this.flush()
    }
    if (rest.length > 0) this.push(rest)
  }

  /** A copy: the caller's memory is its own again. */
  private push(bytes: Buffer): void {
    this.buffered.push(Buffer.from(bytes))
    this.bufferedBytes += bytes.length
  }

  private async flush(): Promise<void> {
    const plain = Buffer.concat(this.buffered)
    this.buffered = []
    this.bufferedBytes = 0
    await this.storing
    this.storing = putPiece(plain, this.options).then((piece) => void this.pieces.push(piece))
    // Told by whoever waits for it next.
    this.storing.catch(() => {})
  }

  async finish(): Promise<KeptContent> {
    if (this.bufferedBytes > 0) await this.flush()
    await this.storing
    return { bytes: this.bytes, sha256: this.hash.digest('hex'), pieces: this.pieces }
  }
}
