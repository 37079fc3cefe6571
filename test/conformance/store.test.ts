// The conformance suite of ObjectStore over the file store, over a store with faults, and over one that can lose power; and what each adds.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { ObjectWriter } from '../../src/repository/contract.ts'
import { openStore } from '../../src/repository/stores.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { cutPower, forgettingDescriptor } from '../support/forgetting-store.ts'
import { requirement } from '../support/requirements.ts'
import { namesOf, storeSuite } from './store-suite.ts'

const signal = new AbortController().signal
const at = { signal }

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-store-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

test('file store', (t) =>
  storeSuite(t, async () => {
    const path = await folder(t)
    const open = () => openStore({ kind: 'file', path })
    return { store: await open(), again: open }
  }))

test('store with delays', (t) =>
  storeSuite(t, async () => {
    const path = await folder(t)
    const random = seededRandom(7)
    const open = async () =>
      new FaultyStore(await openStore({ kind: 'file', path }), () =>
        random.integer(8) === 0 ? { kind: 'delay', ms: random.integer(4) } : undefined,
      )
    return { store: await open(), again: open }
  }))

test('store that can lose power', (t) =>
  storeSuite(t, async () => {
    const [path, journal] = [await folder(t), await folder(t)]
    const open = () => openStore(forgettingDescriptor({ path, journal }))
    return { store: await open(), again: open }
  }))

test('after a power cut exactly what was behind a barrier is there, and what was removed before one is not', async (t) => {
  const random = seededRandom(11)
  for (let round = 0; round < 20; round++) {
    const options = { path: await folder(t), journal: await folder(t) }
    const stores = [await openStore(forgettingDescriptor(options)), await openStore(forgettingDescriptor(options))]
    const durable = new Set<string>()
    const unfinished: ObjectWriter[] = []
    const waiting = [new Set<string>(), new Set<string>()]
    for (let step = 0; step < 30; step++) {
      const which = random.integer(2)
      const store = stores[which]!
      const name = `x/${step}`
      const kind = random.integer(5)
      if (kind === 0) {
        await store.barrier(at)
        for (const one of waiting[which]!) durable.add(one)
        waiting[which]!.clear()
      } else if (kind === 1) {
        await store.put(name, [Buffer.from(name)], { signal, durable: true })
        durable.add(name)
      } else if (kind === 2) {
        const writer = await store.create(name, at)
        await writer.write(Buffer.from(name))
        if (random.integer(4) > 0) await writer.finish().then(() => waiting[which]!.add(name))
        else unfinished.push(writer)
      } else {
        await store.put(name, [Buffer.from(name)], at)
        waiting[which]!.add(name)
      }
    }
    await cutPower(options)
    await assert.rejects(stores[0]!.put('late', [], at), /the power was cut/)
    const after = await openStore(forgettingDescriptor(options))
    assert.deepEqual(await namesOf(after, 'x/'), [...durable].sort())
    for (const writer of unfinished) await writer.abandon()
    for (const name of durable) assert.equal((await after.get(name, at)).toString(), name)
  }
})

test('who is content with what another put makes it durable by an own barrier', async (t) => {
  const options = { path: await folder(t), journal: await folder(t) }
  const [one, other] = [await openStore(forgettingDescriptor(options)), await openStore(forgettingDescriptor(options))]
  for (const name of ['a', 'b']) await one.put(name, [Buffer.from(name)], at)
  await assert.rejects(other.put('a', [], at), (error) => isWharfError(error, 'repository.object-exists'))
  await other.barrier(at)
  await cutPower(options)
  assert.deepEqual(await namesOf(await openStore(forgettingDescriptor(options)), ''), ['a'])
})

test('a removal that no barrier followed may come undone', async (t) => {
  const options = { path: await folder(t), journal: await folder(t) }
  const store = await openStore(forgettingDescriptor(options))
  for (const name of ['a', 'b']) await store.put(name, [Buffer.from(name)], { signal, durable: true })
  await store.remove('a', at)
  await store.barrier(at)
  await store.remove('b', at)
  await cutPower(options)
  assert.deepEqual(await namesOf(await openStore(forgettingDescriptor(options)), ''), ['b'])
})

test('the file store keeps others out: folders 0700, files 0600', async (t) => {
  const path = await folder(t)
  const store = await openStore({ kind: 'file', path })
  await store.put('packs/ab/x', [Buffer.from('x')], at)
  assert.equal((await stat(join(path, 'packs'))).mode & 0o777, 0o700)
  assert.equal((await stat(join(path, 'packs/ab'))).mode & 0o777, 0o700)
  assert.equal((await stat(join(path, 'packs/ab/x'))).mode & 0o777, 0o600)
})

