import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { isWharfError } from '../../base/errors.ts'
import type { ManifestFile } from '../contract.ts'
import { decodeFiles, encodeFiles } from './files.ts'

/** Plain objects, as decoders make them. */
function record<T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true })
}

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString('hex'))
const common = { path: fc.string(), mode: fc.nat(0o7777), modifiedMs: fc.maxSafeNat(), bytes: fc.maxSafeNat() }
const extent = record({
  pack: hex(16),
  number: fc.nat(),
  offset: fc.maxSafeNat(),
  storedBytes: fc.nat(),
  plainBytes: fc.nat(),
})
const anyFile: fc.Arbitrary<ManifestFile> = fc.oneof(
  record({
    ...common,
    kind: fc.constant('segment' as const),
    map: record({ object: fc.string(), offset: fc.maxSafeNat(), bytes: fc.nat(), sha256: hex(32) }),
    storedBy: fc.string(),
    imageLsn: fc.bigInt(0n, 0xffff_ffff_ffff_ffffn),
    auditedMs: fc.maxSafeNat(),
    auditBlock: fc.nat(131_072),
  }),
  record({
    ...common,
    kind: fc.constant('plain' as const),
    extents: fc.array(extent, { maxLength: 3 }),
    sha256: hex(32),
  }),
)

const options = { what: 'files', startLsn: 0x3000028n }

test('any list of files comes back as it went in', () => {
  fc.assert(
    fc.property(fc.array(anyFile, { maxLength: 30 }), (files) =>
      assert.deepEqual(decodeFiles(encodeFiles(files), options), files),
    ),
  )
})

test('what is no list of files is refused, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeFiles(Buffer.from(bytes), options)
      } catch (error) {
        assert.ok(error instanceof RangeError || isWharfError(error, 'bytes.past-end'), String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
