import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { BackupSummary, WalRange } from '../../repository/contract.ts'
import type { TimelineStep } from '../../wal/contract.ts'
import { recoverableRanges } from './window.ts'

const backup = (startLsn: bigint, stopLsn: bigint, more: Partial<BackupSummary> = {}): BackupSummary =>
  ({
    timeline: 1,
    startLsn,
    replayFromLsn: startLsn,
    stopLsn,
    finishedMs: Number(stopLsn),
    ...more,
  }) as BackupSummary
const range = (startLsn: bigint, endLsn: bigint, timeline = 1): WalRange => ({ timeline, startLsn, endLsn })

const rangesOf = (
  backups: readonly BackupSummary[],
  ranges: readonly WalRange[],
  histories: readonly [number, readonly TimelineStep[]][] = [[1, []]],
): string[] =>
  recoverableRanges({ backups, ranges, histories: new Map(histories), endTimeOf: (one) => Number(one.endLsn) }).map(
    (one) => `${one.timeline}: ${one.fromLsn}..${one.toLsn} ${Date.parse(one.fromTime)}..${Date.parse(one.toTime)}`,
  )

void test('from the stop of the first backup to the end of WAL', () => {
  assert.deepEqual(rangesOf([backup(1n, 2n), backup(5n, 6n)], [range(0n, 9n)]), ['1: 0/2..0/9 2..9'])
})

void test('a hole in WAL shows as two ranges', () => {
  assert.deepEqual(rangesOf([backup(1n, 2n), backup(5n, 6n)], [range(0n, 4n), range(5n, 9n)]), [
    '1: 0/2..0/4 2..4',
    '1: 0/6..0/9 6..9',
  ])
})

void test('a backup whose own WAL has a hole serves nothing', () => {
  assert.deepEqual(rangesOf([backup(1n, 5n)], [range(0n, 4n), range(4n + 1n, 9n)]), [])
  assert.deepEqual(rangesOf([backup(1n, 5n)], []), [])
})

void test('a backup that has deferred something needs WAL from its oldest image on', () => {
  const deferring = backup(5n, 6n, { replayFromLsn: 2n })
  assert.deepEqual(rangesOf([deferring], [range(2n, 9n)]), ['1: 0/6..0/9 6..9'])
  assert.deepEqual(rangesOf([deferring], [range(3n, 9n)]), [])
})

void test('a timeline that branched off after the backup goes on from the switch', () => {
  const step = (switchLsn: bigint): TimelineStep => ({ timeline: 1, switchLsn, reason: '' })
  const histories: [number, readonly TimelineStep[]][] = [
    [1, []],
    [2, [step(7n)]],
  ]
  assert.deepEqual(rangesOf([backup(1n, 2n)], [range(0n, 9n), range(7n, 12n, 2)], histories), [
    '1: 0/2..0/9 2..9',
    '2: 0/7..0/C 2..12',
  ])
  // The backup stopped after the switch: it is not on that history.
  assert.deepEqual(rangesOf([backup(1n, 8n)], [range(0n, 9n), range(7n, 12n, 2)], histories), ['1: 0/8..0/9 8..9'])
  // The old timeline ends a little before the switch, the new one begins with a copy of that.
  assert.deepEqual(rangesOf([backup(1n, 2n)], [range(0n, 5n), range(5n, 12n, 2)], histories), [
    '1: 0/2..0/5 2..5',
    '2: 0/7..0/C 2..12',
  ])
  // WAL up to the switch is missing.
  assert.deepEqual(rangesOf([backup(1n, 2n)], [range(0n, 6n), range(7n, 12n, 2)], histories), ['1: 0/2..0/6 2..6'])
})

void test('no moment behind a switch to wal_level = minimal before the next backup, which serves all after it', () => {
  const cut = [{ ...range(0n, 4n), stopped: true as const }, range(5n, 20n)]
  assert.deepEqual(rangesOf([backup(1n, 2n)], cut), ['1: 0/2..0/4 2..4'])
  assert.deepEqual(rangesOf([backup(1n, 2n), backup(6n, 8n)], cut), ['1: 0/2..0/4 2..4', '1: 0/8..0/14 8..20'])
})
