import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatOf } from './copy-rows.ts'

test('rows go in binary between servers of one major version only, and only where every stored column can', () => {
  const plain = { name: 'a', generated: '', binary: true }
  const textOnly = { name: 'b', generated: '', binary: false }
  const generated = { name: 'c', generated: 's', binary: false }
  assert.equal(formatOf({ columns: [plain, generated] }, true), 'binary')
  assert.equal(formatOf({ columns: [plain, generated] }, false), 'text')
  assert.equal(formatOf({ columns: [plain, textOnly] }, true), 'text')
})
