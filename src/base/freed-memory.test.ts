import assert from 'node:assert/strict'
import { test } from 'node:test'

import { freeNow, keepFreedMemory } from './freed-memory.ts'

test('a large buffer of its own is freed with every view of it', () => {
  const buffer = Buffer.allocUnsafeSlow(256 * 1024)
  const view = buffer.subarray(10, 20)
  freeNow(buffer)
  assert.deepEqual([buffer.length, view.length, buffer.buffer.byteLength], [0, 0, 0])
})

test('what may share its memory with others stays: pooled buffers, and views into the middle', () => {
  const pooled = Buffer.from('part of a pool')
  const large = Buffer.alloc(256 * 1024, 7)
  const middle = large.subarray(1)
  for (const kept of [pooled, Buffer.alloc(1024), middle]) freeNow(kept)
  assert.equal(pooled.toString(), 'part of a pool')
  assert.equal(large.length, 256 * 1024)
  assert.equal(middle[0], 7)
})

test('keeping freed memory allocates nothing that stays', () => {
  const before = process.memoryUsage().arrayBuffers
  keepFreedMemory()
  assert.equal(process.memoryUsage().arrayBuffers, before)
})
