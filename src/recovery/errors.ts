// What an operator can be told by recovery. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../base/errors.ts'

export const recoveryErrors = defineErrors('recovery', {
  noTarget: {
    exit: 'usage',
    message: () => 'no recovery target was named',
    hint: () => 'one of --latest, --at TIME, --lsn LSN, --name NAME, --xid N, --before-load ID',
  },
  manyTargets: {
    exit: 'usage',
    message: (given: readonly string[]) => `${given.join(' and ')} exclude each other`,
    hint: () => 'name exactly one recovery target',
  },
  badTime: {
    exit: 'usage',
    message: (at: { text: string; why: string }) => `not a time: "${at.text}": ${at.why}`,
    hint: () => 'for example 2026-11-20T14:05:00Z, "2026-11-20 14:05:00.123+01:00" or "2026-11-20 14:05 Europe/Berlin"',
  },
  badXid: {
    exit: 'usage',
    message: (text: string) => `not a transaction id: "${text}"`,
    hint: () => 'a decimal number, as pg_current_xact_id() prints it',
  },
  badTablespace: {
    exit: 'usage',
    message: (at: { text: string; why: string }) => `--tablespace ${at.text}: ${at.why}`,
    hint: () =>
      'OLD=NEW, where OLD is the name, oid or old path of a tablespace and NEW an absolute path, or "in-place"',
  },
  badOption: {
    exit: 'usage',
    message: (at: { option: string; text: string; why: string }) => `${at.option} ${at.text}: ${at.why}`,
  },
  noRepository: {
    exit: 'configuration',
    message: (warehouse: string) => `no repository is known for warehouse "${warehouse}"`,
    hint: () => 'declare it in wharf.yaml, or give --repository-path with --key-file or --passphrase-file',
  },
  whichWarehouse: {
    exit: 'usage',
    message: (declared: readonly string[]) =>
      declared.length === 0 ? 'no warehouse is named, and none is declared' : 'which warehouse is meant is not said',
    hint: (declared) =>
      declared.length === 0 ? 'name it with --warehouse' : `--warehouse NAME, one of ${declared.join(', ')}`,
  },
  noBackup: {
    exit: 'notFound',
    message: (at: { warehouse: string; repository: string }) =>
      `repository "${at.repository}" holds no complete backup of warehouse "${at.warehouse}"`,
    hint: () => 'wharf backup list shows what there is; names are case sensitive',
  },
  unknownBackup: {
    exit: 'notFound',
    message: (at: { id: string; warehouse: string }) =>
      `there is no complete backup "${at.id}" of warehouse "${at.warehouse}"`,
    hint: () => 'wharf backup list shows what there is',
  },
  mixedSystems: {
    exit: 'notFound',
    message: (at: { warehouse: string; identifiers: readonly string[] }) =>
      `warehouse "${at.warehouse}" has backups of several clusters (system identifiers ${at.identifiers.join(', ')})`,
    hint: () => 'name the backup with --backup',
  },
  unknownTimeline: {
    exit: 'notFound',
    message: (at: { timeline: number; known: readonly number[] }) => `the repository knows no timeline ${at.timeline}`,
    hint: (at) => `timelines with WAL: ${at.known.join(', ')}`,
  },
  noHistory: {
    exit: 'damaged',
    message: (timeline: number) => `the repository holds WAL of timeline ${timeline} but not its history file`,
    hint: () => 'name an older timeline with --timeline',
  },
  beforeFirst: {
    exit: 'notFound',
    message: (at: { target: string; timeline: number; earliest: string }) =>
      `${at.target} is before the end of the first backup on timeline ${at.timeline}`,
    hint: (at) => `the earliest point that can be reached is ${at.earliest}`,
  },
  beyondEnd: {
    exit: 'notFound',
    message: (at: { target: string; timeline: number; latest: string; elsewhere?: string | undefined }) =>
      `${at.target} is beyond the end of what the repository holds of timeline ${at.timeline}`,
    hint: (at) =>
      `the last point that can be reached is ${at.latest}: --latest goes there${at.elsewhere === undefined ? '' : `; ${at.elsewhere}`}`,
  },
  inHole: {
    exit: 'notFound',
    message: (at: { target: string; from: string; to: string; latest: string; next: string; minimal: boolean }) =>
      at.minimal
        ? `${at.target} cannot be reached: at ${at.from} the server went to wal_level = minimal, and no replay goes past that`
        : `${at.target} cannot be reached: WAL from ${at.from} to ${at.to} is missing`,
    hint: (at) => `before ${at.minimal ? 'that' : 'the hole'} the last point is ${at.latest}; ${at.next}`,
  },
  offHistory: {
    exit: 'notFound',
    message: (at: { target: string; timeline: number; where: string }) =>
      `${at.target} does not lie on the way to timeline ${at.timeline}, but ${at.where}`,
    hint: () => 'name the timeline with --timeline',
  },
  backupTooLate: {
    exit: 'notFound',
    message: (at: { backup: string; stop: string; target: string }) =>
      `backup ${at.backup} ends at ${at.stop}, after ${at.target}`,
    hint: () => 'leave --backup out: the right one is then chosen',
  },
  backupOffHistory: {
    exit: 'notFound',
    message: (at: { backup: string; timeline: number }) =>
      `backup ${at.backup} does not lie on the way to timeline ${at.timeline}`,
    hint: () => 'leave --backup out, or name another timeline with --timeline',
  },
  unknownName: {
    exit: 'notFound',
    message: (name: string) => `no restore point "${name}" is in the WAL that the repository holds`,
    hint: () => 'names are those given to pg_create_restore_point(); they are case sensitive',
  },
  unknownXid: {
    exit: 'notFound',
    message: (xid: string) => `no end of transaction ${xid} is in the WAL that the repository holds`,
    hint: () => 'it may still run, be a subtransaction, or have ended before the first backup',
  },
  unknownLoad: {
    exit: 'notFound',
    message: (load: string) => `no committed load "${load}" is in the WAL that the repository holds`,
    hint: () => 'wharf load journal WAREHOUSE shows the ids; a load that was rolled back needs no recovery',
  },
  ambiguous: {
    exit: 'notFound',
    message: (at: { what: string; points: readonly string[] }) => `${at.what} is found several times`,
    hint: (at) => `choose one with --lsn: ${at.points.join('; ')}`,
  },
  undecoded: {
    exit: 'damaged',
    message: (at: { object: string; problem: string }) =>
      `transactions cannot be found in WAL chunk ${at.object}: ${at.problem}`,
    hint: () => 'name the target by --lsn, or recover with --latest',
  },
  corruptBlocks: {
    exit: 'damaged',
    message: (at: { backup: string; count: number; blocks: readonly string[] }) =>
      `backup ${at.backup} holds ${at.count} ${at.count === 1 ? 'block that was' : 'blocks that were'} damaged at the source already: ${at.blocks.join(', ')}`,
    hint: () => 'choose an older backup with --backup, or take them as they are with --allow-corrupt',
  },
  scratchNeedsStart: {
    exit: 'usage',
    message: (at: { backup: string; relations: readonly string[] }) =>
      `backup ${at.backup} leaves out ${at.relations.length} scratch relations, which must be emptied before anyone may connect: ${at.relations.slice(0, 5).join(', ')}`,
    hint: () => 'add --start: the server is started behind closed doors, the relations are emptied, then it opens',
  },
  scratchNotEmptied: {
    exit: 'failed',
    message: (at: { database: string; why: string }) =>
      `the scratch relations of database ${at.database} could not be emptied: ${at.why}`,
    hint: () =>
      'they hold rubbish, so the server was stopped; a prepared transaction of the original may hold a lock on them',
  },
  invalidPages: {
    exit: 'damaged',
    message: (at: { relations: readonly string[]; log: string }) =>
      `WAL changes pages that the restored files lack, of relations that no tier has left out: ${at.relations.join(', ')}`,
    hint: (at) => `the server was stopped; see ${at.log}, and recover from another backup`,
  },
  targetNotEmpty: {
    exit: 'failed',
    message: (at: { directory: string; found: string }) => `${at.directory} is not empty (${at.found})`,
    hint: () => 'name a folder that does not exist yet, or empty this one yourself',
  },
  targetInUse: {
    exit: 'busy',
    message: (at: { directory: string; what: string }) => `${at.directory} is in use: ${at.what}`,
    hint: () => 'stop the server that uses it, or name another folder',
  },
  targetChanged: {
    exit: 'failed',
    message: (at: { directory: string }) =>
      `the server of ${at.directory} has run since this recovery was planned: what it wrote meanwhile would be lost`,
    hint: () => 'nothing was changed; stop it, and run the same command again: its WAL is stored first',
  },
  targetHalfDone: {
    exit: 'failed',
    message: (at: { directory: string; backup: string; startedAt: string }) =>
      `${at.directory} holds a restore of backup ${at.backup} that was begun at ${at.startedAt} and not finished`,
    hint: () => 'with --resume what it left is compared with the backup and completed',
  },
  halfDoneInPlace: {
    exit: 'failed',
    message: (at: { directory: string; startedAt: string }) =>
      `${at.directory} holds a recovery in place that was begun at ${at.startedAt} and not finished`,
    hint: () => 'run it again with --in-place: what is right already is not written again',
  },
  noDirectory: {
    exit: 'usage',
    message: () => 'nowhere to recover to was named',
    hint: () => '--to-directory DIR for a missing or empty folder, --in-place DIR over a stopped server',
  },
  twoDirectories: {
    exit: 'usage',
    message: () => '--to-directory and --in-place exclude each other',
    hint: () => '--to-directory DIR for a missing or empty folder, --in-place DIR over a stopped server',
  },
  followTarget: {
    exit: 'usage',
    message: () => '--follow replays whatever comes: no target but --latest goes with it',
    hint: () => 'leave the target out; wharf recover cut-over DIRECTORY ends it',
  },
  followElsewhere: {
    exit: 'usage',
    message: () => '--follow makes a copy in a folder of its own: --in-place and --original do not go with it',
    hint: () => 'after the cut-over the copy can take the place of the original',
  },
  notFollowing: {
    exit: 'notFound',
    message: (directory: string) => `${directory} follows no warehouse`,
    hint: () => 'wharf recover run WAREHOUSE --follow --to-directory DIRECTORY begins one',
  },
  openedAlready: {
    exit: 'failed',
    message: (directory: string) =>
      `${directory} was opened by a cut-over that did not come to its end: it follows no more`,
    hint: () => 'start it and look at it, or begin a new one in another folder',
  },
  nobodyFollows: {
    exit: 'failed',
    message: (directory: string) => `nobody feeds the standby in ${directory} now`,
    hint: () => 'run wharf recover run --follow for it again, then cut over',
  },
  cutOverFailed: {
    exit: 'failed',
    message: (at: { directory: string; why: string }) => `the cut-over of ${at.directory} failed: ${at.why}`,
    hint: () => 'see what the following command says; run it again with --follow to go on following',
  },
  standbyDied: {
    exit: 'failed',
    message: (at: { why: string; log: string }) => `the standby ended: ${at.why}`,
    hint: (at) => `its log is ${at.log}; when the cause is gone, run the same command again: it goes on from there`,
  },
  noCluster: {
    exit: 'notFound',
    message: (at: { directory: string }) => `${at.directory} holds no PostgreSQL cluster`,
    hint: () => '--to-directory restores into a missing or empty folder',
  },
  unknownCluster: {
    exit: 'damaged',
    message: (directory: string) =>
      `nobody can tell which cluster ${directory} holds: its pg_control cannot be read, nor any segment of its WAL`,
    hint: () => 'move it away and restore with --to-directory and --original',
  },
  otherCluster: {
    exit: 'failed',
    message: (at: { directory: string; found: bigint; warehouse: string; wanted: readonly bigint[] }) =>
      `${at.directory} holds cluster ${at.found}, warehouse "${at.warehouse}" is cluster ${at.wanted.join(' or ')}`,
    hint: () => 'nothing was changed; only the same cluster can be recovered in place',
  },
  foreignOperation: {
    exit: 'busy',
    message: (at: { directory: string; what: string }) => `${at.directory} holds an unfinished operation: ${at.what}`,
    hint: () => 'finish that one, or restore elsewhere with --to-directory',
  },
  resumeNothing: {
    exit: 'failed',
    message: (directory: string) => `--resume: ${directory} holds no unfinished restore of wharf`,
    hint: () => 'leave --resume out',
  },
  targetUnreachable: {
    exit: 'denied',
    message: (at: { directory: string; owner: string; folder: string }) =>
      `user ${at.owner} cannot reach ${at.directory}: ${at.folder} is closed to it`,
    hint: () => 'name a folder that the user of the server can reach, or another user with --owner',
  },
  unknownOwner: {
    exit: 'notFound',
    message: (owner: string) => `there is no user "${owner}" on this machine`,
    hint: () => 'name the user that will run the server with --owner',
  },
  ownerNeedsRoot: {
    exit: 'denied',
    message: (owner: string) => `only root can give files to user "${owner}"`,
    hint: () => 'leave --owner out, or run as root',
  },
  noSpace: {
    exit: 'environment',
    message: (at: { directory: string; needed: string; free: string }) =>
      `${at.directory} has ${at.free} free, ${at.needed} are needed`,
    hint: () => 'free space, name another folder, or move tablespaces elsewhere with --tablespace',
  },
  diskFull: {
    exit: 'environment',
    message: (at: { path: string }) => `the disk is full: writing ${at.path} failed`,
    hint: () => 'free space and run the same command again with --resume',
  },
  writeFailed: {
    exit: 'failed',
    message: (at: { path: string; why: string }) => `writing ${at.path} failed: ${at.why}`,
    hint: () => 'nothing can be started from the folder; run again with --resume when the cause is gone',
  },
  badManifest: {
    exit: 'damaged',
    message: (at: { backup: string; why: string }) => `backup ${at.backup} cannot be restored: ${at.why}`,
    hint: () => 'choose another backup with --backup; wharf repository check names what is damaged',
  },
  damagedFile: {
    exit: 'damaged',
    message: (at: { file: string; backup: string }) =>
      `${at.file} of backup ${at.backup} differs from what was backed up`,
    hint: () => 'wharf repository check names what is damaged; another backup may be whole',
  },
  noBinaries: {
    exit: 'environment',
    message: (major: number) => `no PostgreSQL ${major} server programs were found`,
    hint: (major) => `name their folder with --binaries, for example --binaries /usr/lib/postgresql/${major}/bin`,
  },
  wrongBinaries: {
    exit: 'environment',
    message: (at: { folder: string; found: string; needed: number }) =>
      `${at.folder} holds ${at.found}, PostgreSQL ${at.needed} is needed`,
    hint: () => 'a data directory can only be opened by its own major version',
  },
  serverStopped: {
    exit: 'failed',
    message: (at: { why: string; log: string }) => `the server stopped before the target was reached: ${at.why}`,
    hint: (at) => `its log is ${at.log}`,
  },
  notOpened: {
    exit: 'failed',
    message: (at: { directory: string; why: string; bin: string }) =>
      `${at.directory} is recovered and proven, but its server did not open: ${at.why}`,
    hint: (at) =>
      `nothing has to be recovered again: once the cause is gone, ${at.bin}/pg_ctl -D ${at.directory} start`,
  },
  notConsistent: {
    exit: 'failed',
    message: (at: { reached: string; log: string }) => `recovery ended at ${at.reached} before the data was consistent`,
    hint: (at) => `the server's log is ${at.log}`,
  },
  wrongEnd: {
    exit: 'failed',
    message: (at: { reached: string; wanted: string; log: string }) =>
      `recovery ended at ${at.reached}, not at ${at.wanted}`,
    hint: (at) => `the server was stopped; its log is ${at.log}`,
  },
  tooSmallSettings: {
    exit: 'failed',
    message: (why: string) => `recovery paused because a setting is too small: ${why}`,
    hint: () => 'run again with --resume and --set NAME=VALUE',
  },
  verifyFailed: {
    exit: 'damaged',
    message: (at: { count: number; findings: readonly string[] }) =>
      `the recovered cluster is not whole: ${at.findings.join('; ')}`,
    hint: () => 'the folder is kept for inspection; another backup may be whole',
  },
  cannotConnect: {
    exit: 'failed',
    message: (at: { database: string; why: string }) =>
      `the recovered database "${at.database}" cannot be opened: ${at.why}`,
  },
  walUnavailable: {
    exit: 'unreachable',
    passing: true,
    message: (at: { segment: string; why: string }) => `cannot get WAL ${at.segment}: ${at.why}`,
    hint: () =>
      'run the same command again once the repository answers and holds it; wharf repository check names what is missing',
  },
  badSegment: {
    exit: 'damaged',
    message: (at: { segment: string; why: string }) => `WAL ${at.segment} of the repository is not usable: ${at.why}`,
    hint: () => 'wharf repository check names what is damaged; a copy of the repository may hold it whole',
  },
  badGetUsage: {
    exit: 'usage',
    message: (at: { why: string; usage: string }) => `${at.why} (usage: ${at.usage})`,
  },
  badWalOptions: {
    exit: 'configuration',
    message: (at: { file: string; why: string }) => `cannot read the WAL options ${at.file}: ${at.why}`,
    hint: () => 'recovery writes that file: run it again',
  },
  drillFailed: {
    exit: 'findings',
    message: (at: { drill: string; warehouse: string; findings: readonly string[]; more: number }) =>
      `drill ${at.drill} of warehouse "${at.warehouse}" failed: ${at.findings.join('; ')}${at.more > 0 ? `; and ${at.more} more` : ''}`,
    hint: (at) =>
      `wharf drill show ${at.drill} has all of it; until it is mended, take it that this cannot be recovered`,
  },
  unknownDrill: {
    exit: 'notFound',
    message: (drill: string) => `there is no evidence of a drill "${drill}"`,
    hint: () => 'wharf drill list shows what there is',
  },
  noCopy: {
    exit: 'notFound',
    message: (at: { warehouse: string; what: readonly string[] }) =>
      `the repository has no copy of unlogged tables of warehouse "${at.warehouse}"${at.what.length === 0 ? '' : ` for ${at.what.join(', ')}`}`,
    hint: () => 'wharf backup copies shows what there is',
  },
  tableNotEmpty: {
    exit: 'failed',
    message: (at: { table: string }) => `${at.table} holds rows`,
    hint: () => 'nothing was changed; --overwrite replaces them by those of the copy',
  },
  otherColumns: {
    exit: 'failed',
    message: (at: { table: string; expected: string; found: string }) =>
      at.found === ''
        ? `there is no table ${at.table}`
        : `${at.table} has the columns (${at.found}), the copy has (${at.expected})`,
    hint: () => 'nothing was changed; choose an older or newer copy with --copy, or leave the table out with --table',
  },
  copyDiffers: {
    exit: 'failed',
    message: (at: { table: string }) => `${at.table} does not hold the rows of the copy after they were written`,
    hint: () => 'nothing was changed; somebody else may write to the table, or a rule or trigger of it changes rows',
  },
  noKeptLoad: {
    exit: 'notFound',
    message: (at: { warehouse: string; repository: string }) =>
      `repository "${at.repository}" keeps no load of warehouse "${at.warehouse}"`,
    hint: () => 'loads are kept where their pipeline says "keep: inputs"; what others wrote has to be loaded again',
  },
  otherServer: {
    exit: 'notFound',
    message: (at: { server: string; kept: readonly string[] }) =>
      `the server has system identifier ${at.server}; the loads that are kept were of ${at.kept.join(', ')}`,
    hint: () => 'replay goes into a server that was recovered from a backup of the same cluster',
  },
  unknownLoads: {
    exit: 'usage',
    message: (ids: readonly string[]) => `--except names no load that is kept: ${ids.join(', ')}`,
    hint: () => 'wharf recover loads WAREHOUSE --to URL --plan shows the ids',
  },
  tablesFilled: {
    exit: 'failed',
    message: (tables: readonly string[]) => `rows are there already, and not from a replay: ${tables.join(', ')}`,
    hint: () =>
      'nothing was changed. A server that was never recovered has its rows still: replay would write them twice; --overwrite empties these tables first',
  },
  replayBusy: {
    exit: 'busy',
    message: (database: string) => `another replay works in database "${database}" of this server`,
    hint: () => 'wait until it has ended; one that was killed lets go as soon as the server notices',
  },
  loadsNotReplayed: {
    exit: 'failed',
    message: (at: { warehouse: string; directory: string; port: number; user: string; why: string }) =>
      `${at.directory} is recovered, proven and open on port ${at.port}, but its loads did not all come back: ${at.why}`,
    hint: (at) =>
      `the server runs; once the cause is gone: wharf recover loads ${at.warehouse} --to postgresql://${at.user}@127.0.0.1:${at.port}/postgres goes on from there`,
  },
  replayFailed: {
    exit: 'failed',
    message: (at: { load: string; what: string; at: string; why: string }) =>
      `replay stopped at load ${at.load} (${at.what}, at ${at.at}): ${at.why}`,
    hint: (at) =>
      `what was replayed before it stays, and the same command goes on from there; once the cause is gone run it again, or leave the load out with --except ${at.load}`,
  },
})
