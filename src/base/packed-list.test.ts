import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PackedList } from './packed-list.ts'

test('what was put in comes back in order, as often as it is walked', () => {
  const list = new PackedList<{ n: number; name: string }>()
  for (const count of [0, 1, 2047, 2048, 5000]) {
    while (list.length < count) list.push({ n: list.length, name: `sales_${list.length}` })
    for (let turn = 0; turn < 2; turn++) {
      let seen = 0
      for (const item of list) assert.deepEqual(item, { n: seen, name: `sales_${seen++}` })
      assert.equal(seen, count)
    }
  }
})
