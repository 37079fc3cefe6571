// WAL for a server on which some relations are left out: records that change nothing but pages of those become XLOG_NOOP, in place. Replay passes over them, so that it
// neither fills the files of what nobody wanted nor waits for them.
//
// A record keeps its length, its transaction, its link to the one before, and every byte of its data, which now counts as the data of the NOOP: only eleven bytes of its beginning
// change (kind, resource manager, mark and length of the data, checksum). So a record that crosses into the next segment is changed in the one in which it begins, and a record that was
// damaged stays so: its checksum is moved by what changed, not made anew.
import { crcOverZeros, crcStep } from './crc32c.ts'
import {
  LONG_HEADER_BYTES,
  pageFlags,
  pageRmgrs,
  partId,
  RECORD_HEADER_BYTES,
  rmgr,
  SHORT_HEADER_BYTES,
  WAL_PAGE_BYTES,
  xlogInfo,
} from './layouts.ts'
import { WalRecord } from './record.ts'
import { RecordStream } from './record-stream.ts'
import type { SegmentPlace } from './rewrite.ts'

export interface LeftOutRelations {
  has(tablespace: number, database: number, relfilenode: number): boolean
}

/** What of a record's beginning changes: its header, the mark of long main data, and that one's length. */
const CHANGED_BYTES = RECORD_HEADER_BYTES + 5
const [INFO_AT, RMGR_AT, CRC_AT] = [16, 17, 20]
/** Longer than any header of a record with all its block references. */
const HEAD_BYTES = 2048

export interface LeftOutRecords {
  readonly changed: number
  /** The record that goes on at the segment's first byte may begin so shortly before it that some of its changes are here: leaveOutAtStart() knows. */
  readonly previous: boolean
  /** Where the last record begins, if the next segment is needed to tell what it is: leaveOutAtEnd() knows. */
  readonly next: number | undefined
}

/** Changes the records of `segment` of which it tells all that is needed. */
export function leaveOutRecords(segment: Buffer, place: SegmentPlace, leftOut: LeftOutRelations): LeftOutRecords {
  let changed = 0
  const sink = {
    record: (record: WalRecord): void => {
      if (!changesOnly(record, leftOut)) return
      silence(segment, { start: record.start, place, head: record.bytes, at: record.at, total: record.totalLength })
      changed++
    },
  }
  const stream = streamOf(place, sink)
  stream.push(segment)
  const previous = mayBeginBefore(segment, leftOut)
  if (stream.openRecordLsn === undefined) return { changed, previous, next: undefined }
  const start = Number(stream.openRecordLsn - place.startLsn)
  const verdict = judgeHead(readFrom(segment, { start, place }), leftOut)
  if (verdict.kind === 'unknown') return { changed, previous, next: start }
  if (verdict.kind === 'kept') return { changed, previous, next: undefined }
  silence(segment, { start, place, head: verdict.head, at: 0, total: verdict.total })
  return { changed: changed + 1, previous, next: undefined }
}

/** Changes what lies in `segment` of the record that begins at the end of `previous`. */
export function leaveOutAtStart(
  segment: Buffer,
  of: { place: SegmentPlace; leftOut: LeftOutRelations; previous: Buffer },
): boolean {
  const { place, leftOut } = of
  const before = of.previous.subarray(-WAL_PAGE_BYTES)
  const stream = streamOf({ ...place, startLsn: place.startLsn - BigInt(before.length) }, { record: () => {} })
  stream.push(before)
  if (stream.openRecordLsn === undefined) return false
  const start = Number(stream.openRecordLsn - place.startLsn)
  if (-start >= CHANGED_BYTES) return false
  const around = Buffer.concat([before, segment.subarray(0, WAL_PAGE_BYTES)])
  const verdict = judgeHead(readFrom(around, { start: start + before.length, place, from: before.length }), leftOut)
  if (verdict.kind !== 'left out') return false
  silence(segment, { start, place, head: verdict.head, at: 0, total: verdict.total })
  return true
}

/** Changes what lies in `segment` of the record that begins at `start` and goes on in `next`. */
export function leaveOutAtEnd(
  segment: Buffer,
  of: { place: SegmentPlace; leftOut: LeftOutRelations; start: number; next: Buffer },
): boolean {
  const { place, leftOut, start } = of
  const before = segment.subarray(-2 * WAL_PAGE_BYTES)
  const from = segment.length - before.length
  const around = Buffer.concat([before, of.next.subarray(0, WAL_PAGE_BYTES)])
  const verdict = judgeHead(readFrom(around, { start: start - from, place, from: before.length }), leftOut)
  if (verdict.kind !== 'left out') return false
  silence(segment, { start, place, head: verdict.head, at: 0, total: verdict.total })
  return true
}

function streamOf(place: SegmentPlace, sink: { record(record: WalRecord): void }): RecordStream {
  const { startLsn, majorVersion, segmentBytes } = place
  // Checksums are for PostgreSQL to check: ours keep what was wrong with them.
  return new RecordStream({ startLsn, majorVersion, segmentBytes, checkCrc: false }, sink)
}

/**
 * Resource managers whose records have no effect beyond the pages that they name, and the visibility and free space maps of the same relation. Generic is not
 * among them, nor what extensions bring: what their redo does is theirs.
 */
const pageManagers: ReadonlySet<number> = new Set(pageRmgrs)
const imageKinds: ReadonlySet<number> = new Set([xlogInfo.image, xlogInfo.imageForHint])

function changesOnly(record: WalRecord, leftOut: LeftOutRelations): boolean {
  if (!(pageManagers.has(record.rmgr) || (record.rmgr === rmgr.xlog && imageKinds.has(record.kind)))) return false
  return namesOnly(record, leftOut)
}

