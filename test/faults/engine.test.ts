// Faults around a running backup: a writer that was paused past its lease, a server that is killed, clocks that step by a day, a full disk, a twin
// cluster, a cluster that took another's place. Nothing is lost, nothing is falsely reported complete.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { diskFiles } from '../../src/backup/source/disk.ts'
import type { ClusterFiles } from '../../src/backup/source/cluster-files.ts'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import { segmentName } from '../../src/wal/segments.ts'
import { complaintsOf, contentsOf } from '../backup/truth.ts'
import { makeFolder, makeRepository, openTestWarehouse, openWorld, type World } from '../backup/world.ts'
import type { ChildOptions } from '../crash/backup-child.ts'
import { recover } from '../restore/recovered.ts'
import { startServer } from '../support/postgres.ts'
import { requirement } from '../support/requirements.ts'

const signal = new AbortController().signal
const rows = `select n as id, repeat(md5(n::text), 4) as body from generate_series(1, 3000) n`

async function restoresAlike(world: World, id: string): Promise<void> {
  await world.archiveAll()
  const truth = await contentsOf(world.server)
  await using restored = await world.restore(id)
  assert.deepEqual(await contentsOf(restored), truth)
  assert.deepEqual(await complaintsOf(restored), [])
}

/** Tries until no lease is in the way any more. */
async function takeWhenFree(world: World): Promise<string> {
  for (;;) {
    try {
      return (await world.take('full')).manifest.id
    } catch (error) {
      if (!isWharfError(error, 'repository.busy')) throw error
      await systemClock.sleep(200)
    }
  }
}

void test('a writer that was paused past its lease reports nothing, and another one goes on meanwhile', async () => {
  await using world = await openWorld({ major: 18, leaseMs: 5000 })
  await world.server.psql(`create table t as ${rows}`)
  const options: ChildOptions = {
    url: world.server.url,
    major: 18,
    folder: world.folder,
    repository: join(world.folder, 'repository'),
    archive: world.archive,
    kind: 'full',
    leaseMs: 5000,
    pauseAt: 'stopping',
  }
  const script = fileURLToPath(new URL('../crash/backup-child.ts', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'exit') as Promise<[number | null]>
  let [out, said] = ['', '']
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
  while (!said.includes('stopping') && child.exitCode === null) await systemClock.sleep(50)
  const id = await takeWhenFree(world)
  child.kill('SIGCONT')
  const [code] = await ended
  assert.notEqual(code, 0)
  assert.equal(out, '')
  assert.match(said, /lost its lease/)
  assert.deepEqual(
    (await world.repository.listBackups(signal)).map((one) => one.id),
    [id],
  )
  await restoresAlike(world, id)
})

void test('a server that is killed in the middle of a backup: nothing of it is visible, the next one goes on', async () => {
  await using world = await openWorld({ major: 17 })
  await world.server.psql(`create table t as ${rows}`)
  const files = (directory: string): ClusterFiles => ({
    ...diskFiles(directory),
    list: async function* (options) {
      const entries = await Array.fromAsync(diskFiles(directory).list(options))
      await world.server.kill9()
      yield* entries
    },
  })
  await assert.rejects(world.take('full', { files }))
  assert.deepEqual(await world.repository.listBackups(signal), [])
  await world.server.start()
  await world.server.psql('update t set id = -id where id % 3 = 0')
  await restoresAlike(world, (await world.take('incremental')).manifest.id)
})

void test('pitfall 25 and 58: clocks that step by a day, forwards and back, lead to no wrong parent, name or target', async () => {
  await using world = await openWorld({ major: 18 })
  const clockAt = (shiftMs: number): Clock => ({ ...systemClock, now: () => systemClock.now() + shiftMs })
  const day = 86_400_000
  await world.server.psql(`create table t as ${rows}`)
  const taken: string[] = []
  for (const shift of [0, day, -day, 0, -2 * day]) {
    await world.server.psql(`update t set body = 'at ${taken.length}' where id % 7 = ${taken.length}`)
    const kind = taken.length === 0 ? 'full' : 'incremental'
    const { manifest } = await world.take(kind, { clock: clockAt(shift) })
    taken.push(manifest.id)
    assert.equal(manifest.kind, kind)
  }
  assert.equal(new Set(taken).size, taken.length)
  assert.equal((await world.repository.listBackups(signal)).length, taken.length)
  await restoresAlike(world, taken[1]!)
  await restoresAlike(world, taken[4]!)
  await using recovered = await recover(world, { latest: true, verify: 'connect' })
  assert.equal(recovered.report.plan.backup.id, taken[4])
  assert.deepEqual(await contentsOf(recovered.asServer), await contentsOf(world.server))
})

void test('a repository on a disk that is full: said by name, nothing is visible, and with room again the next one is whole', async (t) => {
  if (!requirement(t, 'mount')) return
  await using world = await openWorld({ major: 18 })
  await world.server.psql(`create table t as ${rows}`)
  const mounted = await makeFolder(world, 'small')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mounted])
  try {
    const repository = await makeRepository(join(mounted, 'repository'))
    const receiving = world.receivingInto(repository)
    const take = () => world.take('full', { repository, receive: () => Promise.resolve(receiving) })
    await assert.rejects(take(), (error: Error) => {
      assert.ok(isWharfError(error, 'repository.full'), String(error))
      assert.match(error.message, /^no space left to write /)
      return true
    })
    assert.deepEqual(await repository.listBackups(signal), [])
    execFileSync('mount', ['-o', 'remount,size=300m', mounted])
    const { manifest } = await take()
    assert.deepEqual(
      (await repository.listBackups(signal)).map((one) => one.id),
      [manifest.id],
    )
  } finally {
    execFileSync('umount', ['-l', mounted])
  }
})

