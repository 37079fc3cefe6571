// Borders of records, read from WAL that is cut into chunks of any size: a quiet warehouse has several of them in one page.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import type { WalArchive, WalChunkInfo } from '../../repository/contract.ts'
import { layWal, SEGMENT, START, type Wanted } from '../../wal/lay-wal.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { RecordStream } from '../../wal/record-stream.ts'
import type { HistoryView } from './commit-index.ts'
import { firstRecordFrom, lastRecordEnd } from './records.ts'

const { signal } = new AbortController()

interface Borders {
  readonly start: Lsn
  readonly end: Lsn
}

/** The truth: the whole segment read in one go. */
function bordersOf(bytes: Buffer): Borders[] {
  const found: Borders[] = []
  const stream = new RecordStream(
    { startLsn: START, majorVersion: 18, segmentBytes: SEGMENT },
    {
      record: ({ start, end }, { baseLsn }) =>
        void found.push({ start: baseLsn + BigInt(start), end: baseLsn + BigInt(end) }),
    },
  )
  stream.push(bytes)
  return found
}

/** The segment as an archive that cut it at `cuts`, positions within it; what lies before the first is not there where `headless`. */
function archiveOf(bytes: Buffer, cuts: readonly number[], endLsn: Lsn, headless = false) {
  const end = Number(endLsn - START)
  const places = [...new Set([0, ...cuts.filter((cut) => cut < end), end])].toSorted((one, other) => one - other)
  const chunks = places.slice(1).map((to, index) => {
    const startLsn = START + BigInt(places[index]!)
    const info = { object: `wal/${index}`, startLsn, endLsn: START + BigInt(to) } as WalChunkInfo
    return { info, fromLsn: startLsn, toLsn: info.endLsn }
  })
  const read = ({ startLsn, endLsn: until }: WalChunkInfo) =>
    Promise.resolve({
      bytes: bytes.subarray(Number(startLsn - START), Number(until - START)),
      postgresVersion: 180_000,
      walSegmentBytes: SEGMENT,
    })
  const view = { chunks: headless ? chunks.slice(1) : chunks } as unknown as HistoryView
  return { wal: { read } as unknown as Pick<WalArchive, 'read'>, view, endLsn, signal }
}

const world = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 60, maxLength: 250 }),
  large: fc.constantFrom(0, 9_000, 30_000),
  cuts: fc.array(fc.nat(60_000), { maxLength: 60 }),
})

function laid({ sizes, large }: { sizes: readonly number[]; large: number }): { bytes: Buffer; borders: Borders[] } {
  const records: Wanted[] = sizes.map((size, at) => ({
    rmgr: 10,
    data: Buffer.alloc(at === 30 && large ? large : size, at),
  }))
  const [bytes] = layWal(records, 1)
  return { bytes: bytes!, borders: bordersOf(bytes!) }
}

void test('the next record after a position, however WAL is cut', async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.array(fc.nat(50_000), { minLength: 5, maxLength: 15 }), async (of, offsets) => {
      const { bytes, borders } = laid(of)
      const endLsn = borders.at(-1)!.end
      const parts = archiveOf(bytes, of.cuts, endLsn)
      for (const lsn of [
        ...offsets.map((one) => START + BigInt(one)),
        ...borders.slice(0, 40).map(({ start }) => start + 1n),
      ]) {
        const truth = borders.find(({ start }) => start >= lsn)?.start
        assert.equal(await firstRecordFrom(parts, lsn), truth, `from ${lsn - START}`)
      }
      assert.equal(await lastRecordEnd(parts), endLsn)
    }),
    { numRuns: 60 },
  )
})

void test('where the page of a position is only half there, no later record is taken for the next one', async () => {
  const { bytes, borders } = laid({ sizes: Array.from({ length: 200 }, () => 100), large: 0 })
  const parts = archiveOf(bytes, [8192 + 3000], borders.at(-1)!.end, true)
  const lsn = START + 8192n + 3500n
  assert.equal(await firstRecordFrom(parts, lsn), lsn)
})
