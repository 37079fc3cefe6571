import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isWharfError } from '../base/errors.ts'
import { errors } from './errors.ts'
import { keyErrors } from './key-errors.ts'
import { storeErrors } from './store-errors.ts'
import { storeFailure } from './store/failures.ts'

const at = { location: 'file:/backups/wharf' }

/** System error → code, exit, message, hint. */
const failures: [string, string, string, string, string][] = [
  [
    'ENOSPC',
    'repository.full',
    'failed',
    'no space left to write packs/ab/x in file:/backups/wharf',
    'free space on that file system (or raise the quota); what was written so far of this object is removed',
  ],
  [
    'EDQUOT',
    'repository.full',
    'failed',
    'no space left to write packs/ab/x in file:/backups/wharf',
    'free space on that file system (or raise the quota); what was written so far of this object is removed',
  ],
  [
    'EACCES',
    'repository.denied',
    'denied',
    'no right to write packs/ab/x in file:/backups/wharf',
    'the user that runs wharf must own the folder of the repository (mode 0700)',
  ],
  [
    'EROFS',
    'repository.read-only',
    'denied',
    'file:/backups/wharf lies on a read-only file system',
    'mount it writable; reading, checking and recovering work all the same',
  ],
  [
    'ENOTDIR',
    'repository.not-a-folder',
    'configuration',
    'file:/backups/wharf is not a folder',
    'the path of a repository names a folder of its own',
  ],
  [
    'ENOENT',
    'repository.unreachable',
    'unreachable',
    'cannot reach file:/backups/wharf: no such folder',
    'check that the file system is mounted and the path is right; if it was never made: wharf repository init',
  ],
  [
    'ESTALE',
    'repository.unreachable',
    'unreachable',
    'cannot reach file:/backups/wharf: it failed',
    'check that the file system is mounted and the path is right',
  ],
  [
    'EIO',
    'repository.failed-io',
    'failed',
    'could not write packs/ab/x in file:/backups/wharf: it failed',
    'check the disk and its file system, for example with dmesg',
  ],
]

test('errors of the file system say what failed, where, and what to try', () => {
  for (const [code, ours, exit, message, hint] of failures) {
    const error = storeFailure(at.location, 'write packs/ab/x', Object.assign(new Error('it failed'), { code }))
    assert.ok(isWharfError(error, ours), code)
    assert.deepEqual([error.exit, error.message, error.hint], [exit, message, hint])
  }
  const own = storeErrors.objectMissing({ name: 'format', ...at })
  assert.equal(storeFailure(at.location, 'x', own), own, 'ours stay what they are')
})

test('the other texts', () => {
  const texts: [Error, string, string][] = [
    [
      keyErrors.encryptionMismatch({ ...at, encrypted: true }),
      'the repository at file:/backups/wharf is encrypted, but no key is given',
      'give the key file or passphrase that it was created with: in wharf.yaml, or by --key-file or --passphrase-file with --repository-path',
    ],
    [
      errors.unknown({ name: 'mian', hint: 'did you mean "main"?' }),
      'no repository "mian" is declared in wharf.yaml',
      'did you mean "main"?',
    ],
    [
      errors.noneDeclared({}),
      'wharf.yaml declares no repository',
      'wharf repository add main /backups/wharf declares one',
    ],
    [
      errors.whichRepository({ known: ['a', 'b'] }),
      'several repositories are declared: which one?',
      'name one of: a, b',
    ],
    [
      keyErrors.keyFileInside({ ...at, path: '/backups/wharf/k' }),
      'the key file /backups/wharf/k would lie inside the repository at file:/backups/wharf',
      'who steals the repository must not get its key with it: put key_file somewhere else',
    ],
    [
      keyErrors.keyFileUnreadable({ path: '/k', reason: 'EACCES' }),
      'the key file /k cannot be read: EACCES',
      'the user that runs wharf needs the right to read it',
    ],
    [
      errors.unknownBackup({ id: 'x', ...at }),
      'no backup x in file:/backups/wharf',
      'list them with: wharf backup list',
    ],
    [
      errors.unknownObject({ name: 'x', ...at }),
      'there is no object x in file:/backups/wharf',
      'names are those of the files under the folder of the repository, for example format or manifests/<warehouse>/<id>',
    ],
    [
      storeErrors.objectMissing({ name: 'maps/x', ...at }),
      'maps/x is missing in file:/backups/wharf',
      'bring the object back from a copy of the repository; wharf repository check tells what else is missing',
    ],
    [
      storeErrors.objectExists({ name: 'maps/x', ...at }),
      'maps/x exists already in file:/backups/wharf',
      'objects are never overwritten; this is a defect of the program unless two repositories were mixed',
    ],
    [
      errors.damagedManifest({ object: 'manifests/dw/x', reason: 'its end is missing' }),
      'manifest manifests/dw/x is damaged: its end is missing',
      'use another backup; wharf repository check tells what else is damaged',
    ],
    [
      errors.damagedExtent({ pack: 'ab', number: 3, file: 'base/5/1', reason: 'the seal of section 3 does not hold' }),
      'extent 3 of pack ab, which holds blocks of base/5/1, is damaged: the seal of section 3 does not hold',
      'use a backup that does not need this pack; wharf repository check tells what else is damaged',
    ],
    [
      storeErrors.syncFailed({ ...at, what: 'packs/ab/x', reason: 'EIO' }),
      'the disk failed to make packs/ab/x durable in file:/backups/wharf: EIO',
      'what was written since the last barrier may be lost: check the disk, then start again',
    ],
    [
      errors.walChunkBounds({ from: '0/1', to: '0/2' }),
      'a WAL chunk must lie within one segment, 0/1 to 0/2 does not',
      'this is a defect of the program: please report it',
    ],
  ]
  for (const [error, message, hint] of texts) {
    assert.ok(isWharfError(error))
    assert.deepEqual([error.message, error.hint], [message, hint])
  }
})
