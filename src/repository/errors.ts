// Errors of the repository. Tests hold the exact texts.
import { defineErrors } from '../base/errors.ts'

interface At {
  readonly location: string
}
type KeyKind = 'passphrase' | 'key-file' | 'command' | 'wrapper'
const keyKinds: Readonly<Record<KeyKind, string>> = {
  passphrase: 'passphrase',
  'key-file': 'key file',
  command: 'key command',
  wrapper: 'key wrapper',
}
interface Named extends At {
  readonly name: string
}

/** Reason of `unreachable` where the folder of a repository does not exist: it is away, or was never made. */
export const NO_FOLDER = 'no such folder'

/** Whether messages are about a bucket. */
const isBucket = (at: At): boolean => at.location.startsWith('s3://')

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
  wrongKey: {
    exit: 'denied',
    message: (at: At & { by: KeyKind }) => `the ${keyKinds[at.by]} does not open the repository at ${at.location}`,
    hint: (at) =>
      at.by === 'passphrase'
        ? 'check the passphrase in the encryption section of wharf.yaml; a trailing space or line feed in its file counts'
        : at.by === 'key-file'
          ? 'check key_file in wharf.yaml: it must be the file that was there when the repository was created, or a copy of it'
          : 'check what the program in the encryption section of wharf.yaml answers: it must be the key that the repository was created with, or one that was added since',
  },
  noKeySlot: {
    exit: 'denied',
    message: (at: At & { by: KeyKind }) => `the repository at ${at.location} has no key slot for a ${keyKinds[at.by]}`,
    hint: (at) =>
      at.by === 'passphrase' || at.by === 'key-file'
        ? `give the ${at.by === 'passphrase' ? 'key file' : 'passphrase'} that it was created with`
        : 'open it with a key that it has a slot for, and add this one: wharf repository key add',
  },
  keyProgram: {
    exit: 'denied',
    message: (at: { program: string; reason: string }) => `the key program ${at.program} failed: ${at.reason}`,
    hint: () =>
      'run it by hand as the user that runs wharf; its standard error says more. The repository was not touched',
  },
  newerDataKey: {
    exit: 'failed',
    passing: true,
    message: (at: { object: string; number: number; known: number }) =>
      `${at.object} is sealed with data key ${at.number}, which was made after this program read the keys up to ${at.known}`,
    hint: () => 'keys were rotated meanwhile: try again, or start the program anew',
  },
  unknownSlot: {
    exit: 'notFound',
    message: (at: At & { slot: string }) => `there is no key slot ${at.slot} in ${at.location}`,
    hint: () => 'list them with: wharf repository key list',
  },
  lastSlot: {
    exit: 'failed',
    message: (at: At & { slot: string }) => `${at.slot} is the last key slot of ${at.location} that can be read`,
    hint: () =>
      'without it nobody could open the repository ever again: add another one first, with wharf repository key add',
  },
  slotDoesNotOpen: {
    exit: 'failed',
    message: (at: At & { by: KeyKind }) =>
      `the ${keyKinds[at.by]} does not open the slot that was just made for it in ${at.location}`,
    hint: () => 'the slot was removed again; a wrapper must give back exactly the bytes that it wrapped',
  },
  oneNewKey: {
    exit: 'usage',
    message: () => 'exactly one of --key-file, --passphrase-file, --command and --wrapper is needed',
    hint: () => 'say how the repository shall be opened as well',
  },
  notEncrypted: {
    exit: 'failed',
    message: (at: At) => `the repository at ${at.location} is not encrypted: it has no keys`,
    hint: () => 'copy it into an encrypted one: wharf repository copy',
  },
  encryptionMismatch: {
    exit: 'configuration',
    message: (at: At & { encrypted: boolean }) =>
      at.encrypted
        ? `the repository at ${at.location} is encrypted, but no key is given`
        : `the repository at ${at.location} is not encrypted, but a key is given`,
    hint: (at) =>
      at.encrypted
        ? 'give the key file or passphrase that it was created with: in wharf.yaml, or by --key-file or --passphrase-file with --repository-path'
        : 'if it was created that way, write encryption: none and give no key; otherwise somebody replaced it: do not use it',
  },
  noPruneKey: {
    exit: 'denied',
    message: (at: At & { by: string }) =>
      `the repository at ${at.location} has no prune key for a ${at.by === 'passphrase' ? 'passphrase' : 'key file'}`,
    hint: () => 'make one with: wharf repository prune-key',
  },
  wrongPruneKey: {
    exit: 'denied',
    message: (at: At & { by: string }) =>
      `the ${at.by === 'passphrase' ? 'passphrase' : 'key file'} does not open a prune key of the repository at ${at.location}`,
    hint: () => 'check prune of this repository in wharf.yaml; nothing was deleted',
  },
  noPruneDeclared: {
    exit: 'configuration',
    message: (at: { name: string }) => `repository "${at.name}" has no prune key in wharf.yaml: nothing can be deleted`,
    hint: () =>
      'on the host that may delete, give the repository prune: { key_file: PATH } and run wharf repository prune-key',
  },
  pruneKeyThere: {
    exit: 'failed',
    message: (at: At) => `the repository at ${at.location} has a prune key for this secret already`,
    hint: () => 'nothing was changed; use it as it is',
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
  keyFileMissing: {
    exit: 'environment',
    message: (at: { path: string }) => `the key file ${at.path} does not exist`,
    hint: () =>
      'bring back the copy that was kept elsewhere; a new repository gets a new key file by wharf repository init',
  },
  keyFileInside: {
    exit: 'configuration',
    message: (at: At & { path: string }) => `the key file ${at.path} would lie inside the repository at ${at.location}`,
    hint: () => 'who steals the repository must not get its key with it: put key_file somewhere else',
  },
  keyFileUnreadable: {
    exit: 'denied',
    message: (at: { path: string; reason: string }) => `the key file ${at.path} cannot be read: ${at.reason}`,
    hint: () => 'the user that runs wharf needs the right to read it',
  },
  keyFileWrong: {
    exit: 'configuration',
    message: (at: { path: string }) => `${at.path} is not a key file of wharf`,
    hint: () => 'a key file is one line: wharfinger-key-1 and 64 hexadecimal digits',
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
  objectExists: {
    exit: 'failed',
    message: (at: Named) => `${at.name} exists already in ${at.location}`,
    hint: () => 'objects are never overwritten; this is a defect of the program unless two repositories were mixed',
  },
  objectMissing: {
    exit: 'damaged',
    message: (at: Named) => `${at.name} is missing in ${at.location}`,
    hint: () =>
      'bring the object back from a copy of the repository; wharf repository check tells what else is missing',
  },
  badBucketUrl: {
    exit: 'usage',
    message: (at: { url: string }) => `"${at.url}" names no bucket`,
    hint: () => 'write s3://BUCKET or s3://BUCKET/PREFIX',
  },
  noBucket: {
    exit: 'configuration',
    message: (at: At) => `the bucket of ${at.location} does not exist`,
    hint: () =>
      'create it first (with object lock, if lock is wanted), or correct bucket, region and endpoint of the repository',
  },
  badCredentials: {
    exit: 'denied',
    message: (at: At & { reason: string }) => `the credentials for ${at.location} are not accepted: ${at.reason}`,
    hint: () =>
      'give access_key_id and secret_access_key as ${env:NAME} or ${file:PATH}, or a profile, or the usual AWS_… variables; session tokens run out',
  },
  wrongRegion: {
    exit: 'configuration',
    message: (at: At & { reason: string }) => `${at.location} is in another region: ${at.reason}`,
    hint: () => 'set region (and, for other servers than Amazon, endpoint) of the repository',
  },
  overwrites: {
    exit: 'configuration',
    message: (at: At) => `the server of ${at.location} puts new objects over old ones: it ignores If-None-Match`,
    hint: () =>
      'nothing in a repository may ever be overwritten: use a server that knows conditional writes; wharf repository validate-store tells what else it lacks',
  },
  defaultRetention: {
    exit: 'configuration',
    message: (at: At & { retention: string }) =>
      `the bucket of ${at.location} locks every new object (default retention: ${at.retention})`,
    hint: () =>
      'remove the default retention from the bucket and set lock of the repository instead: leases and tombstones must stay removable',
  },
  noObjectLock: {
    exit: 'configuration',
    message: (at: At) => `lock is set, but the bucket of ${at.location} has no object lock`,
    hint: () =>
      'switch object lock on for the bucket (most servers: when it is created), without a default retention; or leave lock out',
  },
  shadowed: {
    exit: 'damaged',
    message: (at: { name: string; newer: number }) =>
      `${at.newer} newer version${at.newer === 1 ? ' lies' : 's lie'} over ${at.name}: somebody put ${at.newer === 1 ? 'it' : 'them'} there`,
    hint: () =>
      'nothing is lost: the original is read. Find out who may write to the bucket, then remove the newer versions by their ids',
  },
  deleteMarked: {
    exit: 'damaged',
    message: (at: { name: string; newer: number }) =>
      `a delete marker hides ${at.name}${at.newer === 0 ? '' : `, and ${at.newer} newer version${at.newer === 1 ? ' lies' : 's lie'} over it`}: somebody deleted it`,
    hint: () =>
      'nothing is lost: the original is read. Find out who may delete in the bucket, then remove the marker by its id',
  },
  objectLocked: {
    exit: 'denied',
    message: (at: Named & { until: string | undefined }) =>
      `${at.name} in ${at.location} is locked${at.until === undefined ? '' : ` until ${at.until}`} and cannot be removed`,
    hint: () => 'object lock does what it is for: the object can be removed when its retention is over',
  },
  badObjectName: {
    exit: 'failed',
    message: (at: { name: string }) => `not a name of an object: "${at.name}"`,
    hint: () => 'this is a defect of the program: please report it',
  },
  unreachable: {
    exit: 'unreachable',
    passing: true,
    message: (at: At & { reason: string }) => `cannot reach ${at.location}: ${at.reason}`,
    hint: (at) =>
      at.reason === NO_FOLDER
        ? 'check that the file system is mounted and the path is right; if it was never made: wharf repository init'
        : isBucket(at)
          ? 'check endpoint, network and the state of the server; what was begun goes on when it is back'
          : 'check that the file system is mounted and the path is right',
  },
  notAFolder: {
    exit: 'configuration',
    message: (at: At) => `${at.location} is not a folder`,
    hint: () => 'the path of a repository names a folder of its own',
  },
  denied: {
    exit: 'denied',
    message: (at: At & { what: string }) => `no right to ${at.what} in ${at.location}`,
    hint: (at) =>
      isBucket(at)
        ? 'the credentials need s3:GetObject, PutObject, DeleteObject, ListBucket and AbortMultipartUpload, with versions also GetObjectVersion, DeleteObjectVersion and ListBucketVersions, with lock also Put- and GetObjectRetention'
        : 'the user that runs wharf must own the folder of the repository (mode 0700)',
  },
  readOnly: {
    exit: 'denied',
    message: (at: At) => `${at.location} lies on a read-only file system`,
    hint: () => 'mount it writable; reading, checking and recovering work all the same',
  },
  full: {
    exit: 'failed',
    passing: true,
    message: (at: At & { what: string }) => `no space left to ${at.what} in ${at.location}`,
    hint: () =>
      'free space on that file system (or raise the quota); what was written so far of this object is removed',
  },
  failedIo: {
    exit: 'failed',
    message: (at: At & { what: string; reason: string }) => `could not ${at.what} in ${at.location}: ${at.reason}`,
    hint: () => 'check the disk and its file system, for example with dmesg',
  },
  syncFailed: {
    exit: 'failed',
    message: (at: At & { what: string; reason: string }) =>
      `the disk failed to make ${at.what} durable in ${at.location}: ${at.reason}`,
    hint: () => 'what was written since the last barrier may be lost: check the disk, then start again',
  },
})
