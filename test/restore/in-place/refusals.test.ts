// What a recovery in place refuses, word for word, and that nothing is touched then.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { isWharfError, type WharfError } from '../../../src/base/errors.ts'
import { identityOf } from '../../../src/base/process-identity.ts'
import { placeOfInput } from '../../../src/recovery/operations/options.ts'
import { writeMarker, type Marker } from '../../../src/recovery/restore/marker.ts'
import { makeFolder, openWorld, type World } from '../../backup/world.ts'
import { copyLive } from '../../support/copy-live.ts'
import { startServer } from '../../support/postgres.ts'
import { recover, Recovered } from '../recovered.ts'

let world: World
let copies = 0

before(async () => {
  world = await openWorld({ major: 18 })
  const space = await makeFolder(world, 'space')
  await world.server.psql(`create tablespace space location '${space}'`)
  await world.server.psql('create table t tablespace space as select 1 as id')
  await world.take('full')
})
after(() => (world as World | undefined)?.[Symbol.asyncDispose]())

async function refused(directory: string): Promise<WharfError> {
  const outcome = await recover(world, { latest: true, inPlace: true, toDirectory: directory, set: {} }).catch(
    (error: unknown) => error,
  )
  if (isWharfError(outcome)) return outcome
  if (outcome instanceof Recovered) await outcome[Symbol.asyncDispose]()
  throw outcome
}

/** A copy of the live directory, as `cp -a` makes it: its links lead into the live server's tablespaces. */
async function copyOfLive(): Promise<string> {
  const directory = join(world.folder, `copy-${++copies}`)
  copyLive(world.server.dataDirectory, directory)
  await rm(join(directory, 'postmaster.pid'))
  return directory
}

async function withoutTablespace(): Promise<string> {
  const directory = await copyOfLive()
  for (const name of await readdir(join(directory, 'pg_tblspc'))) await rm(join(directory, 'pg_tblspc', name))
  return directory
}

test('what is no cluster', async () => {
  const missing = join(world.folder, 'missing')
  const error = await refused(missing)
  assert.equal(error.message, `${missing} holds no PostgreSQL cluster`)
  assert.equal(error.hint, '--to-directory restores into a missing or empty folder')
  const letters = join(world.folder, 'letters')
  await mkdir(letters)
  await writeFile(join(letters, 'letter.txt'), 'dear')
  assert.equal((await refused(letters)).message, `${letters} holds no PostgreSQL cluster`)
  assert.deepEqual(await readdir(letters), ['letter.txt'])
})

test('a live server, and a copy whose tablespaces are those of a live server', async () => {
  const live = world.server.dataDirectory
  assert.equal((await refused(live)).message, `${live} is in use: a PostgreSQL server runs on it`)
  const copy = await copyOfLive()
  const space = join(world.folder, 'space')
  assert.equal(
    (await refused(copy)).message,
    `${space} is in use: the server that runs on ${live} has a tablespace there`,
  )
  assert.deepEqual(await world.server.psql('select id from t'), [{ id: 1 }])
})

test('another cluster, and one of which nobody can tell what it is', async () => {
  await using other = await startServer({ major: 18, start: false })
  const error = await refused(other.dataDirectory)
  assert.match(error.message, /^\S+ holds cluster \d+, warehouse "retail" is cluster \d+$/)
  assert.equal(error.hint, 'nothing was changed; only the same cluster can be recovered in place')
  const unknown = await withoutTablespace()
  await writeFile(join(unknown, 'global', 'pg_control'), Buffer.alloc(8192))
  for (const name of await readdir(join(unknown, 'pg_wal')))
    if (name.length === 24) await rm(join(unknown, 'pg_wal', name))
  assert.equal(
    (await refused(unknown)).message,
    `nobody can tell which cluster ${unknown} holds: its pg_control cannot be read, nor any segment of its WAL`,
  )
})

test('work that somebody else has not finished', async () => {
  const marker: Marker = {
    version: 1,
    state: 'restoring',
    recovery: 'r',
    warehouse: 'retail',
    repository: 'r',
    backup: 'b',
    target: 'latest',
    startedAt: '2026-11-20T14:05:00.000Z',
    tablespaces: [],
    way: 'in-place',
  }
  const directory = await withoutTablespace()
  await writeMarker(directory, { ...marker, warehouse: 'other' })
  assert.equal(
    (await refused(directory)).message,
    `${directory} holds an unfinished operation: a recovery of warehouse "other"`,
  )
  await writeMarker(directory, { ...marker, way: 'new' })
  const half = await refused(directory)
  assert.equal(
    half.message,
    `${directory} holds a restore of backup b that was begun at 2026-11-20T14:05:00.000Z and not finished`,
  )
  assert.equal(half.hint, 'with --resume what it left is compared with the backup and completed')
  const sleeper = spawn('sleep', ['60'])
  try {
    const holder = { host: hostname(), process: identityOf(sleeper.pid!) }
    await writeMarker(directory, { ...marker, holder })
    assert.equal((await refused(directory)).message, `${directory} is in use: process ${sleeper.pid} recovers into it`)
  } finally {
    sleeper.kill()
  }
  await rm(join(directory, 'wharf-recovery.json'))
  await writeFile(join(directory, 'global', 'pg_control.pgbackrest.tmp'), '')
  assert.equal(
    (await refused(directory)).message,
    `${directory} holds an unfinished operation: a restore of pgBackRest`,
  )
})

test('no folder, or two', () => {
  assert.throws(() => placeOfInput({ toDirectory: undefined, inPlace: undefined }), {
    message: 'nowhere to recover to was named',
  })
  assert.throws(() => placeOfInput({ toDirectory: '/a', inPlace: '/b' }), {
    message: '--to-directory and --in-place exclude each other',
  })
})

test('a tablespace to which the link is gone', async () => {
  const { server } = world
  await server.stop()
  const [name] = await readdir(join(server.dataDirectory, 'pg_tblspc'))
  const link = join(server.dataDirectory, 'pg_tblspc', name!)
  await rm(link)
  const space = join(world.folder, 'space')
  const [version] = await readdir(space)
  const error = await refused(server.dataDirectory)
  assert.equal(error.message, `${space} holds a tablespace (${version}), and the cluster has no link to it`)
  assert.equal(
    error.hint,
    `nothing was changed; if it is this cluster's: ln -s ${space} ${link}, and run again; if not, --tablespace names another folder`,
  )
  await symlink(space, link)
  await server.start()
  assert.deepEqual(await server.psql('select id from t'), [{ id: 1 }])
})
