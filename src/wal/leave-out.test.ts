import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { layWal, SEGMENT, START, type Wanted, type WantedBlock } from './lay-wal.ts'
import { LONG_HEADER_BYTES, rmgr, xlogInfo } from './layouts.ts'
import { leaveOutAtEnd, leaveOutAtStart, leaveOutRecords } from './leave-out.ts'
import type { WalRecord } from './record.ts'
import { RecordStream } from './record-stream.ts'

const [HEAP, BTREE, GENERIC, CUSTOM] = [10, 11, 20, 128]
/** Odd relations of database 5 are left out. */
const leftOut = {
  has: (tablespace: number, database: number, relfilenode: number) =>
    tablespace === 1663 && database === 5 && relfilenode % 2 === 1,
}

function block(relfilenode: number, bytes = 40, database = 5): WantedBlock {
  return { tablespace: 1663, database, relfilenode, block: 7, data: Buffer.alloc(bytes, relfilenode) }
}

function change(relfilenodes: readonly number[], more: Partial<Wanted> & { bytes?: number } = {}): Wanted {
  const { bytes, ...wanted } = more
  return { rmgr: HEAP, data: Buffer.alloc(3, 1), ...wanted, blocks: relfilenodes.map((one) => block(one, bytes)) }
}

interface Read {
  readonly start: number
  readonly length: number
  readonly xid: number
  readonly rmgr: number
  readonly info: number
  readonly blocks: number
}

/** Every record as PostgreSQL's reader would take it: with its link and its checksum checked. */
function readWal(segments: readonly Buffer[]): readonly Read[] {
  const records: Read[] = []
  const sink = {
    record: ({ start, totalLength: length, xid, rmgr: manager, info, blockCount: blocks }: WalRecord): void =>
      void records.push({ start, length, xid, rmgr: manager, info, blocks }),
  }
  const stream = new RecordStream(
    { startLsn: START, majorVersion: 18, segmentBytes: SEGMENT, systemIdentifier: 77n },
    sink,
  )
  for (const one of segments) stream.push(one)
  const problems = stream.problems.filter((one) => !/^(zeros stand|page magic is 0)/.test(one.message))
  assert.deepEqual(problems, [])
  return records
}

/** Each segment alone, with the neighbours that it asks for, as they were. */
function leaveOutEach(segments: readonly Buffer[]): { made: readonly Buffer[]; asked: number } {
  let asked = 0
  const made = segments.map((original, index) => {
    const segment = Buffer.from(original)
    const place = { startLsn: START + BigInt(index * SEGMENT), majorVersion: 18, segmentBytes: SEGMENT }
    const found = leaveOutRecords(segment, place, leftOut)
    const [previous, next] = [segments[index - 1], segments[index + 1]]
    if (found.previous || found.next !== undefined) asked++
    if (found.previous && previous) leaveOutAtStart(segment, { place, leftOut, previous })
    if (found.next !== undefined && next) leaveOutAtEnd(segment, { place, leftOut, start: found.next, next })
    return segment
  })
  return { made, asked }
}

const isNoop = (one: Read): boolean => one.rmgr === rmgr.xlog && one.info === xlogInfo.noop && one.blocks === 0

test('only records that change nothing but pages of what is left out become NOOPs; place, length and transaction stay', () => {
  const records: readonly (Wanted & { gone: boolean })[] = [
    { ...change([17]), gone: true },
    { ...change([18]), gone: false },
    { ...change([17, 19], { rmgr: BTREE, info: 0x30 }), gone: true },
    { ...change([17, 18]), gone: false },
    { ...change([17], { rmgr: rmgr.xlog, info: xlogInfo.image }), gone: true },
    { ...change([17], { rmgr: rmgr.xlog, info: xlogInfo.imageForHint }), gone: true },
    { ...change([17], { rmgr: rmgr.xlog, info: xlogInfo.overwriteContinuation }), gone: false },
    { ...change([17], { rmgr: GENERIC }), gone: false },
    { ...change([17], { rmgr: CUSTOM }), gone: false },
    { ...change([17], { rmgr: rmgr.smgr }), gone: false },
    { rmgr: HEAP, data: Buffer.alloc(30, 9), gone: false },
    { rmgr: HEAP, data: Buffer.alloc(3), blocks: [block(17, 40, 6)], gone: false },
    { ...change([21], { bytes: 20_000 }), gone: true },
    { ...change([18]), gone: false },
  ]
  const segments = layWal(records, 1)
  const before = readWal(segments)
  const { made, asked } = leaveOutEach(segments)
  const after = readWal(made)
  assert.equal(before.length, records.length)
  assert.deepEqual(
    after.map((one) => ({ start: one.start, length: one.length, xid: one.xid })),
    before.map((one) => ({ start: one.start, length: one.length, xid: one.xid })),
  )
  assert.deepEqual(
    after.map((one) => isNoop(one)),
    records.map((one) => one.gone),
  )
  for (const [n, one] of after.entries()) if (!records[n]!.gone) assert.deepEqual(one, before[n])
  assert.equal(asked, 0)
})

test('a record that crosses pages or segments at any byte is the same in both', () => {
  const property = fc.property(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 0, max: 300 }),
    fc.integer({ min: 1, max: 4 }),
    fc.boolean(),
    (eights, bytes, blocks, gone) => {
      const relfilenodes = Array.from({ length: blocks }, (_, n) => 2 * n + (gone ? 1 : n === 0 ? 2 : 1))
      const small = change([18])
      const records: Wanted[] = Array.from({ length: 5 }, () => small)
      // Main data of any length up to the place where the record of interest begins.
      const open = layWal(records, 2)
      const from = readWal(open).at(-1)!
      let pad = SEGMENT - eights * 8 - (from.start + 104) - 24 - 5
      pad -= Math.floor((SEGMENT - eights * 8) / 8192) * 24
      for (let n = 0; n < 3; n++) {
        const tried = readWal(layWal([...records, { rmgr: rmgr.logicalMessage, data: Buffer.alloc(pad) }, small], 2))
        pad += SEGMENT - eights * 8 - tried.at(-1)!.start
      }
      records.push({ rmgr: rmgr.logicalMessage, data: Buffer.alloc(pad) }, change(relfilenodes, { bytes }), small)
      const segments = layWal(records, 2)
      const before = readWal(segments)
      assert.equal(before.at(-2)!.start, SEGMENT - eights * 8)
      const after = readWal(leaveOutEach(segments).made)
      assert.equal(after.length, before.length)
      assert.equal(isNoop(after.at(-2)!), gone)
      if (!gone) assert.deepEqual(after, before)
    },
  )
  fc.assert(property, { numRuns: 60 })
})

test('a record whose checksum is wrong is wrong afterwards', () => {
  const [segment] = layWal([change([17], { bytes: 500 }), change([18])], 1)
  segment![LONG_HEADER_BYTES + 300]! ^= 1
  const place = { startLsn: START, majorVersion: 18, segmentBytes: SEGMENT }
  assert.equal(leaveOutRecords(segment!, place, leftOut).changed, 1)
  const problems: string[] = []
  const stream = new RecordStream({ startLsn: START, majorVersion: 18, segmentBytes: SEGMENT }, { record: () => {} })
  stream.push(segment!)
  problems.push(...stream.problems.map((one) => one.message))
  assert.equal(problems[0], 'record has a wrong checksum')
})
