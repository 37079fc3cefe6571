import assert from 'node:assert/strict'
import { test } from 'node:test'

import { minimalDoubt, replayStops } from './minimal.ts'

test('the place of a switch to wal_level = minimal comes back out of the doubt; other doubts have none', () => {
  const stop = { startLsn: 0x1_0000_0028n, endLsn: 0x1_0000_0068n }
  assert.equal(minimalDoubt(stop), 'wal_level was set to minimal at 1/28, up to 1/68')
  assert.deepEqual(replayStops(['WAL has a block of fork 9, which is not known', minimalDoubt(stop)]), [stop])
  assert.deepEqual(replayStops([]), [])
})
