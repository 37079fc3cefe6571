import assert from 'node:assert/strict'
import { test } from 'node:test'

import { BLOCK_BYTES } from './contract.ts'
import { comparePages, pageKind } from './page-compare.ts'

/** A page with one item of 40 bytes at 8000 − special and the given special area. */
function page(special: Buffer = Buffer.alloc(0)): Buffer {
  const made = Buffer.alloc(BLOCK_BYTES)
  made.writeBigUInt64LE(0x1234n, 0)
  made.writeUInt16LE(28, 12)
  made.writeUInt16LE(8000, 14)
  made.writeUInt16LE(BLOCK_BYTES - special.length, 16)
  made.writeUInt32LE((8000 | (1 << 15) | (40 << 17)) >>> 0, 24)
  made.fill(0x55, 8000, 8040)
  made.writeUInt16LE(0x0802, 8020)
  special.copy(made, BLOCK_BYTES - special.length)
  return made
}
const changed = (from: Buffer, change: (copy: Buffer) => unknown): Buffer => {
  const copy = Buffer.from(from)
  change(copy)
  return copy
}
function special(bytes: number, last: number): Buffer {
  const area = Buffer.alloc(bytes)
  area.writeUInt16LE(last, bytes - 2)
  return area
}

test('pages are told apart by their special area', () => {
  assert.equal(pageKind(page()), 'heap')
  assert.equal(pageKind(page(special(16, 0))), 'btree')
  assert.equal(pageKind(page(special(16, 0xff80))), 'hash')
  assert.equal(pageKind(page(special(16, 0xff81))), 'gist')
  assert.equal(pageKind(page(special(8, 0xff82))), 'spgist')
  assert.equal(pageKind(page(special(8, 0xf093))), 'brin')
  assert.equal(pageKind(page(special(8, 2))), 'gin')
  assert.equal(pageKind(page(special(24, 0))), 'unknown')
})

test('checksum, LSN and hints are no difference', () => {
  const heap = page()
  assert.equal(comparePages(heap, Buffer.from(heap)), 'same')
  for (const hint of [
    (copy: Buffer) => copy.writeUInt16LE(7, 8),
    (copy: Buffer) => copy.writeUInt16LE(4, 10),
    (copy: Buffer) => copy.writeUInt32LE(99, 20),
    (copy: Buffer) => copy.writeUInt16LE(0x0502, 8020),
  ])
    assert.equal(comparePages(heap, changed(heap, hint)), 'hints')
})

test('what only WAL may change is a difference', () => {
  const heap = page()
  const frozen = changed(heap, (copy) => copy.writeUInt16LE(0x0b02, 8020))
  assert.equal(
    comparePages(
      frozen,
      changed(frozen, (copy) => copy.writeUInt16LE(0x0902, 8020)),
    ),
    'differs',
    'thawed',
  )
  for (const change of [
    (copy: Buffer) => copy.writeUInt8(0x56, 8030),
    (copy: Buffer) => copy.writeUInt16LE(0x0812, 8020),
    (copy: Buffer) => copy.writeUInt32LE((8000 | (3 << 15) | (40 << 17)) >>> 0, 24),
    (copy: Buffer) => copy.writeUInt16LE(32, 12),
    (copy: Buffer) => copy.fill(0),
  ])
    assert.equal(comparePages(heap, changed(heap, change)), 'differs')
})

test('dead entries, garbage flags and cycle ids of indexes are hints; their entries are not', () => {
  for (const area of [special(16, 0), special(16, 0xff80), special(16, 0xff81)]) {
    const index = page(area)
    const dead = changed(index, (copy) => copy.writeUInt32LE((8000 | (3 << 15) | (40 << 17)) >>> 0, 24))
    assert.equal(comparePages(index, dead), 'hints')
    assert.equal(
      comparePages(
        index,
        changed(index, (copy) => copy.writeUInt8(1, 8020)),
      ),
      'differs',
    )
  }
  const tree = page(special(16, 0))
  assert.equal(
    comparePages(
      tree,
      changed(tree, (copy) => copy.writeUInt16LE(5, BLOCK_BYTES - 2)),
    ),
    'hints',
  )
})

test('an unknown kind of page with the same LSN is left unsure, with another LSN it differs', () => {
  const odd = page(special(24, 0))
  const other = changed(odd, (copy) => copy.writeUInt8(1, 8030))
  assert.equal(comparePages(odd, other), 'unsure')
  assert.equal(
    comparePages(
      odd,
      changed(other, (copy) => copy.writeBigUInt64LE(0x1235n, 0)),
    ),
    'differs',
  )
})
