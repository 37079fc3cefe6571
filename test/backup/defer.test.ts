// Deferred reading: increments leave changed files of a deferring tier as an older backup has them, read what cannot be left, and every backup restores to the
// truth at its own end and at later points, whatever happened in between.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { standings } from '../../src/backup/plan/static-data.ts'
import type { TierRule } from '../../src/backup/plan/tiers.ts'
import { DAY_MS } from '../../src/base/units.ts'
import type { Manifest } from '../../src/repository/contract.ts'
import { copyBackup } from '../../src/repository/copy.ts'
import { formatLsn } from '../../src/wal/lsn.ts'
import { recover, type Wishes } from '../restore/recovered.ts'
import type { Major } from '../support/postgres.ts'
import { complaintsOf, contentsOf } from './truth.ts'
import { makeRepository, openWorld, type Taken, type World } from './world.ts'

const signal = new AbortController().signal
const deferring = (ms: number): readonly TierRule[] => [{ match: { relation: 'hot*' }, tier: 'standard', defer: ms }]
const WEEK: readonly TierRule[] = deferring(7 * DAY_MS)
const grow = (table: string, from: number, to: number): string =>
  `insert into ${table} select n, md5(n::text) || repeat(md5((n * 7)::text), 12) from generate_series(${from}, ${to}) n;`

async function makeTables(world: World): Promise<void> {
  const names = ['hot', 'hot_still', 'hot_full', 'hot_cut', 'hot_shrunk', 'cold', 'gone']
  for (const name of names)
    await world.server.psql(
      `create table ${name} (id int primary key, body text) with (autovacuum_enabled = off); ${grow(name, 1, 3000)}
       alter table ${name} alter body set storage external; create index ${name}_body on ${name} (left(body, 40))`,
    )
  await world.server.psql(`insert into hot select n, repeat(md5(n::text), 200) from generate_series(9001, 9060) n`)
}

/** All that makes a file another one, and all that makes it longer or shorter. With a restart, so that replay goes over its checkpoints. */
async function firstChanges(world: World): Promise<void> {
  const { server } = world
  await server.psql(`update hot set body = reverse(body) where id % 5 = 0; ${grow('hot', 3001, 6000)}`)
  await server.psql(`update hot_still set body = 'changed before the first increment' where id <= 700`)
  // Without checksums these pages have no images in WAL: who thinks himself consistent too early panics over them.
  await server.psql('vacuum gone')
  await server.psql(`update cold set body = 'x' where id % 3 = 0; drop table gone; truncate hot_cut`)
  await server.psql(grow('hot_cut', 1, 400))
  await server.psql('delete from hot_full where id % 2 = 0')
  await server.psql('vacuum full hot_full')
  await server.psql('delete from hot_shrunk where id > 1500')
  await server.psql('vacuum (truncate) hot_shrunk')
  await server.psql(`create table hot_new (id int primary key, body text); ${grow('hot_new', 1, 500)}`)
  await server.stop('fast')
  await server.start()
  await server.psql('vacuum hot')
}

async function secondChanges(world: World): Promise<void> {
  const { server } = world
  await server.psql(`update hot set body = 'second' where id between 4000 and 4100; delete from hot where id = 9001`)
  await server.psql(`update hot_new set body = 'second' where id < 50; update cold set body = 'y' where id < 100`)
  await server.psql(`${grow('hot_shrunk', 5001, 5400)} create table later as select * from cold; drop table later`)
  await server.psql('vacuum')
}

async function pathOf(world: World, relation: string): Promise<string> {
  const [row] = await world.server.psql<{ path: string }>(`select pg_relation_filepath('${relation}') as path`)
  return row!.path
}

const segmentOf = (manifest: Manifest, path: string) => {
  const file = manifest.files.find((one) => one.path === path)
  assert.ok(file?.kind === 'segment', `${path} is a segment of ${manifest.id}`)
  return file
}

const toastOf = async (world: World, table: string): Promise<string> => {
  const [row] = await world.server.psql<{ name: string }>(
    `select reltoastrelid::regclass::text as name from pg_class where oid = '${table}'::regclass`,
  )
  return row!.name
}

