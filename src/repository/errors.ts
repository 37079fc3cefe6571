// Errors of the repository. Tests hold the exact texts.
import { defineErrors } from '../base/errors.ts'

interface At {
  readonly location: string
}
interface Named extends At {
  readonly name: string
}

const HOW_TO_DECLARE = 'wharf repository add main /backups/wharf declares one'

export const errors = defineErrors('repository', {
  declared: {
    exit: 'failed',
    message: (at: { name: string; file: string }) => `${at.file} already declares a repository "${at.name}"`,
    hint: () => 'choose another name, or change its entry in the file',
  },
  oneKey: {
    exit: 'usage',
    message: () => 'more than one of --key-file, --passphrase-file and --no-encryption was given',
    hint: () => 'choose how the repository is opened: exactly one of them, or none for a key file',
  },
  unknown: {
    exit: 'notFound',
    message: (at: { name: string; hint: string | undefined }) => `no repository "${at.name}" is declared in wharf.yaml`,
    hint: (at) => at.hint ?? HOW_TO_DECLARE,
  },
  noneDeclared: {
    exit: 'configuration',
    message: () => 'wharf.yaml declares no repository',
    hint: () => HOW_TO_DECLARE,
  },
  whichRepository: {
    exit: 'usage',
    message: () => 'several repositories are declared: which one?',
    hint: (at: { known: readonly string[] }) => `name one of: ${at.known.join(', ')}`,
  },
  unknownObject: {
    exit: 'notFound',
    message: (at: Named) => `there is no object ${at.name} in ${at.location}`,
    hint: () =>
      'names are those of the files under the folder of the repository, for example format or manifests/<warehouse>/<id>',
  },
  notInitialised: {
    exit: 'environment',
    message: (at: At) => `there is no repository at ${at.location}`,
    hint: () => 'create it with: wharf repository init',
  },
  alreadyInitialised: {
    exit: 'failed',
    message: (at: At) => `there is a repository at ${at.location} already`,
    hint: () => 'nothing was changed; use it as it is, or name another path',
  },
  notEmpty: {
    exit: 'failed',
    message: (at: At & { found: string }) => `${at.location} is not empty: it holds ${at.found}`,
    hint: () => 'a repository is created in a folder of its own; name an empty or new one',
  },
  backupExpiring: {
    exit: 'notFound',
    message: (at: { id: string; location: string; until: string }) =>
      `backup ${at.id} in ${at.location} has expired and is deleted after ${at.until}`,
    hint: (at) => `bring it back while it is there with: wharf backup restore-expired ${at.id}`,
  },
  tooLateToRevive: {
    exit: 'failed',
    message: (at: { what: string; until: string }) =>
      `${at.what} cannot be brought back any more: its grace period ended at ${at.until}`,
    hint: () => 'it is being deleted; use another backup',
  },
  sharedExpired: {
    exit: 'failed',
    passing: true,
    message: (at: { backup: string; object: string }) =>
      `backup ${at.backup} needs ${at.object}, which is being deleted`,
    hint: () => 'the backup was not recorded; start it again: it will not build on what is being deleted',
  },
  unknownHold: {
    exit: 'notFound',
    message: (at: { id: string; location: string }) => `no hold ${at.id} in ${at.location}`,
    hint: () => 'list them with: wharf backup holds',
  },
  busy: {
    exit: 'busy',
    passing: true,
    message: (at: { warehouse: string; backup: string; holder: string; since: string; until: string }) =>
      `another backup of warehouse "${at.warehouse}" is running: ${at.backup} by ${at.holder} since ${at.since}`,
    hint: (at) => `wait for it; if its process is dead its lease runs out at ${at.until} unless renewed`,
  },
  leaseLost: {
    exit: 'failed',
    message: (at: { warehouse: string; backup: string; reason: string }) =>
      `backup ${at.backup} of warehouse "${at.warehouse}" lost its lease: ${at.reason}`,
    hint: () => 'the backup is not valid and was not recorded; start it again',
  },
  backupUncertain: {
    exit: 'failed',
    passing: true,
    message: (at: { warehouse: string; backup: string; why: string }) =>
      `nobody can tell whether backup ${at.backup} of warehouse "${at.warehouse}" is complete: ${at.why}`,
    hint: () =>
      'its last step failed, and the store did not take it back; where wharf backup list shows it, it is whole; where not, start it again',
  },
  keptLeaseLost: {
    exit: 'busy',
    passing: true,
    message: (at: { warehouse: string }) =>
      `what a load of warehouse "${at.warehouse}" has kept in the repository may be expired: its lease ran out before it was renewed`,
    hint: () => 'the load was not committed; it can succeed when tried again, set "retries" for the task',
  },
  keptNotCopied: {
    exit: 'failed',
    message: (at: { load: string; location: string; why: string }) =>
      `kept load ${at.load} could not be copied into ${at.location}: ${at.why}`,
    hint: () => 'the backup itself is complete there; once the load can be read, copy it once more',
  },
  sameRepository: {
    exit: 'usage',
    message: (at: { name: string }) => `"${at.name}" is named twice: as the one to read from and the one to write to`,
    hint: () => 'name two different repositories',
  },
  badShare: {
    exit: 'usage',
    message: (at: { text: string }) => `not a share of the data: "${at.text}"`,
    hint: () => 'for example 1/30, 0.05 or 5%',
  },
  badExport: {
    exit: 'damaged',
    message: (at: { why: string }) => `the stream is no whole export: ${at.why}`,
    hint: () => 'nothing was taken from it; read it again from where it was kept, or export the backup once more',
  },
  exportChanged: {
    exit: 'failed',
    message: (at: { name: string }) => `${at.name} changed while it was exported`,
    hint: () => 'what was written is no whole export: run wharf repository check, then export again',
  },
  exportExists: {
    exit: 'usage',
    message: (at: { path: string }) => `${at.path} exists already`,
    hint: () => 'choose another file, or remove it; a device or a pipe may exist',
  },
  exportReaderLeft: {
    exit: 'failed',
    message: (at: { to: string }) => `the reader of the export on ${at.to} went away before its end`,
    hint: () => 'what it took is no whole export: look at why it ended, and export again',
  },
  exportUnreachable: {
    exit: 'environment',
    message: (at: { path: string; why: string }) => `cannot read or write the export ${at.path}: ${at.why}`,
    hint: () => 'check the path and the rights to it',
  },
  importExpired: {
    exit: 'failed',
    passing: true,
    message: (at: At & { id: string }) => `backup ${at.id} has expired in ${at.location} and is being deleted`,
    hint: () => 'nothing was imported; let wharf backup expire finish with it, then import again',
  },
  importConflict: {
    exit: 'damaged',
    message: (at: Named) => `${at.location} has other bytes under ${at.name}`,
    hint: () => 'nothing was overwritten; import into another place, and look at this one with wharf repository check',
  },
  nothingToCopy: {
    exit: 'notFound',
    message: (at: At & { what: string }) => `there is no complete backup ${at.what} in ${at.location}`,
    hint: () => 'list them with: wharf backup list',
  },
  unknownBackup: {
    exit: 'notFound',
    message: (at: { id: string; location: string }) => `no backup ${at.id} in ${at.location}`,
    hint: () => 'list them with: wharf backup list',
  },
  lateManifest: {
    exit: 'damaged',
    message: (at: { object: string; written: string; until: string }) =>
      `${at.object} was written at ${at.written}, after its lease ended at ${at.until}: it is no backup`,
    hint: () => 'take another backup; if the repository was copied, copy it again with times kept (cp -a, rsync -a)',
  },
  walConflict: {
    exit: 'damaged',
    message: (at: { object: string; what: string }) => `${at.object} already holds other bytes for ${at.what}`,
    hint: () =>
      'two servers with one system identifier write here, or one went back in time without a new timeline: give each a repository of its own',
  },
  walChunkBounds: {
    exit: 'failed',
    message: (at: { from: string; to: string }) =>
      `a WAL chunk must lie within one segment, ${at.from} to ${at.to} does not`,
    hint: () => 'this is a defect of the program: please report it',
  },
  walGap: {
    exit: 'damaged',
    message: (at: At & { from: string; timeline: number }) =>
      `WAL from ${at.from} on is missing on timeline ${at.timeline} in ${at.location}, although later WAL is there`,
    hint: () => 'recovery cannot pass this point; choose an earlier target, or a backup after the gap',
  },
  badWalName: {
    exit: 'usage',
    message: (at: { name: string }) => `not a WAL file name: "${at.name}"`,
    hint: () => 'for example 000000010000000000000003 or 00000002.history',
  },
  badWarehouseName: {
    exit: 'usage',
    message: (at: { name: string }) => `"${at.name}" cannot be the name of a warehouse in a repository`,
    hint: () => 'letters, digits, _ and - are allowed',
  },
  damagedObject: {
    exit: 'damaged',
    message: (at: { object: string; reason: string }) => `${at.object} is damaged: ${at.reason}`,
    hint: () =>
      'bring the object back from a copy of the repository; wharf repository check tells what else is damaged',
  },
  damagedManifest: {
    exit: 'damaged',
    message: (at: { object: string; reason: string }) => `manifest ${at.object} is damaged: ${at.reason}`,
    hint: () => 'use another backup; wharf repository check tells what else is damaged',
  },
  damagedExtent: {
    exit: 'damaged',
    message: (at: { pack: string; number: number; file: string; reason: string }) =>
      `extent ${at.number} of pack ${at.pack}, which holds blocks of ${at.file}, is damaged: ${at.reason}`,
    hint: () => 'use a backup that does not need this pack; wharf repository check tells what else is damaged',
  },
  unknownFormat: {
    exit: 'environment',
    message: (at: { object: string; what: string }) =>
      `${at.object} is of a kind that this wharf does not know: ${at.what}`,
    hint: () => 'a newer wharf wrote it: update this one',
  },
})
