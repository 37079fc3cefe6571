import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

import { identityOf, isAlive } from '../../../base/process-identity.ts'
import { posixCksum } from './cksum.ts'
import { segmentAfter, segmentToFetch } from './order.ts'
import { windowOf } from './fetch-ahead.ts'

const MIB = 1024 * 1024

test('the checksum is the one that the program cksum prints', () => {
  for (const length of [0, 1, 3, 4, 255, 256, 65_535, 65_536, 65_537, 70_001, 1_000_003]) {
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length; at++) bytes[at] = (at * 7919 + (at >>> 8)) & 0xff
    const printed = spawnSync('cksum', { input: bytes, encoding: 'utf8' }).stdout
    assert.equal(`${posixCksum(bytes)} ${length}\n`, printed)
  }
})

test('segments follow one another as a recovering server asks for them', () => {
  const plan = { walSegmentBytes: 16 * MIB, switches: [] }
  assert.equal(segmentAfter('000000010000000000000003', plan), '000000010000000000000004')
  assert.equal(segmentAfter('0000000100000000000000FF', plan), '000000010000000100000000')
  assert.equal(
    segmentAfter('00000001000000000000003F', { ...plan, walSegmentBytes: 64 * MIB }),
    '000000010000000100000000',
  )
  assert.equal(segmentToFetch('000000010000000000000003', plan), '000000010000000000000004')
  const until = String(4n * 16n * 1024n * 1024n)
  assert.equal(segmentToFetch('000000010000000000000002', { ...plan, until }), '000000010000000000000003')
  assert.equal(segmentToFetch('000000010000000000000003', { ...plan, until }), undefined)
  assert.equal(segmentAfter('00000002.history', plan), undefined)
  assert.equal(segmentAfter('000000010000000000000003.partial', plan), undefined)
  // Timeline 2 begins within segment 5: the server asks for 5 of it first, and gets its parent's bytes there too.
  const switches = [{ timeline: 2, at: String(5n * 16n * 1024n * 1024n + 100n) }]
  assert.equal(segmentAfter('000000010000000000000003', { ...plan, switches }), '000000010000000000000004')
  assert.equal(segmentAfter('000000010000000000000004', { ...plan, switches }), '000000020000000000000005')
  assert.equal(segmentAfter('000000020000000000000005', { ...plan, switches }), '000000020000000000000006')
})

test('what may be spooled is bounded in bytes and in number', () => {
  const sizes = [1, 16, 64, 256, 1024]
  assert.deepEqual(
    sizes.map((size) => windowOf(size * MIB)),
    [64, 16, 4, 1, 1],
  )
})

test('a process is known by its start, not by its number alone', () => {
  const own = identityOf(process.pid)
  assert.ok(isAlive(own))
  assert.equal(isAlive(`${process.pid} 1`), false)
  assert.equal(isAlive('rubbish'), false)
  const { pid } = spawnSync('true')
  assert.equal(isAlive(identityOf(pid)), false)
})
