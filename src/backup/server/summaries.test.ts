import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ChangeMapBuilder } from '../../wal/change-map.ts'
import { firstHole, Union } from './summaries.ts'

const range = { spans: [{ timeline: 1, startLsn: 0n, endLsn: undefined }], fromLsn: 100n, untilLsn: 200n }
const summary = (startLsn: bigint, endLsn: bigint, timeline = 1) => ({ timeline, startLsn, endLsn })

test('a hole in the summaries is where the first of them is missing', () => {
  assert.equal(firstHole([summary(50n, 120n), summary(120n, 200n)], range), undefined)
  assert.equal(firstHole([summary(100n, 120n), summary(130n, 200n)], range), 120n)
  assert.equal(firstHole([summary(100n, 150n)], range), 150n)
  assert.equal(firstHole([], range), 100n)
})

test('a summary of an old timeline counts up to the switch, not beyond it', () => {
  const spans = [
    { timeline: 1, startLsn: 0n, endLsn: 150n },
    { timeline: 2, startLsn: 150n, endLsn: undefined },
  ]
  assert.equal(firstHole([summary(100n, 200n)], { ...range, spans }), 150n)
  assert.equal(firstHole([summary(100n, 150n), summary(150n, 200n, 2)], { ...range, spans }), undefined)
})

const row = (block: number, more: { is_limit?: boolean; relfilenode?: string; fork?: number } = {}) => ({
  tablespace: '1663',
  database: '5',
  relfilenode: more.relfilenode ?? '16384',
  fork: more.fork ?? 0,
  block: String(block),
  is_limit: more.is_limit ?? false,
})

test('what the summaries name besides is added and told; what they lack stays', () => {
  const builder = new ChangeMapBuilder(100n)
  const fork = builder.fork(1663, 5, 16_384, 0)
  fork.add(1)
  fork.add(2)
  const union = new Union(builder.finish(200n), range)
  union.add(row(2), summary(100n, 200n))
  union.add(row(7), summary(100n, 200n))
  union.add(row(0, { is_limit: true, relfilenode: '16390' }), summary(100n, 200n))
  const { map, missed } = union.finish()
  assert.deepEqual([...map.fork({ tablespace: 1663, database: 5, relfilenode: 16_384 }, 'main')!.blocks], [1, 2, 7])
  assert.equal(map.fork({ tablespace: 1663, database: 5, relfilenode: 16_390 }, 'main')!.cut, 0)
  assert.deepEqual(
    missed.map(({ file, block }) => [file.relfilenode, block]),
    [
      [16_384, 7],
      [16_390, undefined],
    ],
  )
})

test('a summary that reaches beyond the range adds blocks and accuses nobody; what is above a cut is known', () => {
  const builder = new ChangeMapBuilder(100n)
  builder.fork(1663, 5, 16_384, 0).cut(5)
  const union = new Union(builder.finish(200n), range)
  union.add(row(9), summary(100n, 200n))
  union.add(row(3), summary(50n, 150n))
  const { map, missed } = union.finish()
  assert.deepEqual(missed, [])
  assert.deepEqual([...map.fork({ tablespace: 1663, database: 5, relfilenode: 16_384 }, 'main')!.blocks], [3])
})
