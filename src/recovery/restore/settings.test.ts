import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { ControlData } from '../../wal/contract.ts'
import {
  copySettings,
  formatSettings,
  librariesForReplay,
  recoverySettings,
  withoutRecovery,
  withRecovery,
} from './settings.ts'

const control = {
  maxConnections: 200,
  maxWorkerProcesses: 8,
  maxWalSenders: 10,
  maxPreparedTransactions: 5,
  maxLocksPerTransaction: 64,
  walLevel: 'logical',
  walSegmentBytes: 16 << 20,
} as ControlData

test('a copy is silent, and no smaller than the source where replay needs it', () => {
  const settings = copySettings({
    control,
    manifest: {
      settings: {
        max_connections: '300',
        max_worker_processes: '4',
        shared_preload_libraries: 'pg_cron',
        archive_command: 'cp %p /a',
        TimeZone: 'Europe/Berlin',
        listen_addresses: '*',
      },
    },
    port: 5439,
    preload: [],
    chosen: { work_mem: '64MB' },
  })
  const expected = {
    listen_addresses: '127.0.0.1',
    archive_mode: 'off',
    archive_command: '',
    primary_conninfo: '',
    max_logical_replication_workers: '0',
    shared_preload_libraries: '',
    max_connections: '300',
    max_worker_processes: '8',
    max_prepared_transactions: '5',
    wal_level: 'logical',
    TimeZone: 'Europe/Berlin',
    port: '5439',
    work_mem: '64MB',
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(settings[name], value, name)
})

test('only libraries that replay needs are kept', () => {
  assert.deepEqual(librariesForReplay('pg_stat_statements, "$libdir/orioledb.so",pg_cron'), ['orioledb'])
  assert.deepEqual(librariesForReplay(''), [])
})

test('each kind of stop becomes the settings that PostgreSQL understands', () => {
  const of = (stop: Parameters<typeof recoverySettings>[0]['stop']) =>
    recoverySettings({ restoreCommand: 'x', stop, timeline: 3 })
  const before = of({ kind: 'before', lsn: 0x1_5000_0000n })
  assert.deepEqual(
    [before['recovery_target_lsn'], before['recovery_target_inclusive'], before['recovery_target_timeline']],
    ['1/50000000', 'off', '3'],
  )
  const after = of({ kind: 'after', lsn: 0x28n, endLsn: 0x60n })
  assert.deepEqual([after['recovery_target_lsn'], after['recovery_target_inclusive']], ['0/28', 'on'])
  assert.equal(of({ kind: 'end', lsn: 1n })['recovery_target_lsn'], '')
})

test('values are quoted for a configuration file', () => {
  assert.equal(
    formatSettings({ restore_command: `cp '/a b'/%f "%p" \\ x` }),
    `restore_command = 'cp ''/a b''/%f "%p" \\\\ x'\n`,
  )
})

test('recovery settings are put in, replaced, and taken out again without a trace', () => {
  for (const text of ['', 'work_mem = 1\n', 'work_mem = 1']) {
    const once = withRecovery(text, { restore_command: 'a' })
    const twice = withRecovery(once, { restore_command: 'b' })
    assert.ok(twice.includes("restore_command = 'b'") && !twice.includes("'a'"))
    assert.equal(withoutRecovery(twice).trimEnd(), text.trimEnd())
  }
})

test('a copy of a cluster with large WAL segments has room for two of them', () => {
  const sizes = (megabytes: number) => {
    const parts = { manifest: { settings: {} }, port: 5439, preload: [], chosen: {} }
    const settings = copySettings({ ...parts, control: { ...control, walSegmentBytes: megabytes << 20 } })
    return [settings['min_wal_size'], settings['max_wal_size']]
  }
  assert.deepEqual(sizes(16), [undefined, undefined])
  assert.deepEqual(sizes(64), ['128MB', undefined])
  assert.deepEqual(sizes(1024), ['2048MB', '2048MB'])
})
