// Proof: what a recovery must notice after the server replayed, and histories of more than one timeline.
import assert from 'node:assert/strict'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { parseLsn } from '../../src/wal/lsn.ts'
import { endServer, serverRuns } from '../../src/warehouse/servers.ts'
import { openSandbox, type Sandbox } from '../../src/recovery/sandbox/sandbox.ts'
import { replayToTarget } from '../../src/recovery/server/replay.ts'
import { superuserCandidates } from '../../src/recovery/server/superusers.ts'
import { verifyPages } from '../../src/recovery/server/verify.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { startServer } from '../support/postgres.ts'
import { recover, requestFor } from './recovered.ts'

const signal = new AbortController().signal

function flipAt(path: string, at: number): void {
  const descriptor = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(descriptor, byte, 0, 1, at)
  byte[0]! ^= 0x40
  writeSync(descriptor, byte, 0, 1, at)
  closeSync(descriptor)
}

test('a block that was bad at the source is refused by name, and restored as it is only when that is asked for', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql("create table hurt as select n as id, repeat('x', 500) as body from generate_series(1, 2000) n")
  await server.psql('vacuum freeze hurt')
  await server.psql('checkpoint')
  const [at] = await server.psql<{ path: string }>("select pg_relation_filepath('hurt') as path")
  await server.stop()
  flipAt(join(server.dataDirectory, at!.path), 7 * 8192 + 5000)
  await server.start()
  const { manifest } = await world.take('full')
  assert.equal(manifest.corrupt.length, 1)
  await world.archiveAll()
  await assert.rejects(recover(world, { latest: true }), {
    code: 'recovery.corrupt-blocks',
    message: `backup ${manifest.id} holds 1 block that was damaged at the source already: ${at!.path} block 7 (checksum; block 7 of postgres.public.hurt)`,
  })
  // Taken as it is, it is still found: the proof names it and no server is left.
  const request = await requestFor(world, { latest: true, allowCorrupt: true })
  await assert.rejects(recover(world, request), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'recovery.verify-failed')
    assert.match(error.message, /hurt/)
    return true
  })
  assert.equal(await serverRuns(request.toDirectory), false)
  await using recovered = await recover(world, { latest: true, allowCorrupt: true, verify: 'connect' })
  await assert.rejects(recovered.psql('select sum(length(body)) from hurt'), /invalid page/)
})

test('pages are verified in every place where relations lie', async () => {
  await using server = await startServer({ major: 17 })
  await server.psql('create table t as select n as id from generate_series(1, 5000) n')
  const [at] = await server.psql<{ path: string }>("select pg_relation_filepath('t') as path")
  await server.psql('vacuum t')
  await server.stop()
  const good = await verifyPages(server.dataDirectory, { workers: 2, signal, progress: () => {} })
  assert.ok(good.checksums && good.files > 300)
  for (const file of [at!.path, `${at!.path}_vm`, 'global/1262', `${at!.path}_fsm`]) {
    flipAt(join(server.dataDirectory, file), 4000)
    await assert.rejects(verifyPages(server.dataDirectory, { workers: 2, signal, progress: () => {} }), {
      code: 'recovery.verify-failed',
      message: `the recovered cluster is not whole: ${file} block 0: bad checksum`,
    })
    flipAt(join(server.dataDirectory, file), 4000)
  }
})

test('superusers are found in the files of a stopped cluster', async () => {
  await using server = await startServer({ major: 16 })
  await server.psql('create role boss superuser login; create role clerk login; create role asleep superuser nologin')
  await using client = await server.connect('postgres', 'boss')
  await client.query('alter role postgres rename to admiral')
  await client.query('checkpoint')
  const found = await superuserCandidates(server.dataDirectory)
  assert.deepEqual(new Set(found), new Set(['postgres', 'admiral', 'boss']))
})

