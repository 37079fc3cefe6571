import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { defineErrors } from '../../base/errors.ts'
import type { WalArchive, WalChunkInfo } from '../../repository/contract.ts'
import { rmgr, xlogInfo } from '../../wal/layouts.ts'
import { layWal, SEGMENT, START, type Wanted } from '../../wal/lay-wal.ts'
import { ChunkCutter, freshParser, type SealedChunk, type WalShape } from './chunk-cutter.ts'
import { primeParser } from './prime.ts'

const shape: WalShape = { systemIdentifier: 77n, majorVersion: 18, postgresVersion: 180_000, segmentBytes: SEGMENT }
const signal = new AbortController().signal
const damaged = defineErrors('repository', { bad: { exit: 'damaged', message: () => 'it is damaged' } })

/** A restore point of any length: it shows in the index of commits. */
function point(name: string, bytes: number): Wanted {
  const data = Buffer.alloc(Math.max(bytes, 10 + name.length))
  data.write(name, 8)
  data.fill('x', 9 + name.length)
  data[0] = 1
  return { rmgr: rmgr.xlog, info: xlogInfo.restorePoint, data }
}

function trimmed(bytes: Buffer): Buffer {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return bytes.subarray(0, (end + 7) & ~7)
}

/** What a receiver makes of `bytes` where chunks are cut after these many bytes. */
function cut(bytes: Buffer, at: { from: bigint; cuts: readonly number[]; cutter: ChunkCutter }): SealedChunk[] {
  const chunks: SealedChunk[] = []
  const keep = (chunk: SealedChunk | undefined): void => {
    if (chunk) chunks.push({ ...chunk, bytes: Buffer.from(chunk.bytes) })
  }
  for (let position = Number(at.from - START), n = 0; position < bytes.length; n++) {
    const count = at.cuts[n % at.cuts.length]!
    for (const chunk of at.cutter.push(bytes.subarray(position, position + count), 0)) keep(chunk)
    keep(at.cutter.seal())
    position += count
  }
  return chunks
}

const infoOf = ({ startLsn, endLsn }: SealedChunk): WalChunkInfo => ({
  object: `${startLsn}-${endLsn}`,
  systemIdentifier: 77n,
  timeline: 1,
  startLsn,
  endLsn,
  storedBytes: 1,
  modifiedMs: 0,
})

function archiveOf(chunks: readonly SealedChunk[], isDamaged: (index: number) => boolean) {
  return {
    list: async () => chunks.map(infoOf),
    read: async (info: WalChunkInfo) => {
      const index = chunks.findIndex((one) => one.startLsn === info.startLsn)
      if (isDamaged(index)) throw damaged.bad(undefined)
      return chunks[index]!
    },
  } as unknown as Pick<WalArchive, 'list' | 'read'>
}

const history = fc.record({
  sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 7000, max: 40_000 })), {
    minLength: 1,
    maxLength: 25,
  }),
  cuts: fc.array(fc.oneof(fc.integer({ min: 300, max: 2000 }), fc.constantFrom(8192, 16_384, 24_576)), {
    minLength: 1,
    maxLength: 8,
  }),
  stored: fc.nat(400),
  damagedTail: fc.nat(2),
})

async function resumed(of: { sizes: readonly number[]; cuts: readonly number[]; stored: number; damagedTail: number }) {
  const names = of.sizes.map((_, index) => `p${index}`)
  const bytes = trimmed(
    Buffer.concat(
      layWal(
        of.sizes.map((size, index) => point(names[index]!, size)),
        3,
      ),
    ),
  )
  const first = new ChunkCutter({ timeline: 1, lsn: START, shape, parser: freshParser(shape, START) })
  const all = cut(bytes, { from: START, cuts: of.cuts, cutter: first })
  const truth = all.map((chunk) => chunk.commits.map((entry) => entry.name))
  assert.deepEqual(truth.flat(), names)
  const count = 1 + (of.stored % all.length)
  const stored = all.slice(0, count)
  const wal = archiveOf(stored, (index) => index >= count - of.damagedTail)
  const lsn = stored.at(-1)!.endLsn
  const parser = await primeParser(wal, { timeline: 1, lsn }, shape, signal)
  assert.ok(parser)
  const cutter = new ChunkCutter({ timeline: 1, lsn, shape, parser })
  // The same cuts as before, so that chunk can be compared with chunk.
  const cuts = all.slice(count).map((chunk) => chunk.bytes.length)
  const rest = cuts.length === 0 ? [] : cut(bytes, { from: lsn, cuts, cutter })
  return { truth: truth.slice(count), rest }
}

test('received again from any place on: every record is in the chunk in which it ends', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (of) => {
      const { truth, rest } = await resumed({ ...of, damagedTail: 0 })
      assert.deepEqual(
        rest.map((chunk) => chunk.commits.map((entry) => entry.name)),
        truth,
      )
      assert.deepEqual(
        rest.map((chunk) => chunk.problem),
        rest.map(() => undefined),
      )
    }),
    { numRuns: 60 },
  )
})

test('behind damaged chunks receiving goes on, and a chunk that does not know all of its records says so', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (of) => {
      const { truth, rest } = await resumed({ ...of, damagedTail: 1 + of.damagedTail })
      for (const [index, chunk] of rest.entries()) {
        if (chunk.problem !== undefined) assert.equal(chunk.changeMap, undefined)
        else
          assert.deepEqual(
            chunk.commits.map((entry) => entry.name),
            truth[index],
          )
      }
    }),
    { numRuns: 60 },
  )
})

test('behind a switch of segments receiving goes on from any place of the void, and one chunk is read for that', async () => {
  const [first] = layWal([point('before', 300), { rmgr: rmgr.xlog, info: xlogInfo.switch, data: Buffer.alloc(0) }], 1)
  const second = layWal([point('after', 300)], 1)[0]!
  second.writeBigUInt64LE(START + BigInt(SEGMENT), 8)
  const bytes = Buffer.concat([first!, trimmed(second)])
  for (const stored of [16_384, 100_000, SEGMENT - 8192, SEGMENT]) {
    const cutter = new ChunkCutter({ timeline: 1, lsn: START, shape, parser: freshParser(shape, START) })
    const chunks = cut(bytes.subarray(0, stored), { from: START, cuts: [8192, stored - 8192], cutter })
    const wal = archiveOf(chunks, () => false)
    const read: bigint[] = []
    const counting = {
      ...wal,
      read: (info: WalChunkInfo, until: AbortSignal) => {
        read.push(info.startLsn)
        return wal.read(info, until)
      },
    }
    const lsn = START + BigInt(stored)
    const parser = await primeParser(counting, { timeline: 1, lsn }, shape, signal)
    assert.ok(parser)
    const next = new ChunkCutter({ timeline: 1, lsn, shape, parser })
    const rest = cut(bytes, { from: lsn, cuts: [bytes.length], cutter: next })
    assert.deepEqual(
      rest.flatMap((chunk) => chunk.commits.map((entry) => entry.name)),
      ['after'],
    )
    assert.deepEqual(
      rest.map((chunk) => chunk.problem).filter((one) => one !== undefined),
      [],
    )
    assert.deepEqual(read, [START + 8192n])
  }
})

test('where nothing leads to the place there is nothing to go on from', async () => {
  assert.equal(
    await primeParser(
      archiveOf([], () => false),
      { timeline: 1, lsn: START },
      shape,
      signal,
    ),
    undefined,
  )
})