function namesOnly(record: WalRecord, leftOut: LeftOutRelations): boolean {
  for (let n = 0; n < record.blockCount; n++)
    if (!leftOut.has(record.tablespace[n]!, record.database[n]!, record.relfilenode[n]!)) return false
  return record.blockCount > 0
}

/** The beginning of a record, as far as it is there. */
interface Head {
  readonly bytes: Buffer
  readonly length: number
}

type Verdict =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'kept' }
  | { readonly kind: 'left out'; readonly head: Buffer; readonly total: number }

function judgeHead({ bytes, length }: Head, leftOut: LeftOutRelations): Verdict {
  const total = bytes.readUInt32LE(0)
  const record = decodeHead(bytes, total)
  const headLength = record === undefined ? HEAD_BYTES : total - dataOf(record)
  if (headLength > length) return { kind: length < HEAD_BYTES ? 'unknown' : 'kept' }
  return record && changesOnly(record, leftOut) ? { kind: 'left out', head: bytes, total } : { kind: 'kept' }
}

/** Undefined where no record of that length begins so. */
function decodeHead(bytes: Buffer, total: number): WalRecord | undefined {
  if (total < CHANGED_BYTES) return undefined
  const record = new WalRecord()
  record.bytes = bytes
  record.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  record.totalLength = total
  return record.decode() ? record : undefined
}

function dataOf(record: WalRecord): number {
  let sum = record.mainLength
  for (let n = 0; n < record.blockCount; n++) sum += record.dataLength[n]! + record.imageLength[n]!
  return sum
}

/** Reads a record's beginning out of whole pages, between their headers. `from`: where in `pages` a segment begins. */
function readFrom(pages: Buffer, of: { start: number; place: SegmentPlace; from?: number }): Head {
  const bytes = Buffer.alloc(HEAD_BYTES)
  let length = 0
  for (let position = of.start; position < pages.length && length < HEAD_BYTES;) {
    const inPage = position % WAL_PAGE_BYTES
    if (inPage === 0) {
      position += (position - (of.from ?? 0)) % of.place.segmentBytes === 0 ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES
      continue
    }
    const count = Math.min(HEAD_BYTES - length, WAL_PAGE_BYTES - inPage)
    length += pages.copy(bytes, length, position, position + count)
    position += count
  }
  return { bytes, length }
}

/**
 * Whether of the record that goes on at the first byte so little may lie before it that some of the bytes that change are here. Records begin at multiples of
 * eight: 8, 16 or 24 bytes then. Each is tried; a record that has more before it hardly ever looks like one of these.
 */
function mayBeginBefore(segment: Buffer, leftOut: LeftOutRelations): boolean {
  if ((segment.readUInt16LE(2) & pageFlags.continuation) === 0) return false
  const remaining = segment.readUInt32LE(16)
  return [8, 16, 24].some((before) => {
    const bytes = Buffer.alloc(HEAD_BYTES)
    segment.copy(bytes, before, LONG_HEADER_BYTES, LONG_HEADER_BYTES + HEAD_BYTES - before)
    const record = decodeHead(bytes, before + remaining)
    if (record === undefined) return false
    return before <= INFO_AT ? changesOnly(record, leftOut) : namesOnly(record, leftOut)
  })
}

interface Silenced {
  /** Of the record, from the segment's first byte; negative where it begins before. */
  readonly start: number
  readonly place: SegmentPlace
  /** What the record was, from `at` on. */
  readonly head: Uint8Array
  readonly at: number
  readonly total: number
}

const changedAt = [INFO_AT, RMGR_AT, 20, 21, 22, 23, 24, 25, 26, 27, 28] as const
const changes = new Uint8Array(CHANGED_BYTES)
const changesView = new DataView(changes.buffer)

/** Of what changes, whatever lies in the segment. */
function silence(segment: Buffer, one: Silenced): void {
  const { head, at, total } = one
  changes[INFO_AT] = xlogInfo.noop
  changes[RMGR_AT] = rmgr.xlog
  changes[RECORD_HEADER_BYTES] = partId.dataLong
  changesView.setUint32(RECORD_HEADER_BYTES + 1, total - CHANGED_BYTES, true)
  // The checksum goes over what follows the header first, then over the header; where nothing differs it only moves on.
  let register = 0
  for (let n = RECORD_HEADER_BYTES; n < CHANGED_BYTES; n++) register = crcStep(register, head[at + n]! ^ changes[n]!)
  register = crcOverZeros(register, total - CHANGED_BYTES + INFO_AT)
  for (const n of [INFO_AT, RMGR_AT]) register = crcStep(register, head[at + n]! ^ changes[n]!)
  register = crcOverZeros(register, CRC_AT - RMGR_AT - 1)
  const was = head[at + CRC_AT]! | (head[at + 21]! << 8) | (head[at + 22]! << 16) | (head[at + 23]! << 24)
  changesView.setInt32(CRC_AT, was ^ register, true)
  for (const n of changedAt) {
    const position = positionOf(n, one)
    if (position >= 0 && position < segment.length) segment[position] = changes[n]!
  }
}

/** Of the `offset`-th byte of a record, that may lie behind one page border. */
function positionOf(offset: number, { start, place }: Silenced): number {
  const inPage = ((start % WAL_PAGE_BYTES) + WAL_PAGE_BYTES) % WAL_PAGE_BYTES
  const room = WAL_PAGE_BYTES - inPage
  if (offset < room) return start + offset
  const border = start + room
  return start + offset + (border % place.segmentBytes === 0 ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES)
}
