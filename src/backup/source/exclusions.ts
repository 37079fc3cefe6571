// What a backup leaves out of a data directory: the same as PostgreSQL's own base backup (backend/backup/basebackup.c, versions 15–18), plus
// the files that only a recovery writes. Kept as tables that the walk looks up.

/** Folders that must exist in a restored cluster, but whose content means nothing after a restart. */
export const emptiedFolders: ReadonlySet<string> = new Set([
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
  // WAL comes from the repository. The sub-folders are named below so that the server finds them.
  'pg_wal',
])

/** Folders that a restored cluster needs although nothing of them is copied; `since` is the major version that has them. */
export const walFolders: readonly { readonly path: string; readonly since: number }[] = [
  { path: 'pg_wal', since: 1 },
  { path: 'pg_wal/archive_status', since: 1 },
  { path: 'pg_wal/summaries', since: 17 },
]

/** Files left out wherever they stand, by exact name. */
const skippedNames: ReadonlySet<string> = new Set([
  'postgresql.auto.conf.tmp',
  'current_logfiles.tmp',
  'backup_label',
  'tablespace_map',
  'backup_manifest',
  'postmaster.pid',
  'postmaster.opts',
  // Not skipped by PostgreSQL; they belong to a recovery, and a restore writes its own.
  'backup_label.old',
  'tablespace_map.old',
  'backup_manifest.tmp',
  'recovery.signal',
  'standby.signal',
  // Ours: they hold data keys of the repositories, for `wharf wal push` and `wharf wal get`.
  'wharf-wal-push.json',
  'wharf-wal-get.json',
  'wharf-wal-get.sh',
  'wharf-recovery-end.sh',
  'wharf-wal-ahead',
])

/** Files and folders left out by the start of their name: relation caches (also `pg_internal.init.<pid>`) and temporary files. */
const skippedPrefixes: readonly string[] = ['pg_internal.init', 'pgsql_tmp']

/** Whether an entry of the data directory is left out because of its name alone. */
export function isSkippedName(name: string): boolean {
  return skippedNames.has(name) || skippedPrefixes.some((prefix) => name.startsWith(prefix))
}

/** Read last of all, from a file whose checksum holds: it must describe a state at or after everything else. */
export const CONTROL_FILE = 'global/pg_control'

/** Files without which a cluster cannot start: that one vanishes during the copy is a failure, unlike a dropped relation's. */
export function isIndispensable(path: string): boolean {
  return path === CONTROL_FILE || path === 'PG_VERSION' || path === 'global/pg_filenode.map'
}
