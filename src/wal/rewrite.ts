// WAL for any server but the original in its original place: the path in CREATE TABLESPACE becomes empty, so that it replays as an in-place
// tablespace. With the path left in, a copy on the same host would empty and fill the folders of the live server.
import { recordCrc } from './crc32c.ts'
import { LONG_HEADER_BYTES, pageFlags, rmgr, SHORT_HEADER_BYTES, WAL_PAGE_BYTES } from './layouts.ts'
import type { Lsn } from './lsn.ts'
import type { WalRecord } from './record.ts'
import { RecordStream } from './record-stream.ts'

const TABLESPACE_CREATE = 0x00
/** Main data: oid of the tablespace, then its path as a C string. */
const PATH_AT = 4
const CRC_AT = 20
const RMGR_AT = 17
const INFO_AT = 16
/** XLR_BLOCK_ID_TOPLEVEL_XID; then origin, long and short main data. */
const FIRST_DATA_MARK = 252
const SLASH = 0x2f
/** Header, data header, oid and the longest path (MAXPGPATH 1024): a continuation that is longer belongs to another kind of record. */
const LARGEST_CREATE_BYTES = 24 + 5 + 4 + 1024
/** The same with the shortest path, "/": without one there is nothing to empty. */
const SMALLEST_CREATE_BYTES = 24 + 2 + 4 + 2

export interface SegmentPlace {
  readonly startLsn: Lsn
  readonly majorVersion: number
  readonly segmentBytes: number
}

/** Which neighbours rewriteTablespaces() needs to see: a record of interest may cross the segment's first or last byte. */
export function neighboursNeeded(
  segment: Buffer,
  place: SegmentPlace,
): { readonly previous: boolean; readonly next: boolean } {
  const continues = (segment.readUInt16LE(2) & pageFlags.continuation) !== 0
  const previous = continues && mayEndPath(segment, segment.readUInt32LE(16))
  if (!mayCreateTablespace(segment)) return { previous, next: false }
  const stream = new RecordStream(streamOptions(place.startLsn, place), { record: () => {} })
  stream.push(segment)
  const open = stream.openRecordLsn
  if (open === undefined) return { previous, next: false }
  const at = Number(open - place.startLsn)
  const kind =
    at + RMGR_AT < segment.length && at % WAL_PAGE_BYTES <= WAL_PAGE_BYTES - RMGR_AT - 1
      ? segment[at + RMGR_AT]
      : undefined
  return { previous, next: kind === undefined || kind === rmgr.tblspc }
}

/**
 * Empties the paths of CREATE TABLESPACE records in `segment`, in place, with their CRC made anew; lengths stay. `previous` and `next` are
 * the neighbouring segments (or at least the last and the first page of them), where neighboursNeeded() asks for them. Returns how many
 * records were changed.
 */
export function rewriteTablespaces(
  segment: Buffer,
  place: SegmentPlace,
  neighbours: { previous?: Buffer | undefined; next?: Buffer | undefined } = {},
): number {
  const { previous, next } = neighbours
  const before = previous?.subarray(-WAL_PAGE_BYTES)
  let changed = 0
  const sink = {
    record: (record: WalRecord, stream: RecordStream): void => {
      if (record.rmgr !== rmgr.tblspc || record.kind !== TABLESPACE_CREATE || record.mainLength <= PATH_AT + 1) return
      // A record that is broken already stays so: a new checksum would hide it from PostgreSQL.
      if (
        recordCrc(record.bytes, record.view, record.at, record.totalLength) !==
        record.view.getInt32(record.at + CRC_AT, true)
      )
        return
      const bytes = withoutPath(record)
      changed += scatter(bytes, { segment, place, recordLsn: stream.baseLsn + BigInt(record.start) }) ? 1 : 0
    },
  }
  const whole = mayCreateTablespace(segment)
  if (!whole && !before) return 0
  const stream = new RecordStream(streamOptions(place.startLsn - BigInt(before?.length ?? 0), place), sink)
  if (before) stream.push(before)
  // What began before ends on the first page, if it is of interest.
  stream.push(whole ? segment : segment.subarray(0, WAL_PAGE_BYTES))
  if (next) stream.push(next.subarray(0, WAL_PAGE_BYTES))
  return changed
}

