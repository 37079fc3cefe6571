// What an operator can be told by recovery. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../base/errors.ts'

export const recoveryErrors = defineErrors('recovery', {
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
  lostLink: {
    exit: 'failed',
    message: (at: { directory: string; found: string; link: string }) =>
      `${at.directory} holds a tablespace (${at.found}), and the cluster has no link to it`,
    hint: (at) =>
      `nothing was changed; if it is this cluster's: ln -s ${at.directory} ${at.link}, and run again; if not, --tablespace names another folder`,
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
})
