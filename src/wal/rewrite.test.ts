import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { recordCrc } from './crc32c.ts'
import {
  LONG_HEADER_BYTES,
  pageFlags,
  pageMagics,
  RECORD_HEADER_BYTES,
  rmgr,
  SHORT_HEADER_BYTES,
  WAL_PAGE_BYTES,
} from './layouts.ts'
import type { WalRecord } from './record.ts'
import { RecordStream } from './record-stream.ts'
import { neighboursNeeded, rewriteTablespaces } from './rewrite.ts'

// WAL written here by the rules of the format, so that records can be put across any border.
const SEGMENT = 1024 * 1024
const START = 5n * BigInt(SEGMENT)

/** A record with main data only (short form, or long form from 256 bytes on). */
function recordBytes(parts: { rmgr: number; info: number; data: Buffer; previous: bigint }): Buffer {
  const { data } = parts
  const head = data.length < 256 ? Buffer.from([255, data.length]) : Buffer.alloc(5)
  if (data.length >= 256) {
    head[0] = 254
    head.writeUInt32LE(data.length, 1)
  }
  const bytes = Buffer.concat([Buffer.alloc(RECORD_HEADER_BYTES), head, data])
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(700, 4)
  bytes.writeBigUInt64LE(parts.previous, 8)
  bytes[16] = parts.info
  bytes[17] = parts.rmgr
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  view.setInt32(20, recordCrc(bytes, view, 0, bytes.length), true)
  return bytes
}

interface Wanted {
  readonly rmgr: number
  readonly data: Buffer
}

