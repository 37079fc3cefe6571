// Static data: full backups share exactly what nothing has touched, never open it, and restore to the truth; the audit finds what WAL has not named.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { standings } from '../../src/backup/plan/static-data.ts'
import { readActivity } from '../../src/backup/server/freezing.ts'
import { askSummaries } from '../../src/backup/server/summaries.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Manifest } from '../../src/repository/contract.ts'
import { ChangeMapBuilder } from '../../src/wal/change-map.ts'
import { BLOCK_BYTES } from '../../src/wal/contract.ts'
import { pageChecksum } from '../../src/wal/data-page.ts'
import { contentsOf } from './truth.ts'
import { openWorld, type World } from './world.ts'
import { ofTheDay } from '../support/turns.ts'

const signal = new AbortController().signal
const everything = { sharePerDay: 1e9, bytesPerSecond: undefined }

async function partitions(world: World): Promise<void> {
  await world.server.psql(
    `create table sales (day int, body text) partition by range (day);
     create table sales_1 partition of sales for values from (1) to (2);
     create table sales_2 partition of sales for values from (2) to (3);
     create table sales_3 partition of sales for values from (3) to (4);
     create index on sales (body);
     insert into sales select 1 + n % 3, md5(n::text) || repeat('x', 300) from generate_series(1, 9000) n`,
  )
  await world.server.psql('vacuum freeze sales')
}

async function pathOf(world: World, relation: string): Promise<string> {
  const [row] = await world.server.psql<{ path: string }>(`select pg_relation_filepath('${relation}') as path`)
  return row!.path
}

const fileOf = (manifest: Manifest, path: string) => {
  const file = manifest.files.find((one) => one.path === path)
  assert.ok(file?.kind === 'segment', `${path} is a segment of ${manifest.id}`)
  return file
}

for (const major of [ofTheDay([15, 18] as const)]) {
  test(`PostgreSQL ${major}: a full shares what is static, and reads all else anew`, async () => {
    await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
    await partitions(world)
    const first = (await world.take('full')).manifest
    assert.equal(first.independent, true)
    await world.server.psql(`insert into sales select 3, md5(n::text) from generate_series(1, 100) n`)
    const [one, three] = [await pathOf(world, 'sales_1'), await pathOf(world, 'sales_3')]
    const truth = await contentsOf(world.server)
    const second = (await world.take('full')).manifest
    assert.equal(second.parent, undefined)
    assert.equal(second.independent, false)
    assert.equal(fileOf(second, one).storedBy, first.id)
    assert.equal(fileOf(second, one).imageLsn, second.startLsn)
    assert.equal(fileOf(second, three).storedBy, second.id, 'touched: read anew')
    assert.ok(second.statistics.staticBytes >= fileOf(second, one).bytes)

    // Put together from two backups: a full reads it anew, the next one shares it.
    await world.server.psql(`update sales_3 set body = 'y' where ctid = '(0,1)'`)
    const increment = (await world.take('incremental')).manifest
    const third = (await world.take('full')).manifest
    assert.equal(fileOf(increment, three).storedBy, increment.id)
    assert.equal(fileOf(third, three).storedBy, third.id)
    const fourth = (await world.take('full')).manifest
    assert.equal(fileOf(fourth, three).storedBy, third.id)

    const standing = standings(fourth, await world.repository.listBackups(signal))
    const still = standing.find((one) => one.name === 'sales_1')!
    assert.deepEqual([still.isStatic, still.storedBy, still.lsn], [true, first.id, first.startLsn])
    assert.equal(standing.find((one) => one.name === 'sales_3')!.storedBy, third.id)
    const { tables } = await readActivity(world.warehouse, ['postgres'], { majorVersion: major, signal })
    assert.equal(tables.find((one) => one.oid === still.oid)!.unfrozenPages, 0)

    const independent = (await world.take('full', { independent: true })).manifest
    assert.equal(independent.independent, true)
    assert.ok(independent.files.every((file) => file.kind !== 'segment' || file.storedBy === independent.id))
    assert.ok(!independent.packs.some((pack) => fourth.packs.includes(pack)), 'no pack is shared')

    const restored = await world.restore(second.id, {
      recovery_target: 'immediate',
      recovery_target_action: 'promote',
    })
    assert.deepEqual(await contentsOf(restored), truth)
  })
}

/** Changes one byte of a row on disk behind the server's back; the checksum is made right. */
async function changeBehind(world: World, path: string, block: number): Promise<void> {
  const full = join(world.server.dataDirectory, path)
  const bytes = await readFile(full)
  const page = bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)
  const at = page.lastIndexOf('xxxx')
  page.write('zzzz', at)
  page.writeUInt16LE(pageChecksum(page, 0, block), 8)
  await writeFile(full, bytes)
}

