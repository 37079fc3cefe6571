import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { between } from '../../../test/support/between-store.ts'
import { FaultyStore } from '../../../test/support/faulty-store.ts'
import { emptyManifest } from '../../../test/support/sample-manifest.ts'
import { reopen, scratchFolder, scratchRepository, testPassphrase } from '../../../test/support/scratch-repository.ts'
import { isWharfError } from '../../base/errors.ts'
import { initRepository } from '../open.ts'
import { openStore } from '../stores.ts'
import { addSlot, listSlots, removeSlot, rotateKeys } from './manage.ts'
import type { Opener } from './slots.ts'
import { writeKeyFile } from './wrap.ts'

const signal = new AbortController().signal
const passphrase = testPassphrase as Opener
const example = fileURLToPath(new URL('../../../examples/keys/openssl-wrapper', import.meta.url))

async function backUp(path: string, unlock: Opener): Promise<string> {
  const repository = await reopen(path, { unlock })
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  await backup.commit(emptyManifest(backup.id, 'dw'), signal)
  return backup.id
}

async function program(folder: string, name: string, script: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
  return path
}

test('several keys open one repository; one that is removed opens it no more; the last stays', async (t) => {
  const { path } = await scratchRepository(t)
  const id = await backUp(path, passphrase)
  const at = { store: await openStore({ kind: 'file', path }), signal }
  const folder = await scratchFolder(t)
  const keyFile = { by: 'key-file', path: join(folder, 'a.key') } as const
  await writeKeyFile(keyFile.path)
  await addSlot(at, passphrase, keyFile)
  assert.equal((await (await reopen(path, { unlock: keyFile })).readManifest(id, signal)).id, id)
  const { slots } = await listSlots(at, keyFile)
  assert.deepEqual(Object.fromEntries(slots.map((one) => [one.by, one.isOurs])), {
    'key-file': true,
    passphrase: false,
  })
  const old = slots.find((one) => one.by === 'passphrase')!.slot
  await removeSlot(at, old)
  await assert.rejects(reopen(path), (error) => isWharfError(error, 'repository.no-key-slot'))
  const last = slots.find((one) => one.by === 'key-file')!.slot
  await assert.rejects(removeSlot(at, last), (error: Error) => {
    assert.equal(error.message, `${last} is the last key slot of file:${path} that can be read`)
    return isWharfError(error, 'repository.last-slot')
  })
  await assert.rejects(removeSlot(at, old), (error) => isWharfError(error, 'repository.unknown-slot'))
})

test('after a rotation old backups are read and new objects carry the new data key; an old opening says that it is old', async (t) => {
  const { path, repository: before } = await scratchRepository(t)
  const id = await backUp(path, passphrase)
  const at = { store: await openStore({ kind: 'file', path }), signal }
  const files = await readFile(join(path, 'manifests', 'dw', id))
  assert.equal((await rotateKeys(at, passphrase)).dataKey, 2)
  assert.deepEqual(await readFile(join(path, 'manifests', 'dw', id)), files, 'nothing stored is rewritten')
  const next = await backUp(path, passphrase)
  const after = await reopen(path)
  for (const one of [id, next]) assert.equal((await after.readManifest(one, signal)).id, one)
  assert.equal((await readFile(join(path, 'manifests', 'dw', next))).readUInt32LE(12), 2)
  await assert.rejects(before.readManifest(next, signal), (error: Error) => {
    assert.match(
      error.message,
      /^manifests\/dw\/\S+ is sealed with data key 2, which was made after this program read the keys up to 1$/,
    )
    return isWharfError(error, 'repository.newer-data-key')
  })
  assert.equal((await listSlots(at, passphrase)).slots.length, 1)
})

test('killed at any call of the store, a rotation leaves a repository that opens, with everything in it', async (t) => {
  const { path } = await scratchRepository(t)
  const id = await backUp(path, passphrase)
  const folder = await scratchFolder(t)
  for (let call = 0; ; call++) {
    const copy = join(folder, `at-${call}`)
    await cp(path, copy, { recursive: true })
    let calls = 0
    const dies = new FaultyStore(await openStore({ kind: 'file', path: copy }), () =>
      calls++ >= call ? { kind: 'error', error: new Error('killed') } : undefined,
    )
    const done = await rotateKeys({ store: dies, signal }, passphrase).then(
      () => true,
      () => false,
    )
    const repository = await reopen(copy)
    assert.equal((await repository.readManifest(id, signal)).id, id, `after ${call} calls`)
    const next = await backUp(copy, passphrase)
    assert.equal((await (await reopen(copy)).readManifest(next, signal)).id, next)
    if (done) {
      assert.ok(call > 8, 'it was killed at many places before')
      break
    }
  }
})

