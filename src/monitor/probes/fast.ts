// The fast lane: what changes within seconds and costs next to nothing to ask (together under 10 ms on PostgreSQL 18).
import type { Probe, ProbeMetric } from '../contract.ts'

const gauge = (name: string, help: string): ProbeMetric => ({ name, type: 'gauge', help })
const counter = (name: string, help: string): ProbeMetric => ({ name, type: 'counter', help })

export const sessions: Probe = {
  name: 'sessions',
  lane: 'fast',
  essential: true,
  sql: {
    15: `select case when state like 'idle in transaction%' then 'idle in transaction' when state = 'active' and wait_event_type = 'Lock' then 'waiting'
                     when state in ('active', 'idle') then state else 'other' end as state,
                count(*) as count,
                max(extract(epoch from clock_timestamp() - xact_start)) as oldest_seconds
         from pg_stat_activity where backend_type in ('client backend', 'parallel worker') and pid <> pg_backend_pid() group by 1`,
  },
  labels: ['state'],
  metrics: {
    count: gauge('postgres_sessions', 'Client sessions by state; waiting: active, but blocked by a lock'),
    oldest_seconds: gauge(
      'postgres_oldest_transaction_seconds',
      'Age of the oldest transaction of sessions in that state',
    ),
  },
}

const lockWaits: Probe = {
  name: 'lock waits',
  lane: 'fast',
  essential: true,
  // pg_locks is walked only where somebody waits.
  sql: {
    15: `select count(*) as waiting, coalesce(max(extract(epoch from clock_timestamp() - state_change)), 0) as longest_seconds
         from pg_stat_activity where wait_event_type = 'Lock' and state = 'active'`,
  },
  labels: [],
  metrics: {
    waiting: gauge('postgres_lock_waiters', 'Sessions that wait for a lock'),
    longest_seconds: gauge('postgres_lock_wait_seconds', 'How long the statement that waits longest has been running'),
  },
}

const databaseColumns = `sum(xact_commit) as commits, sum(xact_rollback) as rollbacks, sum(blks_read) as blocks_read, sum(blks_hit) as blocks_hit,
  sum(tup_inserted) as inserted, sum(tup_updated) as updated, sum(tup_deleted) as deleted,
  sum(temp_files) as temp_files, sum(temp_bytes) as temp_bytes, sum(deadlocks) as deadlocks, sum(checksum_failures) as checksum_failures`

const database: Probe = {
  name: 'database',
  lane: 'fast',
  sql: {
    15: `select ${databaseColumns} from pg_stat_database`,
    18: `select ${databaseColumns}, sum(parallel_workers_to_launch) as workers_wanted, sum(parallel_workers_launched) as workers_launched from pg_stat_database`,
  },
  labels: [],
  metrics: {
    commits: counter('postgres_commits', 'Transactions committed'),
    rollbacks: counter('postgres_rollbacks', 'Transactions rolled back'),
    blocks_read: counter('postgres_blocks_read', 'Blocks read that were not in shared buffers'),
    blocks_hit: counter('postgres_blocks_hit', 'Blocks found in shared buffers'),
    inserted: counter('postgres_rows_inserted', 'Rows inserted'),
    updated: counter('postgres_rows_updated', 'Rows updated'),
    deleted: counter('postgres_rows_deleted', 'Rows deleted'),
    temp_files: counter('postgres_temp_files', 'Temporary files made by queries'),
    temp_bytes: counter('postgres_temp_bytes', 'Bytes written to temporary files'),
    deadlocks: counter('postgres_deadlocks', 'Deadlocks'),
    checksum_failures: counter('postgres_checksum_failures', 'Pages whose checksum did not hold'),
    workers_wanted: counter('postgres_parallel_workers_wanted', 'Parallel workers that queries asked for'),
    workers_launched: counter('postgres_parallel_workers_launched', 'Parallel workers that they got'),
  },
}

const io: Probe = {
  name: 'io',
  lane: 'fast',
  sql: {
    16: `select context, sum(reads * op_bytes) as read_bytes, sum(writes * op_bytes) as write_bytes, sum(extends * op_bytes) as extend_bytes, sum(fsyncs) as fsyncs
         from pg_stat_io group by context`,
    18: `select context, sum(read_bytes) as read_bytes, sum(write_bytes) as write_bytes, sum(extend_bytes) as extend_bytes, sum(fsyncs) as fsyncs
         from pg_stat_io where object <> 'wal' group by context`,
  },
  labels: ['context'],
  metrics: {
    read_bytes: counter('postgres_io_read_bytes', 'Bytes read from files of relations'),
    write_bytes: counter('postgres_io_write_bytes', 'Bytes written to files of relations'),
    extend_bytes: counter('postgres_io_extend_bytes', 'Bytes by which relations grew'),
    fsyncs: counter('postgres_io_fsyncs', 'Calls of fsync on files of relations'),
  },
}

