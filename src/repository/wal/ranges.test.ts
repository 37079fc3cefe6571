import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { WalRange } from '../contract.ts'
import { cutRanges } from './ranges.ts'

const range = (startLsn: bigint, endLsn: bigint, timeline = 1): WalRange => ({ timeline, startLsn, endLsn })
const stop = (startLsn: bigint, endLsn: bigint, timeline = 1) => ({ timeline, startLsn, endLsn })

test('a range is cut at each record at which replay ends, on its own timeline only', () => {
  const ranges = [range(0n, 100n), range(200n, 300n), range(50n, 150n, 2)]
  assert.deepEqual(cutRanges(ranges, []), ranges)
  assert.deepEqual(cutRanges(ranges, [stop(220n, 230n), stop(40n, 45n), stop(60n, 64n)]), [
    { ...range(0n, 40n), stopped: true },
    { ...range(45n, 60n), stopped: true },
    range(64n, 100n),
    { ...range(200n, 220n), stopped: true },
    range(230n, 300n),
    range(50n, 150n, 2),
  ])
})

test('a record at a border, across one, or told twice by chunks that overlap', () => {
  assert.deepEqual(cutRanges([range(0n, 100n)], [stop(0n, 10n)]), [range(10n, 100n)])
  assert.deepEqual(cutRanges([range(5n, 100n)], [stop(0n, 10n)]), [range(10n, 100n)])
  assert.deepEqual(cutRanges([range(0n, 100n)], [stop(90n, 100n)]), [{ ...range(0n, 90n), stopped: true }])
  assert.deepEqual(cutRanges([range(0n, 100n)], [stop(40n, 45n), stop(40n, 45n)]), [
    { ...range(0n, 40n), stopped: true },
    range(45n, 100n),
  ])
})
