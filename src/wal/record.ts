// One WAL record, decoded in place. The same object is filled again for every record: hundreds of thousands lie in one segment.
import { blockFlags, imageFlags, partId, RECORD_HEADER_BYTES } from './layouts.ts'
import type { Lsn } from './lsn.ts'

/** Records register blocks under ids 0 to 32. */
export const MAX_BLOCKS = 33

/**
 * A record as RecordStream hands it out: valid only during the call. Positions `start` and `end` count from the stream's
 * `baseLsn`, so that they are plain numbers.
 */
export class WalRecord {
  /** Where the record begins; for PostgreSQL the record's LSN. */
  start = 0
  /** Where it ends, padding included: the LSN that pages get. */
  end = 0
  totalLength = 0
  xid = 0
  info = 0
  rmgr = 0
  /** Set with wal_level = logical on the first record of a subtransaction; else 0. */
  topXid = 0

  /** Block references, by order of appearance, `blockCount` of them. */
  blockCount = 0
  readonly blockId = new Uint8Array(MAX_BLOCKS)
  readonly fork = new Uint8Array(MAX_BLOCKS)
  readonly tablespace = new Uint32Array(MAX_BLOCKS)
  readonly database = new Uint32Array(MAX_BLOCKS)
  readonly relfilenode = new Uint32Array(MAX_BLOCKS)
  readonly block = new Uint32Array(MAX_BLOCKS)
  /** fork_flags byte; see blockFlags. */
  readonly flags = new Uint8Array(MAX_BLOCKS)
  readonly dataLength = new Uint16Array(MAX_BLOCKS)
  /** Length as stored, 0 without an image. */
  readonly imageLength = new Uint16Array(MAX_BLOCKS)
  readonly imageInfo = new Uint8Array(MAX_BLOCKS)
  readonly holeOffset = new Uint16Array(MAX_BLOCKS)
  readonly holeLength = new Uint16Array(MAX_BLOCKS)

  /** The record's bytes: header at `at`. Contiguous even where pages lie in between. */
  bytes: Uint8Array = new Uint8Array()
  view: DataView = new DataView(new ArrayBuffer(0))
  at = 0
  /** Main data: within `bytes`. */
  dataAt = 0
  mainLength = 0

  /** Record kind: the rmgr's own bits of xl_info. */
  get kind(): number {
    return this.info & 0xf0
  }

  /** Fills everything from the bytes at `at`; false where lengths contradict each other. The CRC has been checked before. */
  decode(): boolean {
    const { view, bytes, at } = this
    this.xid = view.getUint32(at + 4, true)
    this.info = view.getUint8(at + 16)
    this.rmgr = view.getUint8(at + 17)
    this.topXid = 0
    this.blockCount = 0
    this.mainLength = 0
    const end = at + this.totalLength
    let cursor = at + RECORD_HEADER_BYTES
    let dataTotal = 0
    while (end - cursor > dataTotal) {
      const id = bytes[cursor]!
      if (id <= partId.maxBlock) {
        if (cursor + 8 > end) return false
        cursor = this.decodeBlock(cursor, end)
        if (cursor < 0) return false
        const last = this.blockCount - 1
        dataTotal += this.dataLength[last]! + this.imageLength[last]!
      } else if (id === partId.dataShort || id === partId.dataLong) {
        const short = id === partId.dataShort
        if (cursor + (short ? 2 : 5) > end) return false
        this.mainLength = short ? bytes[cursor + 1]! : view.getUint32(cursor + 1, true)
        cursor += short ? 2 : 5
        dataTotal += this.mainLength
        break
      } else if (id === partId.origin) cursor += 3
      else if (id === partId.topXid) {
        if (cursor + 5 > end) return false
        this.topXid = view.getUint32(cursor + 1, true)
        cursor += 5
      } else return false
    }
    this.dataAt = end - this.mainLength
    return end - cursor === dataTotal
  }

  /** One block header; returns the cursor after it, or −1. */
  private decodeBlock(from: number, end: number): number {
    const { view, bytes } = this
    const n = this.blockCount
    if (n >= MAX_BLOCKS) return -1
    const flags = bytes[from + 1]!
    this.blockId[n] = bytes[from]!
    this.flags[n] = flags
    this.fork[n] = flags & blockFlags.forkMask
    this.dataLength[n] = view.getUint16(from + 2, true)
    this.imageLength[n] = 0
    let cursor = from + 4
    if (flags & blockFlags.hasImage) {
      cursor = this.decodeImage(cursor, end)
      if (cursor < 0) return -1
    }
    if (flags & blockFlags.sameRelation) {
      if (n === 0) return -1
      this.tablespace[n] = this.tablespace[n - 1]!
      this.database[n] = this.database[n - 1]!
      this.relfilenode[n] = this.relfilenode[n - 1]!
    } else {
      if (cursor + 16 > end) return -1
      this.tablespace[n] = view.getUint32(cursor, true)
      this.database[n] = view.getUint32(cursor + 4, true)
      this.relfilenode[n] = view.getUint32(cursor + 8, true)
      cursor += 12
    }
    if (cursor + 4 > end) return -1
    this.block[n] = view.getUint32(cursor, true)
    this.blockCount = n + 1
    return cursor + 4
  }

  private decodeImage(from: number, end: number): number {
    if (from + 7 > end) return -1
    const { view, bytes } = this
    const n = this.blockCount
    const info = bytes[from + 4]!
    this.imageLength[n] = view.getUint16(from, true)
    this.holeOffset[n] = view.getUint16(from + 2, true)
    this.imageInfo[n] = info
    this.holeLength[n] = 0
    if ((info & imageFlags.hasHole) === 0) return from + 5
    if ((info & imageFlags.compressed) === 0) {
      this.holeLength[n] = 8192 - (this.imageLength[n] ?? 0)
      return from + 5
    }
    this.holeLength[n] = view.getUint16(from + 5, true)
    return from + 7
  }
}

/** What wants to see records. Calls are synchronous, in order of LSN. */
export interface RecordSink {
  /** `record` is filled again for the next one: keep nothing of it. */
  record(record: WalRecord, stream: { readonly baseLsn: Lsn }): void
}