test('a command gives the key; what goes wrong with it is told, and the key never', async (t) => {
  const folder = await scratchFolder(t)
  const keyFile = join(folder, 'a.key')
  await writeKeyFile(keyFile)
  const by = (path: string, timeoutMs = 20_000): Opener => ({ by: 'command', program: { argv: [path], timeoutMs } })
  const good = by(await program(folder, 'good', `cat ${keyFile}`))
  const { path } = await scratchRepository(t, { unlock: good })
  const id = await backUp(path, good)
  const asFile = await reopen(path, { unlock: { by: 'key-file', path: keyFile } })
  assert.equal((await asFile.readManifest(id, signal)).id, id, 'the same slot as for the file')
  const secret = (await readFile(keyFile, 'utf8')).trim()
  const cases: [string, string, string][] = [
    ['fails', `echo ${secret}; echo no access >&2; exit 3`, 'it ended with 3: no access'],
    [
      'chats',
      `echo your key: ${secret}`,
      'it did not print a key: one line, wharfinger-key-1 and 64 hexadecimal digits',
    ],
    ['floods', `head -c 100000 /dev/zero`, 'it answered with more than 64 kB'],
  ]
  for (const [name, script, reason] of cases) {
    const unlock = by(await program(folder, name, script))
    await assert.rejects(reopen(path, { unlock }), (error: Error) => {
      assert.equal(error.message, `the key program ${join(folder, name)} failed: ${reason}`)
      assert.ok(!JSON.stringify(error).includes(secret.slice(17)))
      return isWharfError(error, 'repository.key-program')
    })
  }
  const missing = reopen(path, { unlock: by(join(folder, 'none')) })
  await assert.rejects(missing, { message: `the key program ${join(folder, 'none')} failed: there is no such program` })
  const slow = await program(folder, 'slow', 'exec sleep 600')
  await assert.rejects(reopen(path, { unlock: by(slow, 300) }), {
    message: `the key program ${slow} failed: no answer within 0.3 s`,
  })
  const other = join(folder, 'b.key')
  await writeKeyFile(other)
  const wrong = by(await program(folder, 'wrong', `cat ${other}`))
  await assert.rejects(reopen(path, { unlock: wrong }), (error) => isWharfError(error, 'repository.wrong-key'))
})

test('the example wrapper of openssl wraps and unwraps; another certificate does not open; a wrapper that answers wrongly leaves no slot', async (t) => {
  const folder = await scratchFolder(t)
  const wrapper = async (name: string): Promise<Opener> => {
    const at = join(folder, name)
    await mkdir(at)
    const wanted = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '9', '-subj', '/CN=wharf']
    const out = ['-keyout', join(at, 'key.pem'), '-out', join(at, 'cert.pem')]
    await promisify(execFile)('openssl', ['req', ...wanted, ...out])
    return { by: 'wrapper', program: { argv: [example, at], timeoutMs: 60_000 } }
  }
  const [right, wrong] = [await wrapper('right'), await wrapper('wrong')]
  const path = join(folder, 'repository')
  await mkdir(path)
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: right, signal })
  const id = await backUp(path, right)
  assert.equal((await (await reopen(path, { unlock: right })).readManifest(id, signal)).id, id)
  await assert.rejects(reopen(path, { unlock: wrong }), (error) => isWharfError(error, 'repository.key-program'))
  const at = { store: await openStore({ kind: 'file', path }), signal }
  await addSlot(at, right, wrong)
  assert.equal((await (await reopen(path, { unlock: wrong })).readManifest(id, signal)).id, id)
  const liar = await program(folder, 'liar', `head -c 32 /dev/urandom`)
  const lying: Opener = { by: 'wrapper', program: { argv: [liar], timeoutMs: 20_000 } }
  await assert.rejects(addSlot(at, right, lying), (error) => isWharfError(error, 'repository.slot-does-not-open'))
  assert.equal((await listSlots(at, right)).slots.length, 2)
})

test('of two slots that are removed at once one stays, and opens the repository', async (t) => {
  const { path } = await scratchRepository(t)
  const store = await openStore({ kind: 'file', path })
  const at = { store, signal }
  const keyFile = { by: 'key-file', path: join(await scratchFolder(t), 'a.key') } as const
  await writeKeyFile(keyFile.path)
  await addSlot(at, passphrase, keyFile)
  const [one, other] = (await listSlots(at, passphrase)).slots.map(({ slot }) => slot)
  let beside: Promise<void> | undefined
  const raced = between(store, 'bucket', { removing: () => (beside ??= removeSlot(at, other!)) })
  const done = await Promise.allSettled([removeSlot({ store: raced, signal }, one!)])
  assert.ok(done[0].status === 'rejected' && isWharfError(done[0].reason, 'repository.last-slot'), done[0].status)
  assert.deepEqual(
    (await listSlots(at, passphrase)).slots.map(({ slot }) => slot),
    [one],
  )
  const unlock = (await listSlots(at, passphrase)).slots[0]!.isOurs ? passphrase : keyFile
  await reopen(path, { unlock })
})
