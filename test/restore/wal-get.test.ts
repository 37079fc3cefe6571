// `wharf wal get`: PostgreSQL's restore_command contract, held against the real program and against a recovering server.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chown, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { openWorld, type World } from '../backup/world.ts'
import { recover, requestFor } from './recovered.ts'

const entry = fileURLToPath(new URL('../../src/recovery/get/main.ts', import.meta.url))
let world: World
let segments: string[]

before(async () => {
  world = await openWorld({ major: 18 })
  await world.server.psql('create table t as select n as id, md5(n::text) as body from generate_series(1, 20000) n')
  await world.take('full')
  await world.server.psql('insert into t select n, md5(n::text) from generate_series(20001, 60000) n')
  await world.archiveAll()
  segments = (await readdir(world.archive)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
})
after(() => (world as World | undefined)?.[Symbol.asyncDispose]())

interface Asked {
  readonly code: number | null
  readonly said: string
  readonly folder: string
}

/** Calls the program as a restore_command is called: in a data directory. */
async function ask(
  name: string,
  options: { repository?: string; flags?: readonly string[]; script?: string } = {},
): Promise<Asked> {
  const folder = await mkdtemp(join(world.folder, 'get-'))
  await mkdir(join(folder, 'global'))
  await cp(join(world.server.dataDirectory, 'global', 'pg_control'), join(folder, 'global', 'pg_control'))
  const request = await requestFor(world, {})
  const flags = options.flags ?? [
    '--repository-path',
    options.repository ?? request.repositoryPath!,
    '--passphrase-file',
    request.passphraseFile!,
  ]
  const done = spawnSync(process.execPath, [options.script ?? entry, ...flags, name, 'RECOVERYXLOG'], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { code: done.status, said: done.stderr, folder }
}

async function copyOfRepository(): Promise<string> {
  const folder = await mkdtemp(join(world.folder, 'repository-'))
  const path = join(folder, 'repository')
  await cp(join(world.folder, 'repository'), path, { recursive: true })
  return path
}

/** Objects of WAL chunks, in order. */
async function chunksOf(repository: string): Promise<string[]> {
  const names = await readdir(join(repository, 'wal'), { recursive: true })
  return names
    .filter((name) => /[0-9a-f]{16}-[0-9a-f]{16}m?$/.test(name))
    .sort()
    .map((name) => join(repository, 'wal', name))
}

test('0: a segment comes byte for byte as the server archived it', async () => {
  for (const name of segments) {
    const asked = await ask(name)
    assert.deepEqual([asked.code, asked.said], [0, ''])
    assert.ok(
      (await readFile(join(asked.folder, 'RECOVERYXLOG'))).equals(await readFile(join(world.archive, name))),
      name,
    )
    assert.deepEqual((await readdir(asked.folder)).sort(), ['RECOVERYXLOG', 'global'])
  }
})

test('1: only what the repository truly does not have', async () => {
  for (const name of [
    '0000000100000000000000FE',
    '00000002.history',
    `${segments[0]}.partial`,
    `${segments[0]}.00000028.backup`,
  ]) {
    const asked = await ask(name)
    assert.deepEqual([asked.code, asked.said], [1, ''], name)
    assert.deepEqual(await readdir(asked.folder), ['global'])
  }
})

test('200: every failure, so that it never looks like the end of WAL', async (t) => {
  const name = segments.at(-1)!
  const failures: Readonly<Record<string, () => Promise<Asked>>> = {
    'the repository is not there': () => ask(name, { repository: '/nonexistent' }),
    'its file system is not mounted: an empty folder': async () =>
      ask(name, { repository: await mkdtemp(join(world.folder, 'empty-')) }),
    'the passphrase is wrong': async () => {
      const file = join(world.folder, 'wrong')
      await writeFile(file, 'battery staple')
      return await ask(name, {
        flags: ['--repository-path', join(world.folder, 'repository'), '--passphrase-file', file],
      })
    },
    'a chunk is damaged': async () => {
      const repository = await copyOfRepository()
      const chunk = (await chunksOf(repository)).at(-1)!
      const bytes = await readFile(chunk)
      bytes[Math.floor(bytes.length / 2)]! ^= 4
      await rm(chunk)
      await writeFile(chunk, bytes)
      return await ask(name, { repository })
    },
    'a chunk is cut': async () => {
      const repository = await copyOfRepository()
      const chunk = (await chunksOf(repository)).at(-1)!
      await truncate(chunk, Math.floor((await stat(chunk)).size / 2))
      return await ask(name, { repository })
    },
    'the options file is damaged': async () => {
      const file = join(world.folder, 'options.json')
      await writeFile(file, '{"version":1,')
      return await ask(name, { flags: ['--options', file] })
    },
    'nothing is understood': () => ask(name, { flags: ['--repositry', 'x'] }),
    'no name of a WAL file': () => ask('postgresql.conf'),
  }
  for (const [what, failing] of Object.entries(failures)) {
    await t.test(what, async () => {
      const asked = await failing()
      assert.equal(asked.code, 200, asked.said)
      assert.match(asked.said, /^wharf wal get: /)
      assert.deepEqual(await readdir(asked.folder), ['global'])
    })
  }
})

test('a module that is missing ends with 200 too, not with the 1 of Node', async () => {
  const folder = await mkdtemp(join(world.folder, 'broken-'))
  await mkdir(join(folder, 'get'))
  await cp(entry, join(folder, 'get', 'main.ts'))
  const asked = await ask(segments[0]!, { script: join(folder, 'get', 'main.ts') })
  assert.equal(asked.code, 200)
  assert.match(asked.said, /^wharf wal get: Cannot find module/)
})

/** Makes the repository readable by the server's user, as it is where both are one. */
async function giveRepository(path: string): Promise<void> {
  const { account } = world.server
  if (!account) return
  for (const name of ['', ...(await readdir(path, { recursive: true }))])
    await chown(join(path, name), account.uid, account.gid)
}

test('WAL that vanishes from the repository stops recovery: it does not end early and open', async () => {
  const inWorld = join(world.folder, 'vanishing')
  await rename(await copyOfRepository(), inWorld)
  await giveRepository(inWorld)
  const request = await requestFor(world, { latest: true, repositoryPath: inWorld, start: false })
  const recovered = await recover(world, { ...request, start: false })
  assert.equal(recovered.report.plan.wal.delivery, 'repository')
  const command = /restore_command = '(.*)'$/m
    .exec(await readFile(join(recovered.directory, 'postgresql.auto.conf'), 'utf8'))![1]!
    .replaceAll("''", "'")
  const call = (name: string): number | null =>
    spawnSync(
      '/bin/sh',
      ['-c', command.replaceAll('%f', name).replaceAll('%p', 'pg_wal/RECOVERYXLOG').replaceAll('%%', '%')],
      { cwd: recovered.directory },
    ).status
  assert.equal(call(segments.at(-1)!), 0)
  assert.equal(call('0000000100000000000000FE'), 1)
  for (const chunk of (await chunksOf(inWorld)).slice(-1)) await rm(chunk)
  assert.equal(call(segments.at(-1)!), 200)
  await rm(inWorld, { recursive: true })
  assert.equal(call('0000000100000000000000FE'), 200)
})
