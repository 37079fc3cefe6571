import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { showValue } from './issues.ts'
import { toJson } from './json.ts'
import { editDistance, nearest, suggestion } from './nearest.ts'
import { formatPairs, formatTable } from './table.ts'

test('JSON of 64-bit numbers, times, maps, bytes', () => {
  const value = {
    big: 2n ** 63n,
    at: new Date(0),
    map: new Map([['a', 1n]]),
    set: new Set([1]),
    bytes: Buffer.from('ab', 'hex'),
    none: undefined,
    nan: Number.NaN,
  }
  assert.equal(
    toJson(value),
    '{"big":"9223372036854775808","at":"1970-01-01T00:00:00.000Z","map":{"a":"1"},"set":[1],"bytes":"ab","nan":null}',
  )
  assert.equal(toJson(undefined), 'null')
})

test('tables stand in columns without trailing blanks', () => {
  assert.equal(
    formatTable(
      ['name', { title: 'size', right: true }],
      [
        ['a', '1'],
        ['bcdef', '1000000'],
      ],
    ),
    ['name      size', 'a            1', 'bcdef  1000000'].join('\n'),
  )
  assert.equal(
    formatPairs([
      ['a', '1'],
      ['bcd', '2'],
    ]),
    'a    1\nbcd  2',
  )
})

test('the nearest name', () => {
  assert.equal(nearest('bakcup', ['backup', 'recover']), 'backup')
  assert.equal(nearest('x', ['backup']), undefined)
  assert.equal(nearest('Retial', ['retail', 'sales']), 'retail')
  assert.equal(suggestion('zzz', ['a', 'b']), 'known: a, b')
  assert.equal(suggestion('backpu', ['backup']), 'did you mean "backup"?')
  assert.equal(suggestion('zzz', []), undefined)
})

test('edit distance is symmetric and 0 only for equals', () => {
  const word = fc.string({ maxLength: 8 })
  fc.assert(
    fc.property(word, word, (left, right) => {
      const distance = editDistance(left, right)
      assert.equal(distance, editDistance(right, left))
      assert.equal(distance === 0, left === right)
      assert.ok(distance <= Math.max(left.length, right.length))
    }),
  )
})

test('values in messages are short and hide passwords', () => {
  assert.equal(showValue('postgresql://u:secret@h/d'), '"postgresql://u:***@h/d"')
  assert.equal(showValue('x'.repeat(100)).length, 58)
  assert.equal(showValue(null), 'empty')
  assert.equal(showValue([1]), 'a list')
})
