// Errors of what objects are stored on: folders and buckets. Tests hold the exact texts.
import { defineErrors } from '../base/errors.ts'

interface At {
  readonly location: string
}
interface Named extends At {
  readonly name: string
}

/** Reason of `unreachable` where the folder of a repository does not exist: it is away, or was never made. */
export const NO_FOLDER = 'no such folder'

/** Whether messages are about a bucket. */
const isBucket = (at: At): boolean => at.location.startsWith('s3://')

export const storeErrors = defineErrors('repository', {
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