test('an audit names a block that changed although no WAL says so, stores it anew and trusts its relation no more', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off' } })
  await partitions(world)
  const path = await pathOf(world, 'sales_2')
  await world.take('full')
  const clean = await world.take('incremental', { audit: everything })
  assert.deepEqual(clean.alerts, [])
  assert.ok(clean.manifest.statistics.auditedBytes > fileOf(clean.manifest, path).bytes)
  assert.ok(fileOf(clean.manifest, path).auditedMs >= clean.manifest.startedMs)

  await world.server.stop()
  await changeBehind(world, path, 3)
  await world.server.start()
  const blind = await world.take('incremental')
  assert.deepEqual(blind.alerts, [], 'without an audit nobody sees it')
  const found = await world.take('incremental', { audit: everything })
  assert.deepEqual(
    found.alerts.map(({ reason, severity, blocks }) => ({ reason, severity, blocks })),
    [{ reason: 'audit-mismatch', severity: 'critical', blocks: [{ file: path, blocks: [3] }] }],
  )
  assert.deepEqual(
    found.manifest.distrusted.map((one) => one.reason),
    [`blocks 3 of ${path} differed, and no WAL named them`],
  )
  assert.equal(fileOf(found.manifest, path).storedBy, found.manifest.id)
  const next = await world.take('incremental')
  assert.equal(fileOf(next.manifest, path).storedBy, next.manifest.id, 'read whole from now on')
  assert.equal(next.manifest.distrusted.length, 1)
  assert.deepEqual(await contentsOf(await world.restore(found.manifest.id)), await contentsOf(world.server))
  await world.repository.readManifest(next.manifest.id, signal)
})

test('hint bits are no finding, and a block that rots on disk keeps its good image', async () => {
  await using world = await openWorld({
    major: 18,
    checksums: false,
    settings: { autovacuum: 'off', wal_log_hints: 'off' },
  })
  await world.server.psql(
    "create table hinted as select n, repeat('x', 400) as body from generate_series(1, 2000) n; checkpoint",
  )
  await world.take('full')
  // Hints of all rows are set now, without WAL.
  await world.server.psql('select count(*) from hinted; checkpoint')
  const path = await pathOf(world, 'hinted')
  const hints = await world.take('incremental', { audit: everything })
  assert.deepEqual(hints.alerts, [])
  assert.notEqual(fileOf(hints.manifest, path).storedBy, hints.manifest.id)
  const truth = await contentsOf(world.server)
  await world.server.stop()
  const full = join(world.server.dataDirectory, path)
  const bytes = await readFile(full)
  bytes.fill(0xff, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 24)
  await writeFile(full, bytes)
  await world.server.start()
  const rotten = await world.take('incremental', { audit: everything })
  assert.deepEqual(
    rotten.alerts.map(({ reason, blocks }) => ({ reason, blocks })),
    [{ reason: 'audit-rotten-blocks', blocks: [{ file: path, blocks: [2] }] }],
  )
  assert.deepEqual(await contentsOf(await world.restore(rotten.manifest.id)), truth)
})

test('the WAL summaries of the server say what our own map says; a map of ours that lacks something is found out', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off', summarize_wal: 'on' } })
  await partitions(world)
  const parent = (await world.take('full')).manifest
  await world.server.psql(
    "update sales set body = 'y' where day = 2 and body like '1%'; create table fresh as select 1 as a",
  )
  const next = await world.take('incremental')
  assert.deepEqual(
    next.alerts.map((one) => one.message),
    [],
  )
  assert.deepEqual(
    next.notes.filter((note) => note.includes('summaries')),
    [],
    'no summary is missing',
  )
  const facts = await world.warehouse.facts(signal)
  const [fromLsn, untilLsn] = [parent.startLsn, next.manifest.startLsn]
  const empty = new ChangeMapBuilder(fromLsn).finish(untilLsn)
  const range = { spans: [{ timeline: 1, startLsn: 0n, endLsn: undefined }], fromLsn, untilLsn }
  const opinion = await askSummaries(empty, range, { warehouse: world.warehouse, facts, clock: systemClock, signal })
  const relfilenode = Number((await pathOf(world, 'sales_2')).split('/').at(-1))
  const missed = opinion.missed.filter((one) => one.file.relfilenode === relfilenode && one.fork === 'main')
  assert.ok(missed.length > 3, `${missed.length} blocks`)
  const change = opinion.map.fork(missed[0]!.file, 'main')
  assert.deepEqual(
    [...change!.blocks],
    [...new Set(missed.map((one) => one.block!))].toSorted((a, b) => a - b),
  )
})
