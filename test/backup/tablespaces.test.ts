// Tablespaces (linked and in place), databases copied and moved file by file, and a promotion between parent and increment: the places where an
// increment could mix the lives of a file.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { complaintsOf, contentsOf } from './truth.ts'
import { makeFolder, openWorld, type World } from './world.ts'
import { ofTheDay } from '../support/turns.ts'

const rows = (count: number, text: string): string =>
  `select n as id, repeat('${text}', 40) as body from generate_series(1, ${count}) n`

async function restoresAlike(world: World, id: string): Promise<void> {
  await world.archiveAll()
  const truth = await contentsOf(world.server)
  await using restored = await world.restore(id)
  assert.deepEqual(await contentsOf(restored), truth)
  assert.deepEqual(await complaintsOf(restored), [])
}

for (const major of [ofTheDay([15, 18] as const)]) {
  void test(`PostgreSQL ${major}: tablespaces, linked and in place, full and incremental`, async () => {
    await using world = await openWorld({ major, settings: { allow_in_place_tablespaces: 'on' } })
    const { server } = world
    const linked = await makeFolder(world, 'space one')
    await server.psql(`create tablespace linked location '${linked}'`)
    await server.psql(`set allow_in_place_tablespaces = on; create tablespace inplace location ''`).catch(async () => {
      await using client = await server.connect()
      await client.query('set allow_in_place_tablespaces = on')
      await client.query(`create tablespace inplace location ''`)
    })
    await server.psql(`create table a tablespace linked as ${rows(2000, 'a')}; create table b tablespace inplace as ${rows(2000, 'b')};
      create table still tablespace linked as ${rows(3000, 's')}`)
    await server.psql('create database moved tablespace inplace')
    await server.psql(`create table m as ${rows(500, 'm')}`, 'moved')
    const { manifest: full } = await world.take('full')
    assert.deepEqual(
      full.tablespaces.map(({ name, location }) => [name, location]),
      [
        ['linked', linked],
        ['inplace', undefined],
      ],
    )
    assert.match(full.tablespaceMap, new RegExp(`^\\d+ ${linked}\\n$`))
    await server.psql(
      `update a set body = 'changed' where id % 7 = 0; delete from b where id % 3 = 0; create table c tablespace inplace as ${rows(100, 'c')}`,
    )
    const { manifest: increment, notes } = await world.take('incremental')
    assert.deepEqual([increment.kind, notes], ['incremental', []])
    await restoresAlike(world, full.id)
    await restoresAlike(world, increment.id)
  })

  void test(`PostgreSQL ${major}: databases copied and moved file by file between two backups`, async () => {
    await using world = await openWorld({ major })
    const { server } = world
    const linked = await makeFolder(world, 'space')
    await server.psql(`create tablespace other location '${linked}'`)
    await server.psql('create database origin')
    await server.psql(`create table t as ${rows(4000, 't')}`, 'origin')
    await server.psql('create database copied template origin strategy file_copy')
    await server.psql('create database moving template origin strategy wal_log')
    await world.take('full')
    // The same name, the same numbers of files, other content: what an increment must not take for the old one.
    await server.psql('drop database copied')
    await server.psql(`update t set body = 'new' where id % 2 = 0`, 'origin')
    await server.psql('checkpoint')
    await server.psql('create database copied template origin strategy file_copy')
    await server.psql('create database logged template origin strategy wal_log')
    await server.psql('alter database moving set tablespace other')
    await server.psql(`update t set body = 'after' where id % 5 = 0`, 'moving')
    const { manifest } = await world.take('incremental')
    assert.equal(manifest.kind, 'incremental')
    await restoresAlike(world, manifest.id)
  })
}

void test('PostgreSQL 18: a promotion between parent and increment: the map follows the history', async () => {
  await using world = await openWorld({ major: 18 })
  const { server } = world
  await server.psql(`create table t as ${rows(20_000, 'x')}; create table still as ${rows(20_000, 's')}`)
  await server.psql('vacuum')
  const { manifest: parent } = await world.take('full')
  await server.psql(`update t set body = 'before the switch' where id % 100 = 0`)
  await world.archiveAll()
  await server.stop()
  writeFileSync(join(server.dataDirectory, 'recovery.signal'), '')
  writeFileSync(join(server.dataDirectory, 'postgresql.auto.conf'), `restore_command = 'cp ${world.archive}/%f %p'\n`)
  await server.start()
  for (;;) {
    const [row] = await server.psql<{ replaying: boolean }>('select pg_is_in_recovery() as replaying')
    if (row?.replaying === false) break
    await systemClock.sleep(50)
  }
  await server.psql(`update t set body = 'after the switch' where id % 100 = 1`)
  const { manifest, notes } = await world.take('incremental')
  assert.deepEqual([manifest.kind, manifest.parent, manifest.timeline, notes], ['incremental', parent.id, 2, []])
  assert.match(manifest.history, /^1\t/)
  assert.ok(manifest.statistics.sharedBytes > manifest.statistics.clusterBytes / 2)
  const [row] = await server.psql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  const { parseLsn } = await import('../../src/wal/lsn.ts')
  await world.receiving.waitUntilDurable({ timeline: 2, lsn: parseLsn(row!.lsn) }, new AbortController().signal)
  const truth = await contentsOf(server)
  await using restored = await world.restore(manifest.id)
  assert.deepEqual(await contentsOf(restored), truth)
  assert.deepEqual(await complaintsOf(restored), [])
})
