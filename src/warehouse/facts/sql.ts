// What we ask a server about itself. One entry per fact; where versions differ, by the first version that has the form.

/** Each expression gives one JSON value. */
export const factExpressions: Readonly<Record<string, string>> = {
  version: `current_setting('server_version_num')::int`,
  systemIdentifier: `(select system_identifier::text from pg_control_system())`,
  // pg_control knows the timeline of the last checkpoint; the name of the current WAL file knows the one of now.
  timeline: `case when pg_is_in_recovery() then (select timeline_id from pg_control_checkpoint())
             else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end`,
  dataDirectory: `current_setting('data_directory')`,
  dataChecksums: `current_setting('data_checksums') = 'on'`,
  walLevel: `current_setting('wal_level')`,
  fullPageWrites: `current_setting('full_page_writes')::bool`,
  inRecovery: `pg_is_in_recovery()`,
  walSegmentBytes: `(select bytes_per_wal_segment from pg_control_init())`,
  blockBytes: `current_setting('block_size')::int`,
  insertLsn: `(case when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn(), '0/0') else pg_current_wal_insert_lsn() end)::text`,
  tablespaces: `(select coalesce(json_agg(json_build_object('oid', oid::int8, 'name', spcname, 'location', pg_tablespace_location(oid)) order by oid), '[]')
                 from pg_tablespace where pg_tablespace_location(oid) <> '')`,
  databases: `(select json_agg(json_build_object('oid', oid::int8, 'name', datname, 'bytes', pg_database_size(oid), 'allowsConnections', datallowconn) order by oid)
               from pg_database where datconnlimit <> -2)`,
  configFiles: `(select json_object_agg(name, setting) from pg_settings where name in ('config_file', 'hba_file', 'ident_file'))`,
}

/**
 * Values as SHOW prints them, with their units. Left out: what may hold a password, and presets, which follow from the binaries and
 * the cluster.
 */
export const settingsExpression = `(select json_object_agg(name, current_setting(name)) from pg_settings
  where name not in ('primary_conninfo', 'ssl_passphrase_command', 'restore_command', 'archive_command', 'archive_cleanup_command', 'recovery_end_command')
    and context <> 'internal')`
