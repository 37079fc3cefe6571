import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { BackupSummary } from '../../repository/contract.ts'
import type { ControlData } from '../../wal/contract.ts'
import { chooseParent, type OwnFacts } from './parent.ts'

const own = {
  control: {
    systemIdentifier: 7n,
    catalogVersion: 1,
    blockBytes: 8192,
    walSegmentBytes: 1 << 24,
    dataChecksumVersion: 1,
  } as ControlData,
  postgresVersion: 180_004,
  timeline: 2,
  startLsn: 1000n,
  history: '1\t0/64\tno recovery target specified\n',
} satisfies OwnFacts
let clock = 0
const backup = (id: string, some: Partial<BackupSummary>): BackupSummary =>
  ({
    id,
    kind: 'full',
    systemIdentifier: 7n,
    postgresVersion: 180_001,
    catalogVersion: 1,
    blockBytes: 8192,
    walSegmentBytes: 1 << 24,
    dataChecksums: true,
    timeline: 1,
    startLsn: 10n,
    stopLsn: 20n,
    startedMs: ++clock,
    ...some,
  }) as BackupSummary
const choose = (backups: readonly BackupSummary[], onlyFull = false) => {
  const { parent, refused } = chooseParent(backups, own, onlyFull)
  return [parent?.id, refused]
}

void test('the newest that qualifies; a full one for a differential backup', () => {
  const backups = [
    backup('a', {}),
    backup('b', { kind: 'incremental' }),
    backup('c', { timeline: 2, startLsn: 150n, stopLsn: 200n, kind: 'incremental' }),
  ]
  assert.deepEqual(choose(backups), ['c', undefined])
  assert.deepEqual(choose(backups, true), ['a', undefined])
  assert.deepEqual(choose([]), [undefined, 'there is no backup'])
  assert.deepEqual(choose(backups.slice(1), true), [undefined, 'there is no full backup'])
})

void test('a backup that ended beyond a switch point of our history is no parent', () => {
  assert.deepEqual(choose([backup('at', { stopLsn: 100n })]), ['at', undefined])
  assert.deepEqual(choose([backup('a', {}), backup('beyond', { stopLsn: 101n })]), [
    'a',
    'beyond ended on a timeline that this server has left',
  ])
  assert.deepEqual(choose([backup('side', { timeline: 3 })]), [
    undefined,
    'side ended on a timeline that this server has left',
  ])
})

void test('another cluster, version, size or checksum state is no parent, and the reason is said', () => {
  const refused = (some: Partial<BackupSummary>): unknown => choose([backup('x', some)])[1]
  assert.equal(refused({ systemIdentifier: 8n }), 'x is of another cluster (system identifier)')
  assert.equal(refused({ postgresVersion: 170_004 }), 'x is of another version of PostgreSQL')
  assert.equal(refused({ catalogVersion: 2 }), 'x is of another version of PostgreSQL')
  assert.equal(refused({ walSegmentBytes: 1 << 20 }), 'x has another block or WAL segment size')
  assert.equal(refused({ dataChecksums: false }), 'x has another checksum state')
  assert.equal(
    refused({ timeline: 2, startLsn: 1000n, stopLsn: 1001n }),
    'x starts after this backup: the WAL position went back',
  )
})
