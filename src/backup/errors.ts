// Everything that can go wrong with taking a backup, as an operator reads it.
import { defineErrors } from '../base/errors.ts'

export const backupErrors = defineErrors('backup', {
  notBesideServer: {
    exit: 'environment',
    message: (at: { warehouse: string; directory: string; why: string }) =>
      `the data directory ${at.directory} of warehouse ${at.warehouse} is not here: ${at.why}`,
    hint: () => 'run this on the host of the server, as its user or as root',
  },
  noRepository: {
    exit: 'configuration',
    message: (at: { warehouse: string }) => `warehouse ${at.warehouse} has no repository`,
    hint: () => 'name one under warehouses.<name>.repositories in wharf.yaml, or give --repository',
  },
  repositoryDamaged: {
    exit: 'damaged',
    message: (at: { repository: string; count: number; first: string }) =>
      `the check of repository ${at.repository} found ${at.count} damaged or missing objects: ${at.first}`,
    hint: (at) =>
      `wharf repository check ${at.repository} --depth all --heal OTHER brings back what another repository holds`,
  },
  notEverywhere: {
    exit: 'failed',
    message: (at: { id: string; complete: readonly string[]; missing: readonly string[]; why: string }) =>
      `backup ${at.id} is complete in ${at.complete.join(', ')}, but not in ${at.missing.join(', ')}: ${at.why}`,
    hint: (at) =>
      `the backup can be restored; once the repository can be reached: wharf repository copy ${at.complete[0]} ${at.missing[0]}; or declare it with required: false`,
  },
  noBackup: {
    exit: 'notFound',
    message: (at: { warehouse: string; repository: string }) =>
      `repository ${at.repository} has no complete backup of warehouse ${at.warehouse}`,
    hint: (at) => `take one: wharf backup run ${at.warehouse}`,
  },
  unknownBackup: {
    exit: 'notFound',
    message: (at: { id: string }) => `no complete backup ${at.id} in any repository`,
    hint: () => 'see `wharf backup list` for the backups that exist',
  },
  whichWarehouse: {
    exit: 'usage',
    message: () => 'which warehouse?',
    hint: (at: { known: readonly string[] }) =>
      at.known.length === 0 ? 'declare one with: wharf warehouse add' : `name one of: ${at.known.join(', ')}`,
  },
  newestBackup: {
    exit: 'failed',
    message: (at: { id: string; warehouse: string }) => `${at.id} is the newest backup of ${at.warehouse}`,
    hint: () => 'the newest is never deleted: take another one first',
  },
  heldBackup: {
    exit: 'failed',
    message: (at: { id: string; reason: string }) => `${at.id} is held: ${at.reason}`,
    hint: () => 'see wharf backup holds, and end the hold with wharf backup release',
  },
  notExpired: {
    exit: 'failed',
    message: (at: { id: string }) => `${at.id} has not expired`,
    hint: () => 'it is in wharf backup list; to keep it: wharf backup hold',
  },
  holdEnded: {
    exit: 'usage',
    message: (at: { until: string }) => `a hold until ${at.until} has ended already`,
    hint: () => 'name a later time, or leave --until out: then it lasts until wharf backup release',
  },
  unknownHold: {
    exit: 'notFound',
    message: (at: { id: string }) => `there is no hold ${at.id}`,
    hint: () => 'list them with: wharf backup holds',
  },
  inRecovery: {
    exit: 'failed',
    message: (at: { warehouse: string }) => `the server of warehouse ${at.warehouse} is a standby`,
    hint: (at) =>
      `give the URL of the primary; to read backups from this server, name it under warehouses.${at.warehouse}.standby, and backup.${at.warehouse}.source: standby`,
  },
  noStandby: {
    exit: 'configuration',
    message: (at: { warehouse: string }) =>
      `warehouse ${at.warehouse} names no standby that a backup could be read from`,
    hint: (at) => `add warehouses.${at.warehouse}.standby with its URL, or change backup.${at.warehouse}.source`,
  },
  notAStandby: {
    exit: 'configuration',
    message: (at: { warehouse: string }) => `the standby of warehouse ${at.warehouse} is no standby`,
    hint: (at) => `it was promoted, or warehouses.${at.warehouse}.standby names the wrong server`,
  },
  otherStandby: {
    exit: 'configuration',
    message: (at: { warehouse: string; primary: bigint; standby: bigint }) =>
      `the standby of warehouse ${at.warehouse} is one of another cluster: its system identifier is ${at.standby}, the primary's is ${at.primary}`,
    hint: (at) => `correct warehouses.${at.warehouse}.standby`,
  },
  fullPageWritesOff: {
    exit: 'failed',
    message: (at: { warehouse: string }) =>
      `WAL of warehouse ${at.warehouse} was made with full_page_writes = off: a backup from its standby could hold torn pages`,
    hint: () =>
      'on the primary: ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf(); then CHECKPOINT, and run the backup again',
  },
  standbyBehind: {
    exit: 'failed',
    passing: true,
    message: (at: { warehouse: string; replayed: string; wanted: string; seconds: number }) =>
      `the standby of warehouse ${at.warehouse} has replayed nothing for ${at.seconds} s: it is at ${at.replayed}, ${at.wanted} is wanted`,
    hint: () => 'is replay paused or delayed (recovery_min_apply_delay), or is the standby cut off from its primary?',
  },
  promoted: {
    exit: 'failed',
    passing: true,
    message: (at: { warehouse: string }) => `the standby of warehouse ${at.warehouse} was promoted during the backup`,
    hint: () => 'nothing of the backup is visible; correct url and standby of the warehouse, and run it again',
  },
  snapshotCommand: {
    exit: 'failed',
    message: (at: { warehouse: string; what: string; program: string; how: string }) =>
      `the ${at.what} program ${at.program} of warehouse ${at.warehouse} ${at.how}`,
    hint: (at) =>
      `see backup.${at.warehouse}.source.${at.what}; what it had begun is released, and the server is not left in backup mode`,
  },
  snapshotTablespace: {
    exit: 'configuration',
    message: (at: { warehouse: string; tablespace: string; location: string }) =>
      `nobody says where tablespace ${at.tablespace} (${at.location}) of warehouse ${at.warehouse} is found in a snapshot`,
    hint: (at) => `add it to backup.${at.warehouse}.source.tablespaces, and let the snapshot hold it`,
  },
  snapshotWithoutTablespace: {
    exit: 'failed',
    passing: true,
    message: (at: { oid: number; location: string }) =>
      `tablespace ${at.oid} (${at.location}) came while the snapshot was taken`,
    hint: () => 'run the backup again, and name its place under source.tablespaces',
  },
  snapshotIsLive: {
    exit: 'configuration',
    message: (at: { warehouse: string; path: string; live: string }) =>
      `the snapshot of warehouse ${at.warehouse} is read at ${at.path}, which is the live ${at.live}`,
    hint: (at) => `let path and tablespaces of backup.${at.warehouse}.source name the mounted snapshot`,
  },
  snapshotPlaceMissing: {
    exit: 'failed',
    message: (at: { oid: number; location: string; place: string }) =>
      `tablespace ${at.oid} (${at.location}) is not found in the snapshot: ${at.place} is not there`,
    hint: () => 'see what source.mount has mounted, and source.tablespaces; the server itself is as it was',
  },
  snapshotTooLate: {
    exit: 'failed',
    message: (at: { warehouse: string; checkpoint: string; stop: string }) =>
      `the snapshot of warehouse ${at.warehouse} is of a moment after the end of its backup: it holds a checkpoint at ${at.checkpoint}, the end is ${at.stop}`,
    hint: (at) => `backup.${at.warehouse}.source.snapshot must not end before the snapshot has been taken`,
  },
  walLevelMinimal: {
    exit: 'failed',
    message: (at: { warehouse: string }) => `the server of warehouse ${at.warehouse} runs with wal_level = minimal`,
    hint: () =>
      'set wal_level = replica in postgresql.conf and restart the server: without WAL no backup is consistent',
  },
  oddBuild: {
    exit: 'failed',
    message: (at: { warehouse: string; blockBytes: number; blocksPerSegment: number }) =>
      `the server of warehouse ${at.warehouse} was built with ${at.blockBytes} byte blocks and ${at.blocksPerSegment} blocks per file`,
    hint: () => 'only builds with 8192 byte blocks and 1 GB files can be backed up',
  },
  startDenied: {
    exit: 'denied',
    message: (at: { warehouse: string; user: string }) =>
      `role ${at.user} may not start a backup of warehouse ${at.warehouse}`,
    hint: () => 'run the statements that `wharf warehouse grants` prints',
  },
  otherServer: {
    exit: 'configuration',
    message: (at: { directory: string; warehouse: string; why: string }) =>
      `the data directory ${at.directory} is not that of the server of warehouse ${at.warehouse}: ${at.why}`,
    hint: () =>
      'run the backup on the host of the server, where its data directory can be read, or read it through SQL: backup.<warehouse>.source: sql',
  },
  otherCluster: {
    exit: 'configuration',
    message: (at: { warehouse: string; repository: string; own: bigint; known: bigint; newest: string }) =>
      `the server of warehouse ${at.warehouse} is another cluster (system identifier ${at.own}) than all its backups in repository ${at.repository} (${at.known}; newest: ${at.newest})`,
    hint: (at: { warehouse: string }) =>
      `if it was upgraded with pg_upgrade or made anew on purpose, run \`wharf backup run ${at.warehouse} --adopt\` once: the older backups stay, and are never mixed with the new ones; else look at the url of the warehouse`,
  },
  unreadable: {
    exit: 'denied',
    message: (at: { path: string }) => `cannot read ${at.path}: permission denied`,
    hint: () =>
      'run wharf as the user that owns the data directory, or as one of its group on a cluster made with initdb --allow-group-access',
  },
  noDirectory: {
    exit: 'environment',
    message: (at: { directory: string }) => `the data directory ${at.directory} does not exist on this host`,
    hint: () =>
      'run the backup on the host of the server, where its data directory can be read, or read it through SQL: backup.<warehouse>.source: sql',
  },
  readFailed: {
    exit: 'failed',
    message: (at: { path: string; why: string }) => `cannot read ${at.path}: ${at.why}`,
    hint: () => 'look at the disk and at the kernel log; the backup was abandoned and nothing of it is visible',
  },
  fileVanished: {
    exit: 'failed',
    message: (at: { path: string }) => `${at.path} vanished while it was copied`,
    hint: () => 'a cluster cannot start without this file: look at the data directory before trying again',
  },
  serverChanged: {
    exit: 'failed',
    passing: true,
    message: (at: { warehouse: string; why: string }) =>
      `a session of the backup of warehouse ${at.warehouse} is with another server: ${at.why}`,
    hint: () =>
      'after a restart or a failover run the backup again; give a url that always leads to one server, not a proxy or a name of several',
  },
  badAnswer: {
    exit: 'failed',
    message: (at: { path: string }) => `the server gave other bytes of ${at.path} than it was asked for`,
    hint: () => 'is there a proxy between wharf and the server? give the url of the server itself',
  },
  lacksRight: {
    exit: 'denied',
    message: (at: { warehouse: string; user: string; rights: readonly string[] }) =>
      `role ${at.user} lacks what a backup of warehouse ${at.warehouse} needs: ${at.rights.join(', ')}`,
    hint: (at: { cure: string }) => `as superuser: ${at.cure}`,
  },
  badControlFile: {
    exit: 'damaged',
    message: (at: { path: string; tries: number }) =>
      `the checksum of ${at.path} does not hold after ${at.tries} reads`,
    hint: () => 'the control file is damaged: check it with pg_controldata',
  },
  tablespaceInside: {
    exit: 'failed',
    message: (at: { oid: number; location: string; outer: string }) =>
      `tablespace ${at.oid} at ${at.location} lies inside ${at.outer}`,
    hint: () => 'move the tablespace out: its files would be copied twice or a restore would overwrite itself',
  },
  tablespaceMissing: {
    exit: 'failed',
    message: (at: { oid: number; location: string }) =>
      `tablespace ${at.oid} points to ${at.location}, which does not exist`,
    hint: () => 'mount the file system that holds it, or drop the tablespace',
  },
  oddLink: {
    exit: 'failed',
    message: (at: { path: string; target: string }) => `${at.path} is a symbolic link to ${at.target}`,
    hint: () =>
      'PostgreSQL allows links only in pg_tblspc and for pg_wal: replace it with what it points to, or make a tablespace of it',
  },
  sessionLost: {
    exit: 'unreachable',
    passing: true,
    message: (at: { warehouse: string; why: string }) =>
      `the session that holds the backup of warehouse ${at.warehouse} ended: ${at.why}`,
    hint: () => 'the backup was abandoned; look at the log of the server and run it again',
  },
  timelineChanged: {
    exit: 'failed',
    passing: true,
    message: (at: { warehouse: string; from: number; to: number }) =>
      `warehouse ${at.warehouse} went from timeline ${at.from} to ${at.to} during the backup`,
    hint: () => 'the server was promoted or replaced; run the backup again',
  },
  badLabel: {
    exit: 'failed',
    message: (at: { what: string }) => `the server returned a backup label without ${at.what}`,
    hint: () => 'this server may not be PostgreSQL 15 to 18; see `wharf warehouse show`',
  },
  noHistory: {
    exit: 'failed',
    message: (at: { timeline: number }) =>
      `the history file of timeline ${at.timeline} is neither in the repository nor in pg_wal`,
    hint: () =>
      'without it nobody can tell which WAL belongs to this server: copy it into pg_wal from a standby or an archive',
  },
  walMissing: {
    exit: 'failed',
    message: (at: { why: string }) => `the backup cannot be completed: ${at.why}`,
    hint: () => 'without all WAL from its start to its stop a backup cannot be restored; see `wharf wal status`',
  },
  noFullForDifferential: {
    exit: 'failed',
    message: (at: { warehouse: string }) =>
      `no full backup of warehouse ${at.warehouse} can be the base of a differential one`,
    hint: () => 'take a full backup first: wharf backup run --kind full',
  },
  mapWithHole: {
    exit: 'damaged',
    message: (at: { file: string; blockCount: number; covered: number }) =>
      `the new map of ${at.file} covers ${at.covered} of ${at.blockCount} blocks`,
    hint: () => 'the parent may be damaged: run wharf repository check, and take a full backup',
  },
  parentLacksPacks: {
    exit: 'damaged',
    message: (at: { parent: string; pack: string }) =>
      `the parent backup ${at.parent} needs pack ${at.pack}, which the repository lacks`,
    hint: () => 'run wharf repository check, and take a full backup',
  },
  workerDied: {
    exit: 'failed',
    message: (at: { why: string }) => `a copying thread ended unexpectedly: ${at.why}`,
    hint: () => 'look at the memory of this host; the backup was abandoned and nothing of it is visible',
  },
  nothingToCopy: {
    exit: 'notFound',
    message: (at: { warehouse: string; patterns: readonly string[] }) =>
      at.patterns.length === 0
        ? `no unlogged tables of warehouse ${at.warehouse} are named for copying`
        : `no unlogged table of warehouse ${at.warehouse} matches ${at.patterns.join(', ')}`,
    hint: () =>
      'name them under backup.<warehouse>.unlogged.copy; `wharf backup unprotected` lists the unlogged tables',
  },
  noCopy: {
    exit: 'notFound',
    message: (at: { id: string; warehouse: string }) =>
      `no complete copy ${at.id} of unlogged tables of warehouse ${at.warehouse}`,
    hint: () => 'see `wharf backup copies` for the copies that exist',
  },
  badPeriod: {
    exit: 'usage',
    message: (at: { option: string; text: string; why: string }) => `${at.option} ${at.text}: ${at.why}`,
    hint: () => 'a day as 2026-11-20, or a time with its zone as 2026-11-20T14:05:00+01:00',
  },
})