void test('pitfall 33 and 51: a twin with the same system identifier cannot put its WAL under the names of the other', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql(`create table t as ${rows}`)
  await server.stop()
  const data = join(world.folder, 'twin')
  execFileSync('cp', ['-a', server.dataDirectory, data])
  await server.start()
  const { manifest } = await world.take('full')
  await using twin = await startServer({ major: 18, dataDirectory: data, settings: { archive_mode: 'off' } })
  await twin.psql(`insert into t select -n, 'another life' from generate_series(1, 2000) n; select pg_switch_wal()`)
  const { walSegmentBytes, systemIdentifier } = await openTestWarehouse(server.url, world.folder).facts(signal)
  const startLsn = manifest.startLsn - (manifest.startLsn % BigInt(walSegmentBytes))
  const name = segmentName(1, startLsn, walSegmentBytes)
  const bytes = readFileSync(join(data, 'pg_wal', name))
  assert.notDeepEqual(bytes, readFileSync(join(world.archive, name)), 'the twin has written something else there')
  const chunk = { systemIdentifier, timeline: 1, startLsn, walSegmentBytes, postgresVersion: 180_000, bytes }
  await assert.rejects(
    world.repository.wal.put({ ...chunk, commits: [], changeMap: undefined, problem: 'a twin' }, signal),
    (error: Error) => isWharfError(error, 'repository.wal-conflict'),
  )
  await restoresAlike(world, manifest.id)
})

void test('pitfall 52: a cluster that took the place of another is adopted by name only, and shares nothing with it', async () => {
  await using world = await openWorld({ major: 17 })
  await world.server.psql(`create table t as ${rows}`)
  const { manifest: old } = await world.take('full')
  await world.archiveAll()
  const before = await contentsOf(world.server)
  // As after pg_upgrade: same warehouse, new system identifier, timeline 1 again, WAL positions from the start.
  await using next = await openWorld({ major: 18 })
  await next.server.psql(`create table t as select n as id from generate_series(1, 2000) n`)
  const receiving = next.receivingInto(world.repository)
  const { repository } = world
  const take = (adopt: boolean) =>
    next.take('incremental', { repository, receive: () => Promise.resolve(receiving), adopt })
  const { systemIdentifier: own } = await openTestWarehouse(next.server.url, next.folder).facts(signal)
  await assert.rejects(take(false), {
    code: 'backup.other-cluster',
    message: `the server of warehouse retail is another cluster (system identifier ${own}) than all its backups in repository r (${old.systemIdentifier}; newest: ${old.id})`,
    hint: 'if it was upgraded with pg_upgrade or made anew on purpose, run `wharf backup run retail --adopt` once: the older backups stay, and are never mixed with the new ones; else look at the url of the warehouse',
  })
  const adopted = await take(true)
  assert.deepEqual([adopted.manifest.kind, adopted.manifest.parent], ['full', undefined])
  assert.deepEqual(adopted.notes, [
    `the cluster ${own} takes the place of ${old.systemIdentifier}, as was asked for: nothing is shared with the older backups`,
    `a full backup is taken: ${old.id} is of another cluster (system identifier)`,
  ])
  assert.equal((await take(false)).manifest.parent, adopted.manifest.id)
  // The latest is the new cluster's; the old one's is still there by name.
  await using latest = await recover({ folder: world.folder, server: next.server }, { latest: true, verify: 'connect' })
  assert.equal(latest.report.plan.backup.id === old.id, false)
  await using past = await recover(world, { latest: true, backup: old.id, verify: 'connect' })
  assert.deepEqual(await contentsOf(past.asServer), before)
})
