import assert from 'node:assert/strict'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { reopen, scratchFolder, scratchRepository, testPassphrase } from '../../../test/support/scratch-repository.ts'
import { isWharfError } from '../../base/errors.ts'
import { initRepository } from '../open.ts'
import { openStore } from '../stores.ts'
import type { Unlock } from '../unlock.ts'
import { writeKeyFile } from './wrap.ts'

const signal = new AbortController().signal

async function refused(opening: Promise<unknown>, code: string, message: string, hint: string): Promise<void> {
  await assert.rejects(opening, (error) => {
    assert.ok(isWharfError(error, code), String(error))
    assert.equal(error.message, message)
    assert.equal(error.hint, hint)
    return true
  })
}

test('a wrong passphrase, a wrong key file, the wrong kind of key: each refused at open at once', async (t) => {
  const { path } = await scratchRepository(t)
  const at = `file:${path}`
  await refused(
    reopen(path, { unlock: { by: 'passphrase', passphrase: 'correct horse ' } }),
    'repository.wrong-key',
    `the passphrase does not open the repository at ${at}`,
    'check the passphrase in the encryption section of wharf.yaml; a trailing space or line feed in its file counts',
  )
  const folder = await scratchFolder(t)
  const [right, wrong] = [join(folder, 'right.key'), join(folder, 'wrong.key')]
  await writeKeyFile(right)
  await writeKeyFile(wrong)
  await refused(
    reopen(path, { unlock: { by: 'key-file', path: right } }),
    'repository.no-key-slot',
    `the repository at ${at} has no key slot for a key file`,
    'give the passphrase that it was created with',
  )
  await refused(
    reopen(path, { unlock: { by: 'none' } }),
    'repository.encryption-mismatch',
    `the repository at ${at} is encrypted, but no key is given`,
    'give the key file or passphrase that it was created with: in wharf.yaml, or by --key-file or --passphrase-file with --repository-path',
  )
  const other = await scratchRepository(t, { unlock: { by: 'key-file', path: right } })
  await refused(
    reopen(other.path, { unlock: { by: 'key-file', path: wrong } }),
    'repository.wrong-key',
    `the key file does not open the repository at file:${other.path}`,
    'check key_file in wharf.yaml: it must be the file that was there when the repository was created, or a copy of it',
  )
  const open = await scratchRepository(t, { unlock: { by: 'none' } })
  await refused(
    reopen(open.path),
    'repository.encryption-mismatch',
    `the repository at file:${open.path} is not encrypted, but a key is given`,
    'if it was created that way, write encryption: none and give no key; otherwise somebody replaced it: do not use it',
  )
})

test('a key file: made 0600, missing, not one', async (t) => {
  const folder = await scratchFolder(t)
  const path = join(folder, 'main.key')
  const unlock: Unlock = { by: 'key-file', path }
  await writeKeyFile(path)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  const { path: at } = await scratchRepository(t, { unlock })
  await reopen(at, { unlock })
  await writeFile(path, 'hello\n')
  await refused(
    reopen(at, { unlock }),
    'repository.key-file-wrong',
    `${path} is not a key file of wharf`,
    'a key file is one line: wharfinger-key-1 and 64 hexadecimal digits',
  )
  await rm(path)
  await refused(
    reopen(at, { unlock }),
    'repository.key-file-missing',
    `the key file ${path} does not exist`,
    'bring back the copy that was kept elsewhere; a new repository gets a new key file by wharf repository init',
  )
})

test('where nothing is: not initialised; where something is: not created over it', async (t) => {
  const path = await scratchFolder(t)
  await refused(
    reopen(path),
    'repository.not-initialised',
    `there is no repository at file:${path}`,
    'create it with: wharf repository init',
  )
  await writeFile(join(path, 'holiday.jpg'), 'x')
  const store = await openStore({ kind: 'file', path })
  await refused(
    initRepository({ store, unlock: testPassphrase, signal }),
    'repository.not-empty',
    `file:${path} is not empty: it holds holiday.jpg`,
    'a repository is created in a folder of its own; name an empty or new one',
  )
  await rm(join(path, 'holiday.jpg'))
  await initRepository({ store, unlock: testPassphrase, signal })
  const before = await readFile(join(path, 'format'))
  await refused(
    initRepository({ store, unlock: testPassphrase, signal }),
    'repository.already-initialised',
    `there is a repository at file:${path} already`,
    'nothing was changed; use it as it is, or name another path',
  )
  assert.ok((await readFile(join(path, 'format'))).equals(before))
})

test('an init that was cut off is done again', async (t) => {
  const { path } = await scratchRepository(t)
  await rm(join(path, 'format'))
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: testPassphrase, signal })
  await reopen(path)
})

test('damage of format and keys is told from a wrong key', async (t) => {
  const { repository, path } = await scratchRepository(t)
  const names: string[] = []
  for await (const { name } of repository.store.list('', { signal })) names.push(name)
  for (const name of names) {
    const bytes = await readFile(join(path, name))
    for (let at = 0; at < bytes.length; at += 5) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 1 << (at % 8)
      await writeFile(join(path, name), flipped)
      await assert.rejects(
        reopen(path),
        (error) => isWharfError(error, 'repository.damaged-object') && error.message.startsWith(`${name} is damaged: `),
        `${name} ${at}`,
      )
    }
    await writeFile(join(path, name), bytes)
  }
  await reopen(path)
})

test('keys are nowhere in the store in clear, and a passphrase is not either', async (t) => {
  const { repository } = await scratchRepository(t)
  const { dataKeys } = (repository.readerSeed as unknown as { ring: { dataKeys: { key: Buffer }[] } }).ring
  for await (const { name } of repository.store.list('', { signal })) {
    const bytes = await repository.store.get(name, { signal })
    for (const { key } of dataKeys) assert.equal(bytes.includes(key) || bytes.includes(key.toString('hex')), false)
    assert.equal(bytes.includes('correct horse'), false)
  }
})
