import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { keptName, MOST_NAME_BYTES } from './names.ts'
import { further } from './sequences.ts'

test('names of what is kept fit, end as they should, and stay apart where they are alike up to the cut', () => {
  assert.equal(keptName('orders', '_before_1a2b3c4d'), 'orders_before_1a2b3c4d')
  fc.assert(
    fc.property(fc.string({ minLength: 40, maxLength: 60, unit: 'grapheme' }), fc.nat(9), fc.nat(9), (head, a, b) => {
      const [one, other] = [a, b].map((digit) => keptName(`${head}${digit}`, '_before_1a2b3c4d'))
      for (const name of [one!, other!]) {
        assert.ok(Buffer.byteLength(name) <= MOST_NAME_BYTES)
        assert.ok(name.endsWith('_before_1a2b3c4d'))
      }
      assert.equal(one === other, a === b)
    }),
  )
})

test('of two positions of a sequence the further one is the one whose next number lies further, up or down', () => {
  const at = (last: bigint, called = true) => ({ last, called })
  assert.equal(further(at(5n), at(5n), 1n), undefined)
  assert.deepEqual(further(at(5n), at(6n), 1n), at(6n))
  assert.equal(further(at(6n), at(5n), 1n), undefined)
  assert.deepEqual(further(at(5n, false), at(5n), 1n), at(5n))
  assert.equal(further(at(5n), at(6n, false), 1n), undefined)
  assert.deepEqual(further(at(-5n), at(-6n), -1n), at(-6n))
  assert.equal(further(at(-6n), at(-5n), -1n), undefined)
})
