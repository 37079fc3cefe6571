// Bodies of sections: codec, type, length and checksum of the plain content, label, content. One allocation per body beyond zlib's own.
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

import { crc32c } from '@node-rs/crc32'

import { messageOf } from '../../base/errors.ts'
import { MIB } from '../../base/units.ts'

export const BODY_HEAD_BYTES = 14
export const LARGEST_PLAIN_BYTES = 64 * MIB
/** Below this zstd's frame costs more than it saves. */
const SMALLEST_TO_COMPRESS = 64

/** Numbers of doc/design/repository-format.md section 3. */
export const sectionTypes = {
  extent: 1,
  map: 2,
  manifestHead: 3,
  manifestDetails: 4,
  files: 5,
  relations: 6,
  folders: 7,
  unlogged: 8,
  corrupt: 9,
  packs: 10,
  outsideFiles: 11,
  walHead: 12,
  changeMap: 13,
  commits: 14,
  walBytes: 15,
  history: 16,
  lease: 17,
  confirmation: 18,
  checked: 50,
  export: 51,
  scratch: 19,
  trimmed: 20,
  copyHead: 32,
  copyRows: 33,
  kept: 34,
  input: 35,
  notice: 40,
  progress: 41,
  tombstone: 64,
  revival: 65,
  hold: 66,
  reader: 67,
  directory: 255,
} as const
export type SectionType = keyof typeof sectionTypes
const typeNames = new Map<number, SectionType>(
  Object.entries(sectionTypes).map(([name, value]) => [value, name as SectionType]),
)

export interface Section {
  readonly type: SectionType
  readonly label: Buffer
  readonly plain: Buffer
}

/** Without zstd's own checksum: ours covers the same bytes from before compression until after decompression, and it took 4 % of a restore's CPU. */
const compressParams = { [constants.ZSTD_c_compressionLevel]: 1 }

/** The parts of a body, to be sealed one after another. */
export function encodeBody(section: Section): readonly [head: Buffer, content: Buffer] {
  const { plain, label } = section
  const labelBytes = label.length
  const head = Buffer.allocUnsafe(BODY_HEAD_BYTES + labelBytes)
  let content = plain
  let codec = 0
  if (plain.length >= SMALLEST_TO_COMPRESS) {
    // One output chunk that is sure to fit: without it zlib grows 16 KiB at a time (816 against 1031 MB/s measured).
    const packed = zstdCompressSync(plain, {
      params: compressParams,
      chunkSize: plain.length + (plain.length >>> 7) + 1024,
    })
    if (packed.length < plain.length - (plain.length >>> 4)) {
      content = packed
      codec = 1
    }
  }
  head[0] = codec
  head[1] = sectionTypes[section.type]
  head.writeUInt32LE(plain.length, 2)
  head.writeUInt32LE(crc32c(plain), 6)
  head.writeUInt32LE(labelBytes, 10)
  label.copy(head, BODY_HEAD_BYTES)
  return [head, content]
}

/** Why a body could not be decoded; the caller knows object and place. */
export class BodyError extends Error {}

/** `body` must have been authenticated before. Stored content is a view into it. */
export function decodeBody(body: Buffer): Section {
  if (body.length < BODY_HEAD_BYTES) throw new BodyError('a section is shorter than its head')
  const [codec, typeNumber] = [body[0]!, body[1]!]
  const type = typeNames.get(typeNumber)
  if (type === undefined) throw new BodyError(`unknown section type ${typeNumber}`)
  const plainBytes = body.readUInt32LE(2)
  const labelBytes = body.readUInt32LE(10)
  if (BODY_HEAD_BYTES + labelBytes > body.length) throw new BodyError('a label is longer than its section')
  if (plainBytes > LARGEST_PLAIN_BYTES) throw new BodyError(`a section claims ${plainBytes} plain bytes`)
  const content = body.subarray(BODY_HEAD_BYTES + labelBytes)
  const plain = decodeContent(codec, content, plainBytes)
  if (plain.length !== plainBytes)
    throw new BodyError(`a section has ${plain.length} plain bytes and should have ${plainBytes}`)
  if (crc32c(plain) !== body.readUInt32LE(6)) throw new BodyError('the checksum of the plain bytes is wrong')
  return { type, label: body.subarray(BODY_HEAD_BYTES, BODY_HEAD_BYTES + labelBytes), plain }
}

function decodeContent(codec: number, content: Buffer, plainBytes: number): Buffer {
  if (codec === 0) return content
  if (codec !== 1) throw new BodyError(`unknown codec ${codec}`)
  try {
    return zstdDecompressSync(content, {
      // One byte more than there is: a chunk that is filled makes zlib ask for another one, and copy both (7.8 against 3.0 ms for 4 MB).
      chunkSize: Math.max(plainBytes + 1, 64),
      maxOutputLength: Math.max(plainBytes, 64),
    })
  } catch (error) {
    throw new BodyError(`zstd cannot decompress it: ${messageOf(error)}`)
  }
}
