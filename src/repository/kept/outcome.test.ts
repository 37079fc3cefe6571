import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { CommitEntry } from '../../wal/contract.ts'
import type { KeptLoad } from '../kept-contract.ts'
import { judge } from './outcome.ts'

const HOUR_US = 3_600_000_000n
const keptMs = Date.UTC(2026, 0, 10)
const keptUs = BigInt(keptMs) * 1000n
const load = { id: 'own', xid: (1n << 32n) + 7n, keptMs } as KeptLoad

function entry(kind: CommitEntry['kind'], at: bigint, more: Partial<CommitEntry> = {}): CommitEntry {
  return { kind, startLsn: at * 100n, endLsn: at * 100n + 50n, xid: 3, timeUs: keptUs, ...more }
}

test('a load has committed, was rolled back, or never ended, as WAL says; until it says nothing is known', () => {
  const mark = entry('load', 1n, { xid: 7, name: 'own' })
  assert.equal(judge([mark], load), undefined)
  assert.equal(judge([mark, entry('commit', 2n, { xid: 7 })], load)?.state, 'committed')
  assert.equal(judge([mark, entry('abort', 2n, { xid: 7 })], load)?.state, 'aborted')
  const others = [entry('commit', 2n), entry('commit', 3n, { timeUs: keptUs + 23n * HOUR_US })]
  assert.equal(judge([mark, ...others], load), undefined)
  assert.equal(judge([mark, ...others, entry('commit', 4n, { timeUs: keptUs + 25n * HOUR_US })], load)?.state, 'absent')
})

test('a worker whose clock is days behind does not make a load that may still commit one that never did', () => {
  const server = keptUs + 72n * HOUR_US
  const entries = [entry('load', 1n, { xid: 7, name: 'own' }), entry('commit', 2n, { timeUs: server })]
  assert.equal(judge(entries, load), undefined)
  assert.equal(judge([...entries, entry('commit', 3n, { timeUs: server + 25n * HOUR_US })], load)?.state, 'absent')
})
