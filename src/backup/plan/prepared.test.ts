import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import type { ListedEntry } from '../source/cluster-files.ts'
import { isPreparedLater, withoutPreparedLater } from './prepared.ts'

const hex = (value: bigint, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')

test('later is what the checkpoint did not know, in names of both lengths, also around the corner of 32 bits', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 3n, max: 2n ** 40n }),
      fc.bigInt({ min: -(2n ** 30n), max: 2n ** 30n }),
      (nextXid, distance) => {
        const xid = nextXid + distance
        fc.pre(xid >= 3n)
        assert.equal(isPreparedLater(`pg_twophase/${hex(xid, 16)}`, nextXid), distance >= 0n)
        assert.equal(isPreparedLater(`pg_twophase/${hex(BigInt.asUintN(32, xid), 8)}`, nextXid), distance >= 0n)
      },
    ),
  )
})

test('other files are none, whatever their names', () => {
  const others = ['pg_xact/0000FFFF', 'base/5/0000FFFF', 'pg_twophase/0000FFFF.tmp', 'pg_twophase/ffff0000']
  for (const path of others) assert.equal(isPreparedLater(path, 3n), false, path)
})

test('all else of a listing stays as it is', async () => {
  const file = (path: string): ListedEntry => ({ kind: 'plain', path, mode: 0o600, modifiedMs: 0, bytes: 1 })
  const listed = ['pg_twophase/000002E3', 'pg_twophase/000002E4', 'global/1262'].map(file)
  const entries = (async function* () {
    yield* listed
  })()
  const kept = await Array.fromAsync(withoutPreparedLater(entries, 0x2e4n))
  assert.deepEqual(kept, [listed[0], listed[2]])
})
