// Head and tail of a sealed object (doc/design/repository-format.md section 3), byte for byte.
import { crc32c } from '@node-rs/crc32'

import { errors } from '../errors.ts'

export const HEAD_BYTES = 112
export const TAIL_BYTES = 36
/** What the wrapping of the object key authenticates: all of the head before its nonce. */
export const HEAD_WRAPPED_BYTES = 48
export const FORMAT_VERSION = 1

export const objectKinds = {
  pack: 1,
  maps: 2,
  manifest: 3,
  wal: 4,
  history: 5,
  lease: 6,
  confirmation: 7,
  copy: 16,
  kept: 17,
  input: 18,
  notice: 24,
  checked: 25,
  progress: 26,
  export: 27,
  tombstone: 48,
  revival: 49,
  hold: 50,
  reader: 51,
} as const
export type ObjectKind = keyof typeof objectKinds
export const sealings = { none: 0, 'aes-256-gcm': 1 } as const
export type Sealing = keyof typeof sealings

const kindNames = new Map<number, ObjectKind>(
  Object.entries(objectKinds).map(([name, value]) => [value, name as ObjectKind]),
)
const MAGIC = Buffer.from('WHARFOBJ', 'latin1')
const END_MAGIC = Buffer.from('WHARFEND', 'latin1')

export interface Head {
  readonly kind: ObjectKind
  readonly sealing: Sealing
  /** Number of the data key that wraps the object key; 0 without sealing. */
  readonly dataKey: number
  readonly repositoryId: Buffer
  readonly objectId: Buffer
  /** Nonce, wrapped key and tag: 12 + 32 + 16 bytes; zeros without sealing. */
  readonly wrapped: Buffer
}

/** The first 48 bytes, which come before the wrapped key and are authenticated by it. */
export function encodeHeadStart(head: Omit<Head, 'wrapped'>): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES)
  MAGIC.copy(bytes, 0)
  bytes.writeUInt8(FORMAT_VERSION, 8)
  bytes.writeUInt8(objectKinds[head.kind], 9)
  bytes.writeUInt8(sealings[head.sealing], 10)
  bytes.writeUInt32LE(head.dataKey, 12)
  head.repositoryId.copy(bytes, 16, 0, 16)
  head.objectId.copy(bytes, 32, 0, 16)
  return bytes
}

/** Completes what encodeHeadStart() began. */
export function completeHead(bytes: Buffer, wrapped: Buffer): Buffer {
  wrapped.copy(bytes, HEAD_WRAPPED_BYTES, 0, 60)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 108)), 108)
  return bytes
}

/** `name` is for errors only. Views into `bytes`, not copies. */
export function decodeHead(bytes: Buffer, name: string): Head {
  const damaged = (reason: string) => errors.damagedObject({ object: name, reason }, { place: { object: name } })
  if (bytes.length < HEAD_BYTES) throw damaged(`it ends within its head, after ${bytes.length} bytes`)
  if (!bytes.subarray(0, 8).equals(MAGIC)) throw damaged('it does not begin like an object of a repository')
  if (bytes.readUInt32LE(108) !== crc32c(bytes.subarray(0, 108))) throw damaged('the checksum of its head is wrong')
  if (bytes[8] !== FORMAT_VERSION) throw errors.unknownFormat({ object: name, what: `version ${bytes[8]}` })
  const kind = kindNames.get(bytes[9]!)
  if (kind === undefined) throw errors.unknownFormat({ object: name, what: `kind ${bytes[9]}` })
  if (bytes[10]! > 1) throw errors.unknownFormat({ object: name, what: `sealing ${bytes[10]}` })
  if (bytes[11] !== 0) throw errors.unknownFormat({ object: name, what: `flags ${bytes[11]}` })
  const sealing: Sealing = bytes[10] === 1 ? 'aes-256-gcm' : 'none'
  const wrapped = bytes.subarray(HEAD_WRAPPED_BYTES, 108)
  if (sealing === 'none' && (bytes.readUInt32LE(12) !== 0 || wrapped.some((byte) => byte !== 0))) {
    throw damaged('it names a key but is not sealed')
  }
  return {
    kind,
    sealing,
    dataKey: bytes.readUInt32LE(12),
    repositoryId: bytes.subarray(16, 32),
    objectId: bytes.subarray(32, 48),
    wrapped,
  }
}

export interface Tail {
  readonly objectBytes: number
  readonly directoryOffset: number
  readonly directoryBytes: number
  readonly sections: number
}

export function encodeTail(tail: Tail): Buffer {
  const bytes = Buffer.alloc(TAIL_BYTES)
  END_MAGIC.copy(bytes, 0)
  bytes.writeBigUInt64LE(BigInt(tail.objectBytes), 8)
  bytes.writeBigUInt64LE(BigInt(tail.directoryOffset), 16)
  bytes.writeUInt32LE(tail.directoryBytes, 24)
  bytes.writeUInt32LE(tail.sections, 28)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 32)), 32)
  return bytes
}

/** `bytes` are the last 36 of the object; `objectBytes` is its length by the store. */
export function decodeTail(bytes: Buffer, name: string, objectBytes: number): Tail {
  const damaged = (reason: string) => errors.damagedObject({ object: name, reason }, { place: { object: name } })
  if (bytes.length < TAIL_BYTES || !bytes.subarray(0, 8).equals(END_MAGIC)) throw damaged('its end is missing')
  if (bytes.readUInt32LE(32) !== crc32c(bytes.subarray(0, 32))) throw damaged('the checksum of its tail is wrong')
  const length = bytes.readBigUInt64LE(8)
  if (length !== BigInt(objectBytes)) throw damaged(`it has ${objectBytes} bytes and should have ${length}`)
  const directoryOffset = Number(bytes.readBigUInt64LE(16))
  const directoryBytes = bytes.readUInt32LE(24)
  if (directoryOffset < HEAD_BYTES || directoryOffset + directoryBytes + TAIL_BYTES !== objectBytes) {
    throw damaged('its tail points outside of it')
  }
  return { objectBytes, directoryOffset, directoryBytes, sections: bytes.readUInt32LE(28) }
}
