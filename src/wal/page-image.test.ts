// The two compressions that no library here unpacks, by hand-made bytes; against a server: test/wal/images.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { unpackLz4, unpackPglz } from './page-image.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

test('pglz: bytes, references back, long ones, and such that overlap themselves', () => {
  // Three bytes, then a reference of length 3 three back; then one of length 18 + 2 one back.
  const bytes = Uint8Array.of(0b0001_1000, 0x61, 0x62, 0x63, 0x00, 0x03, 0x0f, 0x01, 0x02, 0x64)
  assert.equal(text(unpackPglz(bytes, 27)), `abcabc${'c'.repeat(20)}d`)
  assert.throws(() => unpackPglz(Uint8Array.of(1, 0x00, 0x05), 10), RangeError)
})

test('lz4: literals, references back, lengths beyond fifteen', () => {
  const bytes = Uint8Array.of(0x30, 0x61, 0x62, 0x63, 0x03, 0x00, 0x0f, 0x01, 0x00, 0x05, 0x20, 0x78, 0x79)
  assert.equal(text(unpackLz4(bytes, 40)), `abcabca${'a'.repeat(24)}xy`)
  assert.throws(() => unpackLz4(Uint8Array.of(0x10, 0x61, 0x05, 0x00), 40), RangeError)
})