test('temporary files are no objects, and those of crashed writers go after a day', async (t) => {
  const path = await folder(t)
  const store = await openStore({ kind: 'file', path })
  const writer = await store.create('a', at)
  await writer.write(Buffer.from('half'))
  assert.deepEqual(await namesOf(store, ''), [])
  const left = await readdir(join(path, '.tmp'))
  assert.equal(left.length, 1)
  const { utimes } = await import('node:fs/promises')
  const other = await openStore({ kind: 'file', path })
  await other.put('b', [], at)
  assert.deepEqual(await readdir(join(path, '.tmp')), left, 'a young one may belong to a living writer')
  await utimes(join(path, '.tmp', left[0]!), 0, 0)
  await (await openStore({ kind: 'file', path })).put('c', [], at)
  assert.deepEqual(await readdir(join(path, '.tmp')), [])
  await writer.abandon()
})

test('a place that is missing, is a file, or lies behind one: errors with hints', async (t) => {
  const path = await folder(t)
  const store = await openStore({ kind: 'file', path: join(path, 'none') })
  const calls = [
    () => store.put('a', [], at),
    () => store.get('a', at),
    () => store.stat('a', at),
    () => store.now(at),
    () => namesOf(store, ''),
  ]
  for (const call of calls.filter((_, index) => index !== 3)) {
    await assert.rejects(call(), (error) => {
      assert.ok(isWharfError(error, 'repository.unreachable'), String(error))
      assert.equal(error.message, `cannot reach file:${path}/none: no such folder`)
      assert.equal(
        error.hint,
        'check that the file system is mounted and the path is right; if it was never made: wharf repository init',
      )
      return error.passing && error.exit === 'unreachable'
    })
  }
  await writeFile(join(path, 'file'), 'x')
  const blocked = await openStore({ kind: 'file', path: join(path, 'file') })
  for (const call of [() => blocked.put('a', [], at), () => blocked.get('a', at), () => namesOf(blocked, '')]) {
    await assert.rejects(
      call(),
      (error) =>
        isWharfError(error, 'repository.not-a-folder') && error.message === `file:${path}/file is not a folder`,
    )
  }
})

test('no right to write or to read: errors with hints', async (t) => {
  if (!requirement(t, 'not-root')) return
  const path = await folder(t)
  const store = await openStore({ kind: 'file', path })
  await store.put('keys/a', [Buffer.from('x')], at)
  await chmod(join(path, 'keys'), 0o500)
  await assert.rejects(store.put('keys/b', [], at), (error) => {
    assert.ok(isWharfError(error, 'repository.denied'))
    assert.equal(error.message, `no right to write keys/b in file:${path}`)
    return error.hint === 'the user that runs wharf must own the folder of the repository (mode 0700)'
  })
  assert.deepEqual(await readdir(join(path, '.tmp')), [], 'nothing is left behind')
  await chmod(join(path, 'keys', 'a'), 0)
  await assert.rejects(store.get('keys/a', at), (error) => isWharfError(error, 'repository.denied'))
  await chmod(join(path, 'keys'), 0o700)
})

test('a full disk: an error with a hint, and nothing is left behind', async (t) => {
  if (!requirement(t, 'mount')) return
  const small = await smallFileSystem(t)
  const store = await openStore({ kind: 'file', path: small })
  await store.put('keep', [Buffer.alloc(1000, 1)], at)
  await assert.rejects(store.put('packs/ab/big', [Buffer.alloc(4 << 20, 2)], at), (error) => {
    assert.ok(isWharfError(error, 'repository.full'), String(error))
    assert.equal(error.message, `no space left to write packs/ab/big in file:${small}`)
    return error.exit === 'failed' && error.passing
  })
  assert.deepEqual(await namesOf(store, ''), ['keep'])
  assert.deepEqual(await readdir(join(small, '.tmp')), [])
  await store.put('packs/ab/small', [Buffer.alloc(1000, 3)], at)
})

/** A file system of 1 MB. */
async function smallFileSystem(t: TestContext): Promise<string> {
  const mounted = await mkdtemp(join(tmpdir(), 'wharf-small-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mounted], { stdio: 'ignore' })
  t.after(async () => {
    execFileSync('umount', [mounted])
    await rm(mounted, { recursive: true })
  })
  return mounted
}

test('a symbolic link to a folder elsewhere is a place like any other', async (t) => {
  const path = await folder(t)
  await mkdir(join(path, 'real'))
  await symlink(join(path, 'real'), join(path, 'link'))
  const store = await openStore({ kind: 'file', path: join(path, 'link') })
  await store.put('a/b', [Buffer.from('x')], { signal, durable: true })
  assert.deepEqual(await namesOf(store, ''), ['a/b'])
})
