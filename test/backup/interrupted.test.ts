// A backup that is cancelled, loses its session, or meets files that go away: nothing visible is left, the server knows of no backup, the error
// says what happened.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { diskFiles } from '../../src/backup/source/disk.ts'
import type { ClusterFiles } from '../../src/backup/source/cluster-files.ts'
import { complaintsOf, contentsOf } from './truth.ts'
import { openWorld, type World } from './world.ts'

const signal = new AbortController().signal

async function nothingLeft(world: World, backups: number): Promise<void> {
  assert.equal((await world.repository.listBackups(signal)).length, backups)
  assert.deepEqual(await world.repository.listUnfinished(signal), [])
  const sessions = `select count(*)::int as n from pg_stat_activity where application_name like 'wharf backup%'`
  for (let tries = 0; (await world.server.psql<{ n: number }>(sessions))[0]!.n > 0; tries++) {
    assert.ok(tries < 100, 'the session of the backup is still there')
    await new Promise((done) => setTimeout(done, 50))
  }
}

void test('cancelled, or its session ended, at every phase: abandoned, and the next backup goes on', async () => {
  await using world = await openWorld({ major: 18 })
  const { server } = world
  await server.psql(
    `create table t as select n as id, repeat(md5(n::text), 8) as body from generate_series(1, 100000) n`,
  )
  for (const phase of ['waiting for wal', 'listing', 'copying', 'stopping', 'storing']) {
    const cancel = new AbortController()
    const report = (event: { phase: string }): void => {
      if (event.phase === phase) cancel.abort(new Error(`cancelled while ${phase}`))
    }
    await assert.rejects(world.take('full', { report, signal: cancel.signal }), { message: `cancelled while ${phase}` })
    await nothingLeft(world, 0)
  }
  // Only while the server's backup mode matters.
  for (const phase of ['listing', 'copying']) {
    let killed: Promise<unknown> | undefined
    const report = (event: { phase: string; done?: number }): void => {
      if (event.phase !== phase || killed) return
      killed = server.psql(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'wharf backup'`,
      )
    }
    // Slow enough for the news to arrive while there is work to do.
    const files = (directory: string): ClusterFiles => ({ ...diskFiles(directory), list: slowList(directory) })
    await assert.rejects(world.take('full', { report, files }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'backup.session-lost', error.stack)
      assert.match(error.message, /^the session that holds the backup of warehouse retail ended: /)
      return true
    })
    await killed
    await nothingLeft(world, 0)
  }
  const { manifest } = await world.take('full')
  await nothingLeft(world, 1)
  await world.archiveAll()
  await using restored = await world.restore(manifest.id)
  assert.deepEqual(await contentsOf(restored), await contentsOf(server))
})

function slowList(directory: string): ClusterFiles['list'] {
  return async function* (options) {
    await new Promise((done) => setTimeout(done, 500))
    options.signal.throwIfAborted()
    yield* diskFiles(directory).list(options)
  }
}

void test('relations dropped, cut, grown and created between listing and copying', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql(`
    create table dropped as select n as id, repeat('d', 500) as body from generate_series(1, 3000) n;
    create table cut as select n as id, repeat('c', 500) as body from generate_series(1, 3000) n;
    create table grown as select n as id, repeat('g', 500) as body from generate_series(1, 3000) n;
    create table emptied as select n as id, repeat('e', 500) as body from generate_series(1, 3000) n;`)
  await server.psql('checkpoint')
  // The listing as it was, copied after all this has happened.
  const files = (directory: string): ClusterFiles => ({
    ...diskFiles(directory),
    list: async function* (options) {
      const entries = await Array.fromAsync(diskFiles(directory).list(options))
      await server.psql('drop table dropped')
      await server.psql('delete from cut where id > 100')
      await server.psql('vacuum (truncate) cut')
      await server.psql('truncate emptied')
      await server.psql(`insert into grown select n, repeat('g', 500) from generate_series(3001, 6000) n`)
      await server.psql(`create table created as select n as id from generate_series(1, 100) n`)
      await server.psql('checkpoint')
      yield* entries
    },
  })
  for (const kind of ['full', 'incremental'] as const) {
    const { manifest } = await world.take(kind, kind === 'full' ? { files } : {})
    assert.deepEqual(manifest.corrupt, [])
    await world.archiveAll()
    const truth = await contentsOf(server)
    await using restored = await world.restore(manifest.id)
    assert.deepEqual(await contentsOf(restored), truth)
    assert.deepEqual(await complaintsOf(restored), [])
  }
})

void test('an empty folder, a socket and a log in the data directory do no harm; what cannot be read is named', async () => {
  await using world = await openWorld({ major: 15 })
  const { server } = world
  mkdirSync(join(server.dataDirectory, 'mine'))
  const { manifest } = await world.take('full')
  assert.ok(manifest.folders.some(({ path }) => path === 'mine'))
  rmdirSync(join(server.dataDirectory, 'mine'))
  assert.ok(readdirSync(server.dataDirectory).includes('global'))
})

void test('neither another cluster nor a copy of the right one is taken for it', async () => {
  await using world = await openWorld({ major: 18 })
  await using other = await openWorld({ major: 18 })
  const files = (): ClusterFiles => diskFiles(other.server.dataDirectory)
  await assert.rejects(world.take('full', { files }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'backup.other-server')
    assert.match(
      error.message,
      /^the data directory .* is not that of the server of warehouse retail: its system identifier is \d+, the server's is \d+$/,
    )
    return true
  })
  const copy = join(world.folder, 'copy')
  // The server makes and renames caches of its catalogs while we copy: a name that is gone by then would end the copying.
  const stays = (path: string): boolean => !/pg_internal\.init|\.tmp$/.test(path)
  cpSync(world.server.dataDirectory, copy, { recursive: true, filter: stays })
  await assert.rejects(world.take('full', { files: () => diskFiles(copy) }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'backup.other-server')
    assert.match(error.message, /: its last checkpoint is from [0-9A-F/]+, the server's from [0-9A-F/]+$/)
    return true
  })
  await nothingLeft(world, 0)
})