test('a server that stopped replay somewhere else is not taken for recovered', async () => {
  await using world = await openWorld({ major: 18 })
  await world.server.psql('create table t as select 1 as a')
  await world.take('full')
  await world.server.psql("select pg_create_restore_point('here')")
  await world.server.psql('insert into t values (2)')
  await world.archiveAll()
  const restored = await recover(world, { name: 'here', start: false })
  // Somebody tells the server another target than the plan has.
  const auto = join(restored.directory, 'postgresql.auto.conf')
  const text = await readFile(auto, 'utf8')
  await writeFile(
    auto,
    text.replace(/recovery_target_lsn = '.*'/, "recovery_target = 'immediate'").replace(/recovery_target = ''\n/, ''),
  )
  await appendFile(join(restored.directory, 'postgresql.conf'), "recovery_target_action = 'pause'\n")
  await writeFile(auto, (await readFile(auto, 'utf8')).replace("recovery_target_action = 'promote'\n", ''))
  await using server = await startServer({ major: 18, dataDirectory: restored.directory })
  const wanted = parseLsn('0/7000000')
  await assert.rejects(
    replayToTarget({
      server: { socketDirectory: server.socketDirectory, port: server.port, user: 'postgres' },
      dataDirectory: restored.directory,
      logFile: server.logFile,
      stop: { kind: 'before', lsn: wanted },
      lastRecordEnd: undefined,
      fromLsn: 0n,
      toLsn: wanted,
      clock: systemClock,
      signal,
      progress: () => {},
    }),
    (error: { code: string; message: string }) => {
      assert.equal(error.code, 'recovery.wrong-end')
      assert.match(error.message, /^recovery ended at 0\/[0-9A-F]+, not at before 0\/7000000$/)
      return true
    },
  )
  await endServer({ dataDirectory: restored.directory, mode: 'immediate', clock: systemClock, signal })
})

/** The world's server goes to a new timeline, as after a recovery or a promotion. */
async function promote(world: World): Promise<void> {
  const { server } = world
  await server.stop()
  await appendFile(join(server.dataDirectory, 'postgresql.conf'), "restore_command = 'false'\n")
  await writeFile(join(server.dataDirectory, 'recovery.signal'), '')
  await server.start()
  while ((await server.psql<{ on: boolean }>('select pg_is_in_recovery() as on'))[0]!.on) await systemClock.sleep(50)
}

async function sandboxAt(world: World, wish: { name: string; timeline?: number }): Promise<Sandbox> {
  const { warehouse, repositoryPath, passphraseFile, binaries, toDirectory: folder } = await requestFor(world, {})
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  const request = { warehouse, repositoryPath, passphraseFile, binaries, folder, workers: 2, open: false, ...wish }
  return await openSandbox({ ...request, wanted: () => true }, context, { report: () => {}, signal })
}

test('a backup of timeline 1 is replayed across the switch to timeline 2, and opens timeline 3', async () => {
  await using world = await openWorld({ major: 18 })
  const { server, repository } = world
  await server.psql('create table t as select n as id from generate_series(1, 1000) n')
  const { manifest } = await world.take('full')
  await server.psql('insert into t select n from generate_series(1001, 2000) n')
  await server.psql("select pg_create_restore_point('on one')")
  const onOne = await contentsOf(server)
  await promote(world)
  await server.psql('insert into t select n from generate_series(2001, 3000) n')
  await server.psql("select pg_create_restore_point('on two')")
  const onTwo = await contentsOf(server)
  await server.psql('insert into t values (0)')
  await server.psql('select pg_switch_wal()')
  await repository.wal.putHistory(
    manifest.systemIdentifier,
    2,
    await readFile(join(server.dataDirectory, 'pg_wal', '00000002.history'), 'utf8'),
    signal,
  )
  const [row] = await server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  await world.receiving.waitUntilDurable({ timeline: 2, lsn: parseLsn(row!.lsn) }, signal)
  for (const [name, contents, timeline] of [
    ['on one', onOne, 1],
    ['on two', onTwo, 2],
  ] as const) {
    await using recovered = await recover(world, { name })
    assert.equal(recovered.report.plan.target.timeline, timeline)
    assert.equal(recovered.report.proof!.replayed.timeline, 3)
    assert.deepEqual(await contentsOf(recovered.asServer), contents)
  }
  // The same by what feeds a sandbox, which hands over segments of either timeline as the server asks for them.
  for (const [wish, rows] of [
    [{ name: 'on one' }, 2000],
    [{ name: 'on two' }, 3000],
    [{ name: 'on one', timeline: 1 }, 2000],
  ] as const) {
    await using sandbox = await sandboxAt(world, wish)
    await using session = await sandbox.connect('postgres')
    const found = await session.query('select count(*)::int as rows, max(id) as newest from t')
    assert.deepEqual(found.rows, [{ rows, newest: rows }])
  }
  await using one = await recover(world, { name: 'on one', timeline: 1 })
  assert.equal(one.report.proof!.replayed.timeline, 3)
  assert.deepEqual(await contentsOf(one.asServer), onOne)
  await assert.rejects(recover(world, { name: 'on two', timeline: 1 }), { code: 'recovery.unknown-name' })
})