/** Lays records one after the other over `count` segments, with page headers; returns the segments. */
function layWal(records: readonly Wanted[], count: number): Buffer[] {
  const bytes = Buffer.alloc(SEGMENT * count)
  let position = 0
  let previous = 0n
  const header = (remaining: number): void => {
    const long = position % SEGMENT === 0
    bytes.writeUInt16LE(pageMagics[18]!, position)
    bytes.writeUInt16LE((long ? pageFlags.longHeader : 0) | (remaining > 0 ? pageFlags.continuation : 0), position + 2)
    bytes.writeUInt32LE(1, position + 4)
    bytes.writeBigUInt64LE(START + BigInt(position), position + 8)
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
    const lsn = START + BigInt(position)
    const record = recordBytes({ rmgr: one.rmgr, info: 0, data: one.data, previous })
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

function createTablespace(oid: number, path: string): Wanted {
  const data = Buffer.alloc(4 + Buffer.byteLength(path) + 1)
  data.writeUInt32LE(oid, 0)
  data.write(path, 4)
  return { rmgr: rmgr.tblspc, data }
}

interface Read {
  readonly rmgr: number
  readonly data: string
}

/** What PostgreSQL would replay: every record with its CRC checked. */
function readWal(segments: readonly Buffer[]): { records: Read[]; problems: readonly unknown[] } {
  const records: Read[] = []
  const sink = {
    record: (record: WalRecord): void => {
      records.push({
        rmgr: record.rmgr,
        data: Buffer.from(record.bytes.subarray(record.dataAt, record.dataAt + record.mainLength)).toString('latin1'),
      })
    },
  }
  const stream = new RecordStream(
    { startLsn: START, majorVersion: 18, segmentBytes: SEGMENT, systemIdentifier: 77n },
    sink,
  )
  for (const one of segments) stream.push(one)
  return {
    records,
    problems: stream.problems.filter(
      (one) => !one.message.startsWith('zeros stand') && !one.message.startsWith('page magic is 0'),
    ),
  }
}

/** Each segment rewritten alone, as `wal get` does, with the neighbours that it asks for. */
function rewriteEach(segments: readonly Buffer[]): { rewritten: Buffer[]; changed: number } {
  let changed = 0
  const rewritten = segments.map((original, index) => {
    const segment = Buffer.from(original)
    const place = { startLsn: START + BigInt(index * SEGMENT), majorVersion: 18, segmentBytes: SEGMENT }
    const needed = neighboursNeeded(segment, place)
    changed += rewriteTablespaces(segment, place, {
      previous: needed.previous ? segments[index - 1] : undefined,
      next: needed.next ? segments[index + 1] : undefined,
    })
    return segment
  })
  return { rewritten, changed }
}

const filler = (bytes: number): Wanted => ({ rmgr: rmgr.logicalMessage, data: Buffer.alloc(bytes, 7) })

test('a path becomes empty, the record keeps its length and gets a new checksum', () => {
  const segments = layWal([filler(100), createTablespace(16_400, '/srv/fast disk'), filler(50)], 1)
  const { rewritten, changed } = rewriteEach(segments)
  assert.equal(changed, 1)
  const { records, problems } = readWal(rewritten)
  assert.deepEqual(problems, [])
  assert.equal(records.length, 3)
  assert.equal(records[1]!.data, Buffer.concat([Buffer.from([0x10, 0x40, 0, 0]), Buffer.alloc(15)]).toString('latin1'))
})

test('other records, and tablespaces that are in place already, stay byte for byte', () => {
  const segments = layWal(
    [filler(3000), createTablespace(16_400, ''), { rmgr: rmgr.smgr, data: Buffer.from('/srv/fast') }, filler(20_000)],
    1,
  )
  const { rewritten, changed } = rewriteEach(segments)
  assert.equal(changed, 0)
  assert.ok(rewritten[0]!.equals(segments[0]!))
})

test('a record that crosses pages or segments at any byte is rewritten in both', () => {
  // Fills the first segment up to `before` bytes before its end, then creates the tablespace across the border.
  const property = fc.property(
    fc.integer({ min: 8, max: 1100 }),
    fc.integer({ min: 1, max: 1000 }),
    fc.boolean(),
    (before, length, atPage) => {
      const path = `/${'p'.repeat(length)}`
      const wanted = createTablespace(16_500, path)
      const border = atPage ? 5 * WAL_PAGE_BYTES : SEGMENT
      const records: Wanted[] = []
      // Small records that leave the wanted one to start within 1100 bytes of the border.
      let position = LONG_HEADER_BYTES
      const goal = border - (before & ~7)
      while (position + 2000 < goal) {
        records.push(filler(200))
        const size = (RECORD_HEADER_BYTES + 2 + 200 + 7) & ~7
        const crossed = Math.floor((position + size) / WAL_PAGE_BYTES) - Math.floor(position / WAL_PAGE_BYTES)
        position += size + crossed * SHORT_HEADER_BYTES
      }
      const rest = goal - position - RECORD_HEADER_BYTES - 5
      if (rest >= 256) records.push(filler(rest))
      records.push(wanted, filler(64), filler(64))
      const segments = layWal(records, 2)
      const { rewritten } = rewriteEach(segments)
      const [was, is] = [readWal(segments), readWal(rewritten)]
      assert.deepEqual(is.problems, [])
      assert.equal(is.records.length, was.records.length)
      assert.equal(was.records.length, records.length)
      for (const [index, record] of was.records.entries()) {
        if (record.rmgr === rmgr.tblspc)
          assert.equal(is.records[index]!.data, record.data.slice(0, 4) + '\0'.repeat(path.length + 1))
        else assert.deepEqual(is.records[index], record)
      }
    },
  )
  fc.assert(property, { numRuns: 60 })
})

test('neighbours are asked for only where a record of interest may cross', () => {
  const place = { startLsn: START, majorVersion: 18, segmentBytes: SEGMENT }
  assert.deepEqual(neighboursNeeded(layWal([filler(100)], 1)[0]!, place), { previous: false, next: false })
  const crossing = layWal([filler(SEGMENT - 8000), filler(30_000)], 2)
  assert.deepEqual(neighboursNeeded(crossing[0]!, place), { previous: false, next: false })
  assert.deepEqual(neighboursNeeded(crossing[1]!, { ...place, startLsn: START + BigInt(SEGMENT) }), {
    previous: false,
    next: false,
  })
})