/** Which of the relations are left as `image` has them. */
async function leftAs(
  world: World,
  { manifest }: Taken,
  image: Manifest,
  relations: readonly string[],
): Promise<readonly string[]> {
  const left: string[] = []
  for (const relation of relations) {
    const file = segmentOf(manifest, await pathOf(world, relation))
    if (file.imageLsn === image.startLsn) left.push(relation)
    else assert.equal(file.imageLsn, manifest.startLsn, `${relation} is of ${formatLsn(file.imageLsn)}`)
  }
  return left
}

async function recovered(world: World, wishes: Wishes, truth: Record<string, string>): Promise<void> {
  await using copy = await recover(world, { verify: 'checksums', ...wishes })
  assert.deepEqual(await contentsOf(copy.asServer), truth)
  assert.deepEqual(await complaintsOf(copy.asServer), [])
}

// A minute each; histories at random (npm run accept -- histories) defer on every version.
for (const major of [18] as readonly Major[]) {
  test(`PostgreSQL ${major}: what is deferred keeps its image until it is due, and comes back by replay`, async () => {
    await using world = await openWorld({ major, checksums: major === 15, settings: { autovacuum: 'off' } })
    await makeTables(world)
    const full = await world.take('full', { tiers: WEEK })
    assert.deepEqual(full.notes, ['nothing is deferred: a full backup reads everything'])
    assert.deepEqual([full.manifest.olderImages, full.manifest.statistics.deferredBytes], [[], 0])

    await firstChanges(world)
    const first = await world.take('incremental', { tiers: WEEK })
    const truth1 = await contentsOf(world.server)
    const toast = await toastOf(world, 'hot')
    const mayBeLeft = ['hot', 'hot_body', 'hot_pkey', toast, 'hot_still', 'hot_still_body', 'hot_shrunk']
    const cannot = ['hot_full', 'hot_full_body', 'hot_cut', 'hot_new', 'cold', 'cold_body', 'pg_class', 'pg_attribute']
    assert.deepEqual(await leftAs(world, first, full.manifest, mayBeLeft), mayBeLeft)
    assert.deepEqual(await leftAs(world, first, full.manifest, cannot), [])
    const { olderImages, statistics, replayFromLsn } = first.manifest
    assert.equal(replayFromLsn, full.manifest.startLsn)
    assert.deepEqual(olderImages, [
      {
        lsn: full.manifest.startLsn,
        backup: full.manifest.id,
        atMs: full.manifest.startedMs,
        bytes: statistics.deferredBytes,
        label: full.manifest.backupLabel,
      },
    ])
    assert.ok(statistics.deferredBytes > 5_000_000, String(statistics.deferredBytes))
    const standing = standings(first.manifest, await world.repository.listBackups(signal))
    assert.equal(standing.find((one) => one.name === 'hot_still')!.isStatic, false, 'what is deferred is not static')

    await secondChanges(world)
    const second = await world.take('incremental', { tiers: WEEK })
    const truth2 = await contentsOf(world.server)
    assert.deepEqual(await leftAs(world, second, full.manifest, mayBeLeft), mayBeLeft)
    assert.deepEqual(await leftAs(world, second, first.manifest, ['hot_new', 'cold']), ['hot_new'])
    assert.deepEqual(
      second.manifest.olderImages.map((one) => one.lsn),
      [full.manifest.startLsn, first.manifest.startLsn],
    )

    // Due: read, with all changes since the image, not since the parent; hot_still has not changed since the parent at all.
    await world.server.psql(`update hot set body = 'third' where id = 1`)
    const third = await world.take('incremental', { tiers: deferring(1) })
    const truth3 = await contentsOf(world.server)
    assert.deepEqual(await leftAs(world, third, full.manifest, mayBeLeft), [])
    assert.deepEqual([third.manifest.olderImages, third.manifest.replayFromLsn], [[], third.manifest.startLsn])

    await world.server.psql(`update hot set body = 'fourth' where id % 2 = 0; update hot_still set body = 'fourth'`)
    const fourth = await world.take('incremental', { tiers: WEEK })
    assert.equal(fourth.manifest.replayFromLsn, third.manifest.startLsn)
    const last = await world.take('full', { tiers: WEEK })
    assert.equal(last.manifest.replayFromLsn, last.manifest.startLsn)
    assert.equal(segmentOf(last.manifest, await pathOf(world, 'hot_still')).storedBy, last.manifest.id)
    const truth4 = await contentsOf(world.server)
    await world.archiveAll()

    const backupOf = ({ manifest }: Taken): Wishes => ({ backup: manifest.id, lsn: formatLsn(manifest.stopLsn) })
    await recovered(world, backupOf(first), truth1)
    // Also from a copy, which has the backup and the WAL that it needs alone.
    const place = join(world.folder, 'second')
    const other = await makeRepository(place)
    await copyBackup({ from: world.repository, to: other, id: second.manifest.id, wal: 'needed', signal })
    await recovered(world, { repositoryPath: place, backup: second.manifest.id, latest: true }, truth2)
    await recovered(world, { backup: second.manifest.id, latest: true }, truth4)
    await recovered(world, backupOf(third), truth3)
    if (major === 18) await recovered(world, backupOf(fourth), truth4)
    // PostgreSQL's own idea of the first consistent moment is the newer backup's end, not that of the label.
    const soonest = await world.restore(second.manifest.id, {
      recovery_target: 'immediate',
      recovery_target_action: 'promote',
    })
    assert.deepEqual(await contentsOf(soonest), truth2)
    if (major === 18) assert.deepEqual(await contentsOf(await world.restore(last.manifest.id)), truth4)
  })
}

