import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { isWharfError } from '../../base/errors.ts'
import type { SegmentMap } from '../contract.ts'
import { decodeMap, encodeMap, MapError } from './codec.ts'

/** Plain objects, as decoders make them. */
function record<T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true })
}

const packs = ['00'.repeat(16), 'ab'.repeat(16), 'f0'.repeat(16)]
const extent = record({
  pack: fc.constantFrom(...packs),
  number: fc.nat(1000),
  offset: fc.maxSafeNat(),
  storedBytes: fc.nat(2 ** 31),
  plainBytes: fc.integer({ min: 8192, max: 2 ** 20 }),
})

/** Complete maps: runs follow one another and stay within their extents. */
const anyMap: fc.Arbitrary<SegmentMap> = fc
  .tuple(
    fc.string(),
    fc.array(extent, { minLength: 1, maxLength: 20 }),
    fc.array(fc.tuple(fc.integer({ min: 1, max: 128 }), fc.nat(), fc.nat(100)), { maxLength: 50 }),
  )
  .map(([file, extents, raw]) => {
    let block = 0
    const runs = raw.map(([count, index, place]) => {
      const run = { block, count, extent: index % extents.length, place }
      block += count
      return run
    })
    return { file, blockCount: block, extents, runs }
  })

test('any complete map comes back as it went in', () => {
  fc.assert(fc.property(anyMap, (map) => assert.deepEqual(decodeMap(encodeMap(map), 'a map'), map)))
})

test('what is no map is refused, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeMap(Buffer.from(bytes), 'a map')
      } catch (error) {
        assert.ok(error instanceof MapError || isWharfError(error, 'bytes.past-end'), String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

test('a map with a hole, an overlap, a missing extent or a wrong length is not written', () => {
  const map: SegmentMap = {
    file: 'base/5/1',
    blockCount: 4,
    extents: [{ pack: packs[0]!, number: 0, offset: 112, storedBytes: 100, plainBytes: 4 * 8192 }],
    runs: [{ block: 0, count: 4, extent: 0, place: 0 }],
  }
  assert.equal(encodeMap(map).length > 0, true)
  const wrong: [Partial<SegmentMap>, string][] = [
    [{ blockCount: 5 }, 'the map of base/5/1 covers 4 of 5 blocks'],
    [
      { runs: [{ block: 1, count: 3, extent: 0, place: 0 }] },
      'the map of base/5/1 has a hole or an overlap at block 0',
    ],
    [{ runs: [{ block: 0, count: 0, extent: 0, place: 0 }] }, 'the map of base/5/1 has an empty run at block 0'],
    [{ runs: [{ block: 0, count: 4, extent: 1, place: 0 }] }, 'the map of base/5/1 names extent 1 of 1'],
    [{ runs: [{ block: 0, count: 4, extent: 0, place: 99_999 }] }, 'the map of base/5/1 leaves extent 0'],
  ]
  for (const [change, message] of wrong) assert.throws(() => encodeMap({ ...map, ...change }), new MapError(message))
})

test('a whole 1 GB segment takes about 12 bytes for each extent', () => {
  const extents = Array.from({ length: 1024 }, (_, number) => ({
    pack: packs[number % 3]!,
    number,
    offset: number * 350_000,
    storedBytes: 350_000,
    plainBytes: 1 << 20,
  }))
  const runs = extents.map((_, index) => ({ block: index * 128, count: 128, extent: index, place: 0 }))
  assert.ok(encodeMap({ file: 'base/5/16384', blockCount: 131_072, extents, runs }).length < 24_000)
})
