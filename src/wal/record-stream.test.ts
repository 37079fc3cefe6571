import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { layWal, recordBytes, SEGMENT, START, type Wanted } from './lay-wal.ts'
import { LONG_HEADER_BYTES, pageFlags, rmgr, SHORT_HEADER_BYTES, WAL_PAGE_BYTES, xlogInfo } from './layouts.ts'
import { RecordStream } from './record-stream.ts'

const filler = (bytes: number, fill = 7): Wanted => ({ rmgr: rmgr.logicalMessage, data: Buffer.alloc(bytes, fill) })

interface Read {
  readonly records: { start: number; end: number; length: number; fill: number }[]
  readonly stream: RecordStream
}

function read(bytes: Buffer, slices: readonly number[], options: { startLsn?: bigint; atRecord?: boolean } = {}): Read {
  const records: Read['records'] = []
  const stream = new RecordStream(
    {
      startLsn: options.startLsn ?? START,
      majorVersion: 18,
      segmentBytes: SEGMENT,
      atRecord: options.atRecord ?? false,
    },
    {
      record: (record) =>
        records.push({
          start: record.start,
          end: record.end,
          length: record.mainLength,
          fill: record.bytes[record.dataAt] ?? -1,
        }),
    },
  )
  let at = 0
  for (let n = 0; at < bytes.length; n++) {
    const count = slices.length === 0 ? bytes.length : slices[n % slices.length]!
    stream.push(bytes.subarray(at, at + count))
    at += count
  }
  return { records, stream }
}

/** Where the WAL that was laid ends: after the last byte that is not zero, aligned. */
function trimmed(bytes: Buffer): Buffer {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return bytes.subarray(0, (end + 7) & ~7)
}

test('the same records come out of any slices', () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 7000, max: 40_000 })), {
    minLength: 1,
    maxLength: 25,
  })
  const slices = fc.array(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 20_000 })), {
    minLength: 1,
    maxLength: 12,
  })
  const property = fc.property(sizes, slices, (wanted, cuts) => {
    const bytes = trimmed(
      Buffer.concat(
        layWal(
          wanted.map((size, n) => filler(size, 1 + (n % 250))),
          2,
        ),
      ),
    )
    const { records, stream } = read(bytes, cuts)
    assert.deepEqual(stream.problems, [])
    assert.deepEqual(
      records.map((one) => [one.length, one.fill]),
      wanted.map((size, n) => [size, 1 + (n % 250)]),
    )
    assert.deepEqual(records, read(bytes, []).records)
  })
  fc.assert(property, { numRuns: 40 })
})

test('any flipped bit outside page headers and padding costs records, and is told', () => {
  const sizes = Array.from({ length: 300 }, (_, n) => 20 + ((n * 37) % 400))
  const bytes = trimmed(
    Buffer.concat(
      layWal(
        sizes.map((size) => filler(size)),
        1,
      ),
    ),
  )
  const whole = read(bytes, []).records
  assert.equal(read(bytes, []).stream.openRecordLsn, undefined)
  const property = fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 7 }), (at, bit) => {
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 1 << bit
    const { records, stream } = read(damaged, [])
    if (stream.problems.length > 0) assert.ok(records.length < sizes.length)
    // A length that grew beyond the end of what is here: the record is still open, and what came before it is whole.
    else if (stream.openRecordLsn !== undefined) assert.deepEqual(records, whole.slice(0, records.length))
    // Unused header fields and alignment bytes carry nothing; everything that was read must be what was written.
    else assert.deepEqual(records, whole)
  })
  fc.assert(property, { numRuns: 150, examples: [[73_906, 0]] })
})

test('after a fault reading goes on at the next page where a record starts', () => {
  const bytes = trimmed(
    Buffer.concat(
      layWal(
        Array.from({ length: 400 }, (_, n) => filler(200, 1 + (n % 250))),
        1,
      ),
    ),
  )
  const whole = read(bytes, []).records
  const damaged = Buffer.from(bytes)
  damaged[3 * WAL_PAGE_BYTES + 4000]! ^= 0xff
  const { records, stream } = read(damaged, [1000])
  assert.equal(stream.problems.length, 1)
  assert.match(
    stream.problems[0]!.message,
    /^(record has a wrong checksum|record says it has|record does not point back)/,
  )
  assert.equal(stream.synced, true)
  assert.ok(records.length > whole.length - 60)
  for (const one of records) assert.ok(whole.some((other) => other.start === one.start && other.fill === one.fill))
})

