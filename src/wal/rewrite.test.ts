import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { layWal, SEGMENT, START, type Wanted } from './lay-wal.ts'
import { LONG_HEADER_BYTES, RECORD_HEADER_BYTES, rmgr, SHORT_HEADER_BYTES, WAL_PAGE_BYTES } from './layouts.ts'
import type { WalRecord } from './record.ts'
import { RecordStream } from './record-stream.ts'
import { neighboursNeeded, rewriteTablespaces } from './rewrite.ts'

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

test('a record whose checksum is wrong is left as it is, for PostgreSQL to stop at', () => {
  const [segment] = layWal([createTablespace(16_400, '/srv/fast')], 1)
  segment![LONG_HEADER_BYTES + 21]! ^= 1
  const { rewritten, changed } = rewriteEach([segment!])
  assert.equal(changed, 0)
  assert.ok(rewritten[0]!.equals(segment!))
})
