import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { BackupSummary } from '../../repository/contract.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { alternativeLines, otherBackups, whyChosen, type Alternative } from './alternatives.ts'

const backup = (id: string, startLsn: bigint, more: Partial<BackupSummary> = {}): BackupSummary =>
  ({
    id,
    systemIdentifier: 7n,
    timeline: 1,
    startLsn,
    replayFromLsn: startLsn,
    stopLsn: startLsn + 10n,
    finishedMs: Number(startLsn),
    ...more,
  }) as BackupSummary

const chosen = backup('chosen', 500n)
const resolved = {
  backup: chosen,
  stop: { kind: 'before', lsn: 900n },
  history: {
    spans: [{ timeline: 1, startLsn: 0n, endLsn: undefined }],
    ranges: [
      { timeline: 1, startLsn: 0n, endLsn: 50n },
      { timeline: 1, startLsn: 100n, endLsn: 1000n },
    ],
  },
} as unknown as ResolvedTarget

test('only backups that WAL without a hole takes to the target are compared, newest first', () => {
  const others = [
    backup('before the hole', 20n),
    backup('oldest', 100n),
    backup('older', 300n),
    chosen,
    backup('ends after the target', 895n),
    backup('of another cluster', 200n, { systemIdentifier: 8n }),
    backup('of another timeline', 200n, { timeline: 2 }),
  ]
  assert.deepEqual(
    otherBackups(resolved, others).map((one) => one.id),
    ['older', 'oldest'],
  )
})

const time = (expectedMs: number) => ({ expectedMs, lowMs: expectedMs, highMs: expectedMs, basis: 'measured' as const })
const older = (expectedMs: number): Alternative => ({
  backup: 'older',
  kind: 'full',
  finishedAt: '2026-11-20T14:05:00.000Z',
  bytes: 1 << 30,
  walBytes: 1 << 20,
  time: time(expectedMs),
})

test('why the newest is chosen is said, and where another one is predicted to be clearly faster, that', () => {
  const chosen = { id: 'new', finishedAt: '2026-11-20T15:00:00.000Z', time: time(60_000) }
  assert.deepEqual(alternativeLines(chosen, [older(90_000)]), [
    'backup new is chosen: the newest that leads to the target, so the least WAL is replayed',
    'with older (full, ended 2026-11-20T14:05:00.000Z): 1.0 GB and 1.0 MB of WAL, 1 min 30 s (80 %: 1 min 30 s to 1 min 30 s, measured)',
  ])
  const [why] = alternativeLines(chosen, [older(40_000)])
  assert.equal(why, 'backup new is chosen, the newest; --backup older is predicted to be back sooner')
  assert.deepEqual(alternativeLines(chosen, []), [])
  assert.equal(whyChosen(chosen, []), 'no other backup leads to the target than new')
})

test('a backup that was asked for is not called the newest where a newer one leads to the target', () => {
  const asked = { id: 'asked', finishedAt: '2026-11-20T13:00:00.000Z', time: time(60_000) }
  assert.equal(
    whyChosen(asked, [older(40_000)]),
    'backup asked is taken as asked, though a newer one leads to the target; --backup older is predicted to be back sooner',
  )
})
