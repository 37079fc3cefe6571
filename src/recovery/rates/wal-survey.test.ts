import assert from 'node:assert/strict'
import { test } from 'node:test'

import { WharfError } from '../../base/errors.ts'
import type { WalChunkInfo, WalIndexed } from '../../repository/contract.ts'
import { ChangeMapBuilder } from '../../wal/change-map.ts'
import type { PlacedChunk } from '../target/commit-index.ts'
import { kindOf, mixText } from './wal-mix.ts'
import { evenly, MOST_READ, surveyWal } from './wal-survey.ts'

const signal = new AbortController().signal
const SEGMENT = 1000n

function placed(n: number): PlacedChunk {
  const startLsn = BigInt(n) * SEGMENT
  const info = { object: String(n), startLsn, endLsn: startLsn + SEGMENT } as WalChunkInfo
  return { info, fromLsn: startLsn, toLsn: startLsn + SEGMENT }
}

/** Changes one block of relation 7, and one of 8, for each record. */
function indexed(records: number, voidBytes = 0): WalIndexed {
  const map = new ChangeMapBuilder(0n)
  for (let n = 0; n < records; n++) for (const relation of [7, 8]) map.fork(1663, 5, relation, 0).add(n)
  return {
    changeMap: map.finish(0n),
    commits: [],
    problem: undefined,
    contents: { records, imageBytes: records * 10, voidBytes, reads: records * 2 },
  }
}

const all = { fromLsn: 0n, signal }

test('few chunks are all read, and the mix of a stretch is that of its part of them', async () => {
  const indexes = [indexed(10), indexed(20), indexed(5, 500)]
  const wal = { readIndex: (info: WalChunkInfo) => Promise.resolve(indexes[Number(info.object)]!) }
  const survey = await surveyWal({ ...all, wal, chunks: [0, 1, 2].map(placed), toLsn: 3000n })
  assert.deepEqual(survey.between(0n, 3000n), { records: 35, imageBytes: 350, voidBytes: 500, reads: 70 })
  assert.deepEqual(survey.between(500n, 1500n), { records: 15, imageBytes: 150, voidBytes: 0, reads: 30 })
  // What is void stands at the end of its chunk.
  assert.deepEqual(survey.between(2000n, 2500n), { records: 5, imageBytes: 50, voidBytes: 0, reads: 10 })
  assert.deepEqual(survey.between(2500n, 3000n), { records: 0, imageBytes: 0, voidBytes: 500, reads: 0 })
  const one = survey.between(0n, 1000n, (file) => file.relfilenode === 7)
  assert.deepEqual(one, { records: 10, imageBytes: 50, voidBytes: 0, reads: 10 })
  assert.equal(survey.between(3000n, 4000n), undefined)
})

test('of many chunks some are read that lie evenly, and the rest is taken to be alike', async () => {
  const read: number[] = []
  const wal = {
    readIndex: (info: WalChunkInfo) => {
      read.push(Number(info.object))
      return Promise.resolve(indexed(10))
    },
  }
  const chunks = Array.from({ length: 5000 }, (_, n) => placed(n))
  const toLsn = 5000n * SEGMENT
  const survey = await surveyWal({ ...all, fromLsn: 1000n * SEGMENT, olderLsn: 0n, wal, chunks, toLsn })
  const within = read.filter((n) => n >= 1000)
  assert.deepEqual([within.length, Math.min(...within), Math.max(...within)], [MOST_READ, 1000, 4999])
  assert.ok(read.length > MOST_READ && read.length < 2 * MOST_READ)
  assert.equal(survey.between(1000n * SEGMENT, toLsn)?.records, 40_000)
  assert.deepEqual(evenly([1, 2, 3, 4, 5], 3), [1, 3, 5])
})

test('chunks of older versions and damaged ones say nothing, and stop nothing', async () => {
  const damaged = new WharfError({ code: 'repository.damaged-object', message: 'x', exit: 'damaged' })
  const old: WalIndexed = { changeMap: undefined, commits: [], problem: undefined }
  const indexes = [old, indexed(10), undefined]
  const wal = {
    readIndex: (info: WalChunkInfo) => {
      const found = indexes[Number(info.object)]
      return found ? Promise.resolve(found) : Promise.reject(damaged)
    },
  }
  const chunks = [0, 1, 2].map(placed)
  const survey = await surveyWal({ ...all, wal, chunks, toLsn: 3000n })
  assert.equal(survey.between(0n, 3000n)?.records, 30)
  assert.equal(survey.between(0n, 1000n), undefined)
  const failing = { readIndex: () => Promise.reject(new TypeError('a defect')) }
  await assert.rejects(surveyWal({ ...all, wal: failing, chunks, toLsn: 3000n }), TypeError)
})

test('blocks that a file did not have are counted; a chunk without a map leaves it open', async () => {
  const indexes = [indexed(10), { ...indexed(10), changeMap: undefined }]
  const wal = { readIndex: (info: WalChunkInfo) => Promise.resolve(indexes[Number(info.object)]!) }
  const survey = await surveyWal({ ...all, wal, chunks: [0, 1].map(placed), toLsn: 2000n })
  const grown = (to: bigint): number | undefined =>
    survey.blocksWhere(0n, to, {
      isKept: (file) => file.relfilenode === 8,
      isNew: (_, block) => block >= 6,
    })
  assert.equal(grown(1000n), 4)
  assert.equal(grown(2000n), undefined)
})

test('the kind is what most of it is', () => {
  const none = { records: 0, imageBytes: 0, voidBytes: 0, reads: 0 }
  assert.equal(kindOf({ bytes: 100, wal: { ...none, voidBytes: 60 } }), 'empty')
  assert.equal(kindOf({ bytes: 100, wal: { ...none, voidBytes: 20, imageBytes: 50 } }), 'images')
  assert.equal(kindOf({ bytes: 10_000, wal: { ...none, records: 100 } }), 'small changes')
  assert.equal(kindOf({ bytes: 10_000, wal: { ...none, records: 2 } }), 'long records')
  assert.equal(mixText({ bytes: 100, wal: { ...none, voidBytes: 60 } }), ' (mostly the empty ends of segments)')
  assert.equal(mixText({ bytes: 100 }), '')
})
