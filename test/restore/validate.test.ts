// `recover validate`: finds what is damaged of all that a recovery needs, names it by file and block, and writes nothing.
import assert from 'node:assert/strict'
import { cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { packName } from '../../src/repository/pack/names.ts'
import { validate, type Validation } from '../../src/recovery/validate/validate.ts'
import { openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { requestFor } from './recovered.ts'

const signal = new AbortController().signal

async function validated(world: World, repositoryPath?: string): Promise<Validation> {
  const { passphraseFile, repositoryPath: own } = await requestFor(world, {})
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  const wanted = {
    warehouse: 'retail',
    latest: true,
    repositoryPath: repositoryPath ?? own!,
    passphraseFile: passphraseFile!,
  }
  return await validate(wanted, context, { report: () => {}, signal })
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at]! ^= 0x10
  await rm(path)
  await writeFile(path, bytes)
}

async function filesBelow(folder: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const name of await readdir(folder, { recursive: true })) found[name] = (await stat(join(folder, name))).mtimeMs
  return found
}

test('a sound repository passes; a flipped bit of a pack, of a map and of WAL is named, all at once', async () => {
  await using world = await openWorld({ major: 18 })
  await world.server.psql(
    'create table sales as select n as id, repeat(md5(n::text), 20) as body from generate_series(1, 20000) n',
  )
  const { manifest } = await world.take('full')
  await world.server.psql('update sales set body = reverse(body) where id % 100 = 0')
  await world.archiveAll()
  const good = await validated(world)
  assert.deepEqual([good.damagedFiles, good.damagedWal, good.consequences], [[], [], []])
  assert.equal(good.read.files, manifest.files.length)
  assert.ok(good.read.walBytes >= 16 * 1024 * 1024)

  const repositoryPath = join(world.folder, 'flipped')
  await cp(join(world.folder, 'repository'), repositoryPath, { recursive: true, preserveTimestamps: true })
  const [sales] = manifest.relations.filter((one) => one.name === 'sales')
  const file = `base/${sales!.databaseOid}/${sales!.file.relfilenode}`
  const segment = manifest.files.find((one) => one.path === file)!
  assert.ok(segment.kind === 'segment')
  const [map] = await world.repository.readMaps([segment.map], signal)
  const { pack, number, offset, storedBytes } = map!.extents[1]!
  await flip(join(repositoryPath, packName(pack)), offset + Math.floor(storedBytes / 2))
  const [chunk] = (await world.repository.wal.list(manifest.systemIdentifier, signal)).filter(
    (one) => one.startLsn >= manifest.stopLsn,
  )
  await flip(join(repositoryPath, chunk!.object), chunk!.storedBytes - 1000)
  const before = await filesBelow(repositoryPath)
  const found = await validated(world, repositoryPath)
  assert.equal(found.damagedFiles.length, 1)
  assert.equal(found.damagedFiles[0]!.relation, 'postgres.public.sales')
  assert.equal(found.damagedFiles[0]!.file, file)
  assert.deepEqual(found.damagedFiles[0]!.extents, [{ pack, number }])
  const blocks = map!.runs.filter((run) => run.extent === 1)
  assert.deepEqual(found.damagedFiles[0]!.blocks, [
    `${blocks[0]!.block}-${blocks.at(-1)!.block + blocks.at(-1)!.count - 1}`,
  ])
  assert.deepEqual(
    found.damagedWal.map((one) => one.object),
    [chunk!.object],
  )
  assert.deepEqual(
    found.consequences.map((line) => line.replaceAll(/[0-9A-F]+\/[0-9A-F]+/g, 'LSN')),
    [
      `backup ${manifest.id} cannot be restored as it is: a restore stops at the first of these files`,
      'every other backup needs one of these packs: bring them back from a copy of the repository, then run wharf repository check',
      'replay ends before LSN: nothing behind it can be reached, from this backup or from an older one',
    ],
  )
  const { leases: _leases, ...after } = await filesBelow(repositoryPath)
  for (const [name, at] of Object.entries(before))
    if (!/lease|reader|^\.|clock|probe/.test(name) && !(await stat(join(repositoryPath, name))).isDirectory())
      assert.equal(after[name], at, name)
})