/**
 * False only where the record that goes on at the segment's first byte creates no tablespace: that one ends with a path that begins with a slash, and
 * a zero. `left`: bytes of it that are here.
 */
function mayEndPath(segment: Buffer, left: number): boolean {
  if (left === 0 || left > LARGEST_CREATE_BYTES) return false
  const end = LONG_HEADER_BYTES + left - 1
  if (segment[end] !== 0) return false
  let at = end
  while (at > LONG_HEADER_BYTES && segment[at - 1] !== 0) at--
  // All that is here is path, and its beginning is in the segment before.
  if (at === LONG_HEADER_BYTES) return true
  return at < end && segment.subarray(at, end).includes(SLASH)
}

/**
 * False only where no record that begins in the segment can create a tablespace: looks at each place where one could begin, some milliseconds for
 * 16 MB where taking the records apart costs a hundred. True says no more than "look".
 */
function mayCreateTablespace(segment: Buffer): boolean {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length)
  for (let page = 0; page < segment.length; page += WAL_PAGE_BYTES) {
    const pageEnd = page + WAL_PAGE_BYTES
    for (let at = page + (page === 0 ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES); at < pageEnd; at += 8) {
      const total = view.getUint32(at, true)
      if (total < SMALLEST_CREATE_BYTES || total > LARGEST_CREATE_BYTES) continue
      const info = at + INFO_AT < pageEnd ? at + INFO_AT : at + INFO_AT + SHORT_HEADER_BYTES
      // The header goes on in the next segment.
      if (info >= segment.length) return true
      if (segment[info + 1] !== rmgr.tblspc || (segment[info]! & 0xf0) !== TABLESPACE_CREATE) continue
      // Two bytes that are always zero, then the CRC and the mark of main data or of what may stand before it (origin, top transaction).
      const data = info + CRC_AT - INFO_AT + 4
      const isOnPage = data < pageEnd || info > pageEnd
      if (!isOnPage || (segment.readUInt16LE(info + 2) === 0 && segment[data]! >= FIRST_DATA_MARK)) return true
    }
  }
  return false
}

function streamOptions(
  startLsn: Lsn,
  place: SegmentPlace,
): { startLsn: Lsn; majorVersion: number; segmentBytes: number; checkCrc: boolean } {
  // Checksums are for PostgreSQL to check: only a record that is changed gets a new one.
  return { startLsn, majorVersion: place.majorVersion, segmentBytes: place.segmentBytes, checkCrc: false }
}

function withoutPath(record: WalRecord): Buffer {
  const bytes = Buffer.from(record.bytes.subarray(record.at, record.at + record.totalLength))
  const path = record.dataAt - record.at + PATH_AT
  bytes.fill(0, path, record.dataAt - record.at + record.mainLength)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  view.setInt32(CRC_AT, recordCrc(bytes, view, 0, bytes.length), true)
  return bytes
}

/** Puts a record's bytes back between the page headers; what lies outside the segment is its neighbour's business. */
function scatter(bytes: Buffer, at: { segment: Buffer; place: SegmentPlace; recordLsn: Lsn }): boolean {
  const { segment, place } = at
  let touched = false
  let position = Number(at.recordLsn - place.startLsn)
  for (let done = 0; done < bytes.length;) {
    const inPage = ((position % WAL_PAGE_BYTES) + WAL_PAGE_BYTES) % WAL_PAGE_BYTES
    if (inPage === 0) {
      position += position % place.segmentBytes === 0 ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES
      continue
    }
    const count = Math.min(bytes.length - done, WAL_PAGE_BYTES - inPage)
    if (position >= 0 && position < segment.length) {
      bytes.copy(segment, position, done, done + count)
      touched = true
    }
    done += count
    position += count
  }
  return touched
}
