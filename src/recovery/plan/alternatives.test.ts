import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { BackupSummary } from '../../repository/contract.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { whyOfOthers } from './parts/plan.ts'
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
  const chosen = { id: 'new', asked: false, finishedAt: '2026-11-20T15:00:00.000Z', time: time(60_000) }
  assert.deepEqual(alternativeLines(whyChosen(chosen, [older(90_000)]), [older(90_000)]), [
    'backup new is chosen: the newest that leads to the target, so the least WAL is replayed',
    'with older (full, ended 2026-11-20T14:05:00.000Z): 1.0 GB and 1.0 MB of WAL, 1 min 30 s (80 %: 1 min 30 s to 1 min 30 s, measured)',
  ])
  assert.equal(
    whyChosen(chosen, [older(40_000)]),
    'backup new is chosen, the newest; --backup older is predicted to be back sooner',
  )
  assert.deepEqual(alternativeLines(whyChosen(chosen, []), []), [])
  assert.equal(whyChosen(chosen, []), 'no other backup leads to the target than new')
})

test('a backup is not called the newest where a newer one leads to the target', () => {
  const asked = { id: 'asked', asked: true, finishedAt: '2026-11-20T13:00:00.000Z', time: time(60_000) }
  assert.equal(
    whyChosen(asked, [older(40_000)]),
    'backup asked is taken as asked, though a newer one leads to the target; --backup older is predicted to be back sooner',
  )
  assert.equal(
    whyChosen({ ...asked, asked: false }, [older(90_000)]),
    'backup asked is chosen: the newest that had ended by then, though one that ended later leads to the same state',
  )
})

test('of a part it is said how much more WAL the backup before would cost, where it would', () => {
  const at = (id: string, finishedMs: number, replayFromLsn: bigint) => ({
    id,
    finishedMs,
    replayFromLsn,
    asked: false,
  })
  const chosen = at('new', 3, 9n << 20n)
  assert.equal(
    whyOfOthers(chosen, [at('older', 2, 1n << 20n), at('oldest', 1, 0n)]),
    'backup new is chosen: the newest of 3 that lead to the target; with the one before, older, 8.0 MB more of WAL would be read',
  )
  // A tier of the newest has deferred its reading: its replay begins before that of the older one.
  assert.equal(
    whyOfOthers(chosen, [at('older', 2, 10n << 20n)]),
    'backup new is chosen: the newest of 2 that lead to the target',
  )
  assert.match(whyOfOthers(chosen, [at('later', 4, 0n)]), /^backup new is chosen: the newest that had ended by then, /)
  assert.equal(whyOfOthers(chosen, []), 'no other backup leads to the target than new')
})
