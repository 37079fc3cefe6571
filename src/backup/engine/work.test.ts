import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { MIB } from '../../base/units.ts'
import type { CopyItem } from '../copy/messages.ts'
import type { PlannedSegment } from '../plan/files.ts'
import { speed } from './progress.ts'
import { itemBytes, makeBatches, segmentParts } from './work.ts'

const planned = (blockCount: number): PlannedSegment => ({
  listed: { kind: 'segment', path: 'base/5/16384', mode: 0o600, modifiedMs: 0, bytes: blockCount * 8192 },
  firstBlock: 0,
  blockCount,
  plan: { kind: 'whole', reason: 'new' },
  parent: undefined,
})

void test('parts cover a segment once, in order, none larger than 64 MiB', () => {
  fc.assert(
    fc.property(fc.nat(131_072), (blockCount) => {
      let next = 0
      for (const part of segmentParts({ planned: planned(blockCount), blocks: undefined })) {
        assert.ok(part.kind === 'segment' && 'from' in part.blocks)
        assert.equal(part.blocks.from, next)
        assert.ok(itemBytes(part) > 0 && itemBytes(part) <= 64 * MIB)
        next += part.blocks.count
      }
      assert.equal(next, blockCount)
    }),
  )
  const listed = Uint32Array.from({ length: 20_000 }, (_, at) => at * 3)
  const parts = segmentParts({ planned: planned(70_000), blocks: listed })
  assert.deepEqual(
    parts.flatMap((part) => (part.kind === 'segment' && part.blocks instanceof Uint32Array ? [...part.blocks] : [])),
    [...listed],
  )
})

void test('batches hold every item once, largest first, small ones together', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10 * MIB), { maxLength: 300 }), (sizes) => {
      const items = sizes.map((bytes, at): CopyItem => ({
        kind: 'plain',
        path: `f${at}`,
        bytes,
        knownSha256: undefined,
      }))
      const batches = makeBatches(items)
      const flat = batches.flat()
      assert.deepEqual(new Set(flat), new Set(items))
      assert.equal(flat.length, items.length)
      assert.ok(flat.every((item, at) => at === 0 || itemBytes(item) <= itemBytes(flat[at - 1]!)))
      assert.ok(batches.every((batch) => batch.length > 0 && batch.length <= 64))
    }),
  )
})

void test('speed and time left', () => {
  assert.deepEqual(speed([{ at: 0, done: 0 }], 10), {})
  assert.deepEqual(speed([{ at: 0, done: 0 }, { at: 2000, done: 100 }], 300), { rate: 50, leftMs: 4000 }) // prettier-ignore
  assert.deepEqual(speed([{ at: 0, done: 100 }, { at: 2000, done: 100 }], 300), {}) // prettier-ignore
})
