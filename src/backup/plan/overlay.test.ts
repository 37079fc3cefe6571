import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { seededRandom } from '../../base/random.ts'
import type { ExtentRef, SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { BLOCKS_PER_EXTENT, groupBlocks, neighbours, overlayMap, withThinExtents, type FreshExtent } from './overlay.ts'

const FILE = 'base/5/16384'

const ref = (pack: string, number: number, blocks: number): ExtentRef => ({
  pack,
  number,
  offset: number * 1000,
  storedBytes: 900,
  plainBytes: blocks * BLOCK_BYTES,
})

const store = (pack: string, blocks: readonly number[]): FreshExtent[] =>
  [...groupBlocks(Uint32Array.from(blocks))].map((group, number) => ({
    ref: ref(pack, number, group.length),
    blocks: group,
  }))

/** Naive: block → where it is, as text. */
const places = (map: SegmentMap): string[] => {
  const found: string[] = []
  for (const run of map.runs) {
    for (let at = 0; at < run.count; at++) {
      const extent = map.extents[run.extent]!
      found[run.block + at] = `${extent.pack}/${extent.number}@${run.place + at}`
    }
  }
  return found
}

const ascending = fc
  .uniqueArray(fc.nat(400), { maxLength: 300 })
  .map((numbers) => numbers.toSorted((one, other) => one - other))

void test('an overlay is what a naive model says, after any number of increments', () => {
  fc.assert(
    fc.property(
      fc.nat(400),
      fc.array(fc.record({ count: fc.nat(400), changed: ascending }), { maxLength: 5 }),
      (first, rounds) => {
        const whole = Array.from({ length: first }, (_, block) => block)
        let map = overlayMap(FILE, first, store('full', whole))
        let model = whole.map((block) => `full/${Math.floor(block / BLOCKS_PER_EXTENT)}@${block % BLOCKS_PER_EXTENT}`)
        for (const [round, { count, changed }] of rounds.entries()) {
          const read = new Set(changed.filter((block) => block < count))
          for (let block = map.blockCount; block < count; block++) read.add(block)
          const sorted = [...read].toSorted((one, other) => one - other)
          model = Array.from({ length: count }, (_, block) => {
            const at = sorted.indexOf(block)
            return at < 0 ? model[block]! : `r${round}/${Math.floor(at / BLOCKS_PER_EXTENT)}@${at % BLOCKS_PER_EXTENT}`
          })
          map = overlayMap(FILE, count, store(`r${round}`, sorted), map)
          assert.deepEqual(places(map), model)
          assert.equal(map.blockCount, count)
          // Complete, in order, without holes; no extent that nothing uses.
          let next = 0
          for (const run of map.runs) {
            assert.equal(run.block, next)
            assert.ok(run.count > 0)
            next += run.count
          }
          assert.equal(next, count)
          assert.deepEqual(new Set(map.runs.map((run) => run.extent)), new Set(map.extents.map((_, index) => index)))
        }
      },
    ),
    { numRuns: 300 },
  )
})

void test('a hole is refused', () => {
  assert.throws(() => overlayMap(FILE, 10, store('full', [0, 1, 2, 4, 5, 6, 7, 8, 9])), {
    code: 'backup.map-with-hole',
    message: 'the new map of base/5/16384 covers 9 of 10 blocks',
  })
})

void test('blocks beyond the length are left out, also in the middle of an extent', () => {
  const map = overlayMap(FILE, 3, store('full', [0, 1, 2, 3, 4]))
  assert.deepEqual(places(map), ['full/0@0', 'full/0@1', 'full/0@2'])
})

void test('groups keep order and miss nothing, neighbours are found', () => {
  fc.assert(
    fc.property(ascending, (numbers) => {
      const groups = [...groupBlocks(Uint32Array.from(numbers))]
      assert.deepEqual(
        groups.flatMap((group) => [...group]),
        numbers,
      )
      assert.ok(groups.every((group, index) => group.length === BLOCKS_PER_EXTENT || index === groups.length - 1))
      const runs = [...neighbours(Uint32Array.from(numbers))]
      assert.deepEqual(
        runs.flatMap(({ block, count }) => Array.from({ length: count }, (_, at) => block + at)),
        numbers,
      )
      for (const [index, run] of runs.slice(1).entries()) assert.ok(run.block > runs[index]!.block + runs[index]!.count)
    }),
  )
})

/** Blocks of the extents that the map names, as a multiple of the blocks that it uses. */
const fetched = (map: SegmentMap): number =>
  map.extents.reduce((sum, one) => sum + one.plainBytes / BLOCK_BYTES, 0) / map.blockCount

void test('with little dead nothing is added; then the thinnest extents are rewritten, as far as is needed', () => {
  const whole = Array.from({ length: 1024 }, (_, block) => block)
  const full = overlayMap(FILE, 1024, store('full', whole))
  // A fifth of the blocks may be dead.
  const fifth = Uint32Array.from(whole.filter((block) => block % 5 === 0).slice(0, 204))
  assert.equal(withThinExtents(fifth, full, 1024), fifth)
  // 118 of the second extent and half of all others: 128 + 512 blocks of old extents would be dead without more.
  const changed = whole.filter((block) => (block >= 128 && block < 246) || (block >= 256 && block % 2 === 0))
  const read = [...withThinExtents(Uint32Array.from(changed), full, 1024)]
  assert.deepEqual(
    read.filter((block) => block < 256),
    whole.filter((block) => block >= 128 && block < 256),
  )
  assert.ok(fetched(overlayMap(FILE, 1024, store('next', read), full)) <= 1.2)
  // Of the others only so many as are needed.
  assert.ok(read.length < 1024 - 128, `${read.length} blocks`)
  assert.equal(withThinExtents(new Uint32Array(0), full, 1024).length, 0)
})

void test('whatever is rewritten, an increment reads at most five times what changed', () => {
  fc.assert(
    fc.property(ascending, ascending, (first, second) => {
      const whole = Array.from({ length: 401 }, (_, block) => block)
      const map = overlayMap(FILE, 401, store('two', first), overlayMap(FILE, 401, store('full', whole)))
      const read = withThinExtents(Uint32Array.from(second), map, 401)
      assert.ok(read.length <= second.length * 5)
      assert.ok(second.every((block) => read.includes(block)))
      assert.ok(read.every((block, at) => at === 0 || block > read[at - 1]!))
    }),
  )
})

void test('a year of nights: a restore never fetches 1.3 times what it needs, and nights read less than three times what changed', () => {
  const random = seededRandom(1)
  const blockCount = 2048
  let map = overlayMap(
    FILE,
    blockCount,
    store(
      'full',
      Array.from({ length: blockCount }, (_, block) => block),
    ),
  )
  let changed = 0
  let read = 0
  for (let night = 1; night <= 365; night++) {
    const blocks = new Set(Array.from({ length: 1 + random.integer(250) }, () => random.integer(blockCount)))
    const sorted = Uint32Array.from(blocks).sort()
    const stored = withThinExtents(sorted, map, blockCount)
    changed += sorted.length
    read += stored.length
    map = overlayMap(FILE, blockCount, store(`night ${night}`, [...stored]), map)
    assert.ok(fetched(map) < 1.3, `night ${night}: ${fetched(map)}`)
  }
  assert.ok(read < 3 * changed, `${read} read for ${changed}`)
})