const wal: Probe = {
  name: 'wal',
  lane: 'fast',
  essential: true,
  sql: {
    15: `select wal_records as records, wal_fpi as full_page_images, wal_bytes as bytes, wal_buffers_full as buffers_full,
                case when pg_is_in_recovery() then null else pg_current_wal_insert_lsn() - '0/0' end as position_bytes from pg_stat_wal`,
  },
  labels: [],
  metrics: {
    records: counter('postgres_wal_records', 'WAL records written'),
    full_page_images: counter('postgres_wal_full_page_images', 'Full-page images in WAL'),
    bytes: counter('postgres_wal_bytes', 'Bytes of WAL written'),
    buffers_full: counter('postgres_wal_buffers_full', 'Times WAL was written because its buffers were full'),
    position_bytes: gauge('postgres_wal_position_bytes', 'Position of the next WAL record'),
  },
}

const checkpointer: Probe = {
  name: 'checkpointer',
  lane: 'fast',
  sql: {
    15: `select checkpoints_timed as timed, checkpoints_req as requested, checkpoint_write_time as write_ms, checkpoint_sync_time as sync_ms, buffers_checkpoint as buffers
         from pg_stat_bgwriter`,
    17: `select num_timed as timed, num_requested as requested, write_time as write_ms, sync_time as sync_ms, buffers_written as buffers from pg_stat_checkpointer`,
  },
  labels: [],
  metrics: {
    timed: counter('postgres_checkpoints_timed', 'Checkpoints because checkpoint_timeout had passed'),
    requested: counter('postgres_checkpoints_requested', 'Checkpoints because of max_wal_size or on demand'),
    write_ms: counter('postgres_checkpoint_write_milliseconds', 'Time spent writing blocks in checkpoints'),
    sync_ms: counter('postgres_checkpoint_sync_milliseconds', 'Time spent in fsync in checkpoints'),
    buffers: counter('postgres_checkpoint_buffers', 'Blocks written by checkpoints'),
  },
}

const tempInFlight: Probe = {
  name: 'temp in flight',
  lane: 'fast',
  essential: true,
  sql: {
    15: `select coalesce(sum(size), 0) as bytes, count(size) as files
         from pg_tablespace space left join lateral pg_ls_tmpdir(space.oid) on true where spcname <> 'pg_global'`,
  },
  labels: [],
  metrics: {
    bytes: gauge('postgres_temp_in_flight_bytes', 'Size of temporary files that exist now'),
    files: gauge('postgres_temp_in_flight_files', 'Temporary files that exist now'),
  },
}

const replication: Probe = {
  name: 'replication',
  lane: 'fast',
  sql: {
    15: `select application_name as client, count(*) as connections, max(pg_wal_lsn_diff(pg_current_wal_lsn(), sent_lsn)) as send_lag,
                max(pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)) as flush_lag
         from pg_stat_replication where not pg_is_in_recovery() group by 1 order by 1 limit 20`,
  },
  labels: ['client'],
  metrics: {
    connections: gauge('postgres_replication_clients', 'Connections that stream WAL'),
    send_lag: gauge('postgres_replication_send_lag_bytes', 'WAL that is not sent yet'),
    flush_lag: gauge('postgres_replication_flush_lag_bytes', 'WAL that the client has not reported as durable'),
  },
}

const slots: Probe = {
  name: 'slots',
  lane: 'fast',
  sql: {
    15: `select slot_name as slot, active::int as active, safe_wal_size as safe_bytes, (wal_status = 'lost')::int as lost,
                pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn) as retained
         from pg_replication_slots order by slot_name limit 50`,
  },
  labels: ['slot'],
  metrics: {
    active: gauge('postgres_slot_active', 'Whether somebody uses the slot'),
    safe_bytes: gauge('postgres_slot_safe_bytes', 'WAL that may still be written before the slot is lost'),
    lost: gauge('postgres_slot_lost', 'Whether WAL that the slot needs is gone'),
    retained: gauge('postgres_slot_retained_bytes', 'WAL that is kept for the slot'),
  },
}

const progress: Probe = {
  name: 'progress',
  lane: 'fast',
  sql: {
    15: `select (select count(*) from pg_stat_progress_vacuum) as vacuum, (select count(*) from pg_stat_progress_analyze) as analyze,
                (select count(*) from pg_stat_progress_create_index) as create_index, (select count(*) from pg_stat_progress_copy) as copy,
                (select count(*) from pg_stat_progress_basebackup) as basebackup`,
  },
  labels: [],
  metrics: {
    vacuum: gauge('postgres_running_vacuum', 'VACUUMs that run'),
    analyze: gauge('postgres_running_analyze', 'ANALYZEs that run'),
    create_index: gauge('postgres_running_create_index', 'Index builds that run'),
    copy: gauge('postgres_running_copy', 'COPYs that run'),
    basebackup: gauge('postgres_running_basebackup', 'Base backups over the protocol that run'),
  },
}

export const fastLane: readonly Probe[] = [
  sessions,
  lockWaits,
  wal,
  tempInFlight,
  database,
  io,
  checkpointer,
  replication,
  slots,
  progress,
]