test('beside scratch relations replay is as long; what it could not go over is read, and why is said', async () => {
  await using world = await openWorld({
    major: 18,
    checksums: false,
    settings: { autovacuum: 'off', max_prepared_transactions: '5' },
  })
  const tiers: readonly TierRule[] = [...WEEK, { match: { relation: 'tmp' }, tier: 'scratch' }]
  const { server } = world
  for (const name of ['hot', 'tmp'])
    await server.psql(`create table ${name} (id int, body text); ${grow(name, 1, 900)}`)
  const full = (await world.take('full', { tiers })).manifest
  await server.psql('vacuum tmp')
  await server.psql(`update hot set body = 'new' where id < 300; update tmp set body = 'new' where id > 300`)
  const first = await world.take('incremental', { tiers })
  assert.deepEqual(await leftAs(world, first, full, ['hot']), ['hot'])
  assert.deepEqual(first.notes, [])
  const truth = { ...(await contentsOf(server)), 'postgres public.tmp': '0 rows ' }
  await world.archiveAll()
  await recovered(world, { backup: first.manifest.id, latest: true }, truth)

  // PostgreSQL from 17 on would lose it: its state file lies there already when replay comes to PREPARE.
  await using client = await server.connect()
  for (const sql of ['begin', `insert into hot values (-1, 'p')`, `prepare transaction 'p'`]) await client.query(sql)
  const beside = await world.take('incremental', { tiers })
  assert.deepEqual(beside.notes, ['nothing is deferred: there are prepared transactions'])
  assert.deepEqual(beside.manifest.olderImages, [])
  await client.query(`rollback prepared 'p'`)

  // Replay makes such a database of what lies in the folder of the other one, which would be younger than it was then.
  await server.psql('create database other strategy file_copy')
  await server.psql(`update hot set body = 'newer'`)
  const second = await world.take('incremental', { tiers })
  assert.deepEqual(second.manifest.olderImages, [])
  const why = 'a database was made, moved or dropped since then'
  assert.deepEqual(
    second.notes,
    [beside.manifest].map(({ id }) => `nothing is left as ${id} has it: ${why}`),
  )

  await server.psql('alter system set max_connections = 50')
  await server.stop('fast')
  await server.start()
  await server.psql(`update hot set body = 'newest'`)
  const third = await world.take('incremental', { tiers })
  assert.deepEqual(third.manifest.olderImages, [])
  assert.deepEqual(third.notes, [`nothing is deferred: max_connections is another than for ${second.manifest.id}`])
})
