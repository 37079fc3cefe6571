// WAL for unit tests, also of other rooms: the product itself never writes any.
import { recordCrc } from './crc32c.ts'
import {
  LONG_HEADER_BYTES,
  pageFlags,
  pageMagics,
  RECORD_HEADER_BYTES,
  SHORT_HEADER_BYTES,
  WAL_PAGE_BYTES,
} from './layouts.ts'

// WAL written here by the rules of the format, so that records can be put across any border.
export const SEGMENT = 1024 * 1024
export const START = 5n * BigInt(SEGMENT)

/** A record: references of blocks with their data, then main data (short form, or long form from 256 bytes on). */
export function recordBytes(parts: Wanted & { previous: bigint }): Buffer {
  const { data, blocks = [] } = parts
  const heads = blocks.map((one, id) => {
    const head = Buffer.alloc(20)
    head[0] = id
    head[1] = 0x20
    head.writeUInt16LE(one.data.length, 2)
    head.writeUInt32LE(one.tablespace, 4)
    head.writeUInt32LE(one.database, 8)
    head.writeUInt32LE(one.relfilenode, 12)
    head.writeUInt32LE(one.block, 16)
    return head
  })
  const head = data.length < 256 ? Buffer.from([255, data.length]) : Buffer.alloc(5)
  if (data.length >= 256) {
    head[0] = 254
    head.writeUInt32LE(data.length, 1)
  }
  const bytes = Buffer.concat([
    Buffer.alloc(RECORD_HEADER_BYTES),
    ...heads,
    head,
    ...blocks.map((one) => one.data),
    data,
  ])
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(700, 4)
  bytes.writeBigUInt64LE(parts.previous, 8)
  bytes[16] = parts.info ?? 0
  bytes[17] = parts.rmgr
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  view.setInt32(20, recordCrc(bytes, view, 0, bytes.length), true)
  return bytes
}

export interface WantedBlock {
  readonly tablespace: number
  readonly database: number
  readonly relfilenode: number
  readonly block: number
  readonly data: Buffer
}

export interface Wanted {
  readonly rmgr: number
  readonly info?: number
  readonly data: Buffer
  readonly blocks?: readonly WantedBlock[]
}

/** Lays records one after the other over `count` segments from `start` on, with page headers; returns the segments. */
export function layWal(records: readonly Wanted[], count: number, start = START): Buffer[] {
  const bytes = Buffer.alloc(SEGMENT * count)
  let position = 0
  let previous = 0n
  const header = (remaining: number): void => {
    const long = position % SEGMENT === 0
    bytes.writeUInt16LE(pageMagics[18]!, position)
    bytes.writeUInt16LE((long ? pageFlags.longHeader : 0) | (remaining > 0 ? pageFlags.continuation : 0), position + 2)
    bytes.writeUInt32LE(1, position + 4)
    bytes.writeBigUInt64LE(start + BigInt(position), position + 8)
    bytes.writeUInt32LE(remaining, position + 16)
    if (long) {
      bytes.writeBigUInt64LE(77n, position + 24)
      bytes.writeUInt32LE(SEGMENT, position + 32)
      bytes.writeUInt32LE(WAL_PAGE_BYTES, position + 36)
    }
    position += long ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES
  }
  for (const one of records) {
    if (position % WAL_PAGE_BYTES === 0) header(0)
    const lsn = start + BigInt(position)
    const record = recordBytes({ ...one, previous })
    previous = lsn
    for (let done = 0; done < record.length;) {
      if (position % WAL_PAGE_BYTES === 0) header(record.length - done)
      const room = Math.min(WAL_PAGE_BYTES - (position % WAL_PAGE_BYTES), record.length - done)
      record.copy(bytes, position, done, done + room)
      done += room
      position += room
    }
    position = (position + 7) & ~7
  }
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(bytes.subarray(index * SEGMENT, (index + 1) * SEGMENT)),
  )
}
