import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { NewMaps } from './new-maps.ts'

const hex64 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const refs = fc
  .tuple(fc.constantFrom('maps/aa', 'maps/bb', 'maps/cc'), fc.nat({ max: 2 ** 40 }), fc.nat(), hex64)
  .map(([object, offset, bytes, sha256]) => ({ object, offset, bytes, sha256 }))

test('what was put in comes out again, the newest of a path, beyond the first room', () => {
  const made = fc.array(
    fc.record({ path: fc.integer({ min: 0, max: 3000 }).map(String), blocks: fc.nat(), ref: refs }),
    {
      minLength: 1,
      maxLength: 5000,
      size: 'max',
    },
  )
  fc.assert(
    fc.property(made, (all) => {
      const maps = new NewMaps()
      const truth = new Map<string, unknown>()
      for (const { path, blocks, ref } of all) {
        const number = maps.add(path, blocks)
        assert.equal(maps.get(path)?.ref, undefined)
        maps.place(number, ref)
        truth.set(path, { blockCount: blocks, ref })
      }
      for (const [path, one] of truth) assert.deepEqual(maps.get(path), one)
      assert.equal(maps.get('none'), undefined)
      assert.equal(maps.has('none'), false)
    }),
    { numRuns: 30 },
  )
})