test('a start within a record waits for the next one; a start at a record needs no page', () => {
  const bytes = trimmed(Buffer.concat(layWal([filler(100), filler(30_000), filler(100), filler(100)], 1)))
  const whole = read(bytes, []).records
  const from = 2 * WAL_PAGE_BYTES
  const late = read(bytes.subarray(from), [], { startLsn: START + BigInt(from) })
  assert.deepEqual(late.stream.problems, [])
  assert.equal(late.records.length, 2)
  const second = whole[2]!.start
  const exact = read(bytes.subarray(second), [7], { startLsn: START + BigInt(second), atRecord: true })
  assert.equal(exact.records.length, 2)
})

test('a record that was begun before a crash and overwritten is given up', () => {
  const bytes = trimmed(Buffer.concat(layWal([filler(100), filler(30_000)], 1)))
  const begun = bytes.subarray(0, WAL_PAGE_BYTES)
  const header = Buffer.from(bytes.subarray(WAL_PAGE_BYTES, WAL_PAGE_BYTES + SHORT_HEADER_BYTES))
  header.writeUInt16LE(pageFlags.overwritesContinuation, 2)
  header.writeUInt32LE(0, 16)
  // What the server writes on the next page after recovery points back to the last whole record.
  const previous = START + BigInt(LONG_HEADER_BYTES)
  const told = recordBytes({
    rmgr: rmgr.xlog,
    info: xlogInfo.overwriteContinuation,
    data: Buffer.alloc(14, 1),
    previous,
  })
  const at = START + BigInt(WAL_PAGE_BYTES + SHORT_HEADER_BYTES)
  const next = recordBytes({ rmgr: rmgr.logicalMessage, info: 0, data: Buffer.alloc(22, 5), previous: at })
  const { stream, records } = read(Buffer.concat([begun, header, told, next]), [500])
  assert.deepEqual(stream.problems, [])
  assert.deepEqual(
    records.map((one) => one.fill),
    [7, 1, 5],
  )
  // Without the flag it is a fault: the record that was begun is not continued.
  header.writeUInt16LE(0, 2)
  assert.match(
    read(Buffer.concat([begun, header, told]), []).stream.problems[0]!.message,
    /^record at 0\/\w+ is not continued here$/,
  )
})

test('after a switch record the rest of the segment is passed over', () => {
  const [first] = layWal([filler(100), { rmgr: rmgr.xlog, info: 0x40, data: Buffer.alloc(0) }], 1)
  const second = layWal([filler(60, 9)], 2)[0]!
  second.writeBigUInt64LE(START + BigInt(SEGMENT), 8)
  const { stream, records } = read(Buffer.concat([first!, trimmed(second)]), [5000])
  assert.equal(records[1]?.end, SEGMENT)
  // The record of the second segment was laid for the first: it points back to nothing.
  assert.deepEqual(
    stream.problems.map((one) => one.message),
    ['record does not point back to the one before it'],
  )
})

test('pages of another place, version, segment size or cluster are refused by name', () => {
  const bytes = layWal([filler(100)], 1)[0]!
  const message = (change: (copy: Buffer) => void): string | undefined => {
    const copy = Buffer.from(bytes.subarray(0, 200))
    change(copy)
    return read(copy, []).stream.problems[0]?.message
  }
  assert.equal(
    message((copy) => copy.writeUInt16LE(0xd110, 0)),
    'page magic is D110, D118 expected',
  )
  assert.equal(
    message((copy) => copy.writeBigUInt64LE(0x123_4000n, 8)),
    'page says it is at 0/1234000',
  )
  assert.equal(
    message((copy) => copy.writeUInt32LE(1 << 24, 32)),
    'page says that segments have 16777216 bytes',
  )
  assert.equal(
    message((copy) => copy.writeUInt16LE(0, 2)),
    'first page of a segment has a short header',
  )
  assert.equal(
    message((copy) => copy.fill(0, LONG_HEADER_BYTES)),
    'zeros stand where a record should start',
  )
  assert.throws(
    () => new RecordStream({ startLsn: 0n, majorVersion: 14, segmentBytes: SEGMENT }, { record: () => {} }),
    {
      code: 'wal.unsupported-version',
      message: 'WAL of PostgreSQL 14 is not known',
    },
  )
})
