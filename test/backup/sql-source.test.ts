// Acceptance 7: the SQL source's backup is identical in content to the disk source's; the needed grants are exactly those printed. And what only this
// source has: sessions that are lost, files that change between two reads of them, another server behind the same name.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import type { TakeOptions } from '../../src/backup/engine/options.ts'
import { backupRights } from '../../src/backup/server/demand-rights.ts'
import type { ClusterFiles } from '../../src/backup/source/cluster-files.ts'
import { demandSameServer } from '../../src/backup/source/server-identity.ts'
import { sqlFiles } from '../../src/backup/source/sql.ts'
import type { Manifest } from '../../src/repository/contract.ts'
import type { Warehouse } from '../../src/warehouse/contract.ts'
import { grantStatements } from '../../src/warehouse/rights.ts'
import { startLoad } from './load.ts'
import { layOut } from './reconstruct.ts'
import { complaintsOf, contentsOf } from './truth.ts'
import { makeFolder, openTestWarehouse, openWorld, type World } from './world.ts'
import { ofTheDay } from '../support/turns.ts'

const signal = new AbortController().signal

/** As `source: sql` of wharf.yaml. */
function bySql(warehouse: Warehouse): Pick<TakeOptions, 'files' | 'source' | 'warehouse'> {
  return {
    warehouse,
    source: 'sql',
    files: (dataDirectory, scope) => sqlFiles({ warehouse, dataDirectory, clock: systemClock, signal }, scope),
  }
}

async function makeTables(world: World): Promise<void> {
  const { server } = world
  const linked = await makeFolder(world, 'a "space"')
  await server.psql(`create tablespace linked location '${linked}'`)
  await using client = await server.connect()
  await client.query('set allow_in_place_tablespaces = on')
  await client.query(`create tablespace inplace location ''`)
  await server.psql(`
    create table sales (id bigint primary key, day date not null, amount numeric, note text);
    insert into sales select n, date '2026-01-01' + n % 300, n * 1.5, repeat(md5(n::text), 3) from generate_series(1, 40000) n;
    create table wide (id int primary key, body text);
    insert into wide select n, (select string_agg(md5((n * i)::text), '') from generate_series(1, 200) i) from generate_series(1, 200) n;
    create table there (id int primary key, body text) tablespace linked;
    insert into there select n, md5(n::text) from generate_series(1, 5000) n;
    create table here (id int primary key, body text) tablespace inplace;
    insert into here select n, md5(n::text) from generate_series(1, 5000) n;
    create unlogged table scratch (id int primary key, body text);
    insert into scratch select n, 'x' from generate_series(1, 2000) n;
    create table part (id int, day date) partition by range (day);
    create table part_old partition of part for values from ('2026-01-01') to ('2026-02-01');
    create table part_new partition of part for values from ('2026-02-01') to ('2026-03-01');
    create table empty (id int)`)
  await server.psql('create database second tablespace linked')
  await server.psql('create table t as select generate_series(1, 1000) as id', 'second')
  await server.psql('vacuum (freeze)')
}

/** What a manifest says of each file, as far as it is content. The control file tells of its backup's own checkpoint. */
async function contentOf(world: World, manifest: Manifest) {
  const segments = manifest.files.filter((file) => file.kind === 'segment')
  const maps = await world.repository.readMaps(
    segments.map((file) => file.map),
    signal,
  )
  const blocks = new Map(maps.map((map) => [map.file, map.blockCount]))
  return {
    files: manifest.files
      .filter(({ path }) => path !== 'global/pg_control')
      .map((file) => ({
        path: file.path,
        kind: file.kind,
        bytes: file.bytes,
        mode: file.mode,
        ...(file.kind === 'plain' ? { sha256: file.sha256 } : { blocks: blocks.get(file.path) }),
      })),
    folders: manifest.folders.toSorted((one, other) => (one.path < other.path ? -1 : 1)),
    unlogged: manifest.unlogged.toSorted((one, other) => (one.path < other.path ? -1 : 1)),
    tablespaces: manifest.tablespaces,
    outsideFiles: manifest.outsideFiles,
  }
}

/** `diff -r` of what the two lay out, tablespaces included. */
async function differences(world: World, ids: readonly string[]): Promise<string> {
  const folders: string[] = []
  for (const id of ids) {
    const folder = await makeFolder(world, `laid-${id}`)
    await layOut({ repository: world.repository, id, folder, owner: world.server.account })
    folders.push(folder)
  }
  const { stdout, stderr } = spawnSync('diff', ['-rq', '--no-dereference', ...folders], { encoding: 'utf8' })
  return `${stdout}${stderr}`
}

for (const major of [ofTheDay([15, 18] as const)]) {
  void test(`PostgreSQL ${major}: read through SQL by a role with the printed grants, a backup is the same as from the disk`, async () => {
    await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
    const { server } = world
    await makeTables(world)
    for (const sql of grantStatements('copier', 'postgres', 'sql')) await server.psql(sql)
    const warehouse = openTestWarehouse(server.urlFor({ user: 'copier' }), world.folder)
    const sql = bySql(warehouse)

    // The first one makes hint bits of catalogs that it reads itself.
    await world.take('full', sql)
    // Nothing of one is taken over from the other.
    const { manifest: disk } = await world.take('full', { independent: true })
    const { manifest: full, notes } = await world.take('full', { ...sql, independent: true })
    assert.deepEqual(notes, [])
    assert.deepEqual(await contentOf(world, full), await contentOf(world, disk))
    assert.ok(full.files.some(({ path }) => path.startsWith('pg_tblspc/')) && full.unlogged.length > 0)
    // Label and map name the backup and where its tablespaces were laid, the control file its checkpoint; nothing else differs by a byte.
    const differing = (await differences(world, [disk.id, full.id])).trim().split('\n')
    assert.deepEqual(
      differing.map((line) => /\/data\/(\S+) and /.exec(line)?.[1] ?? line),
      ['backup_label', 'global/pg_control', `pg_tblspc/${full.tablespaces[0]!.oid}`, 'tablespace_map'],
    )

    // Under load, and an increment on the parent that the other source has taken.
    const load = startLoad(server)
    await load.someRounds(2)
    const { manifest: increment } = await world.take('incremental', sql)
    await load.someRounds(1)
    await load.stop()
    assert.deepEqual([increment.kind, increment.parent], ['incremental', full.id])
    assert.ok(increment.statistics.readBytes < full.statistics.readBytes)
    await world.archiveAll()
    const truth = await contentsOf(server)
    for (const { id } of [full, increment]) {
      await using restored = await world.restore(id)
      assert.deepEqual(await contentsOf(restored), truth)
      assert.deepEqual(await complaintsOf(restored), [])
    }

    // Each right alone.
    for (const right of backupRights('sql')) {
      const grant = right.grant({ role: 'copier', database: 'postgres' })
      await server.psql(grant.replace('GRANT', 'REVOKE').replace(' TO ', ' FROM '))
      await assert.rejects(world.take('full', sql), (error) => {
        assert.ok(isWharfError(error, 'backup.lacks-right'), String(error))
        assert.equal(error.message, `role copier lacks what a backup of warehouse retail needs: ${right.name}`)
        assert.equal(error.hint, `as superuser: ${grant}`)
        return true
      })
      await server.psql(grant)
    }
  })
}

void test('PostgreSQL 18: files that are dropped, cut and grown between listing and reading, and sessions that are lost', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off' } })
  const { server, warehouse } = world
  await server.psql(`
    create table dropped as select n as id, repeat('d', 500) as body from generate_series(1, 3000) n;
    create table cut as select n as id, repeat('c', 500) as body from generate_series(1, 3000) n;
    create table grown as select n as id, repeat('g', 500) as body from generate_series(1, 3000) n;
    create table big as select n as id, repeat('b', 500) as body from generate_series(1, 60000) n; checkpoint`)
  const sql = bySql(warehouse)
  let ended = 0
  const files: TakeOptions['files'] = async (directory, scope): Promise<ClusterFiles> => {
    const real = await sql.files(directory, scope)
    return {
      ...real,
      list: async function* (options) {
        const entries = await Array.fromAsync(real.list(options))
        await server.psql('drop table dropped')
        await server.psql('delete from cut where id > 100')
        await server.psql('vacuum (truncate) cut')
        await server.psql(`insert into grown select n, repeat('g', 500) from generate_series(3001, 6000) n`)
        await server.psql('checkpoint')
        yield* entries
      },
    }
  }
  const report = (event: { phase: string; done?: number }): void => {
    if (event.phase !== 'copying' || ended > 0) return
    ended++
    void server
      .psql(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'wharf backup copy'`)
      .catch(() => {})
  }
  // The files come from elsewhere than where the backup mode is.
  const elsewhere: TakeOptions['files'] = async (directory, scope) => {
    const real = await sql.files(directory, scope)
    return { ...real, server: { ...real.server!, startedUs: '1700000000000000' } }
  }
  await assert.rejects(world.take('full', { ...sql, files: elsewhere }), { code: 'backup.server-changed' })
  const { manifest } = await world.take('full', { ...sql, files, report })
  assert.equal(ended, 1)
  assert.deepEqual(manifest.corrupt, [])
  await world.archiveAll()
  const truth = await contentsOf(server)
  await using restored = await world.restore(manifest.id)
  assert.deepEqual(await contentsOf(restored), truth)
  assert.deepEqual(await complaintsOf(restored), [])
})

void test('another server behind the same name is noticed', () => {
  const one = { systemIdentifier: '1', startedUs: '1700000000000000', inRecovery: false }
  const demand = (change: Partial<typeof one>) => () => demandSameServer({ ...one, ...change }, one, 'retail')
  assert.throws(demand({ startedUs: '1700000001000000' }), {
    message:
      'a session of the backup of warehouse retail is with another server: it was started at 2023-11-14T22:13:21.000Z, that of the first session at 2023-11-14T22:13:20.000Z',
  })
  assert.throws(demand({ inRecovery: true }), {
    message: 'a session of the backup of warehouse retail is with another server: it is a standby',
  })
  assert.throws(demand({ systemIdentifier: '2' }), {
    code: 'backup.server-changed',
    message:
      'a session of the backup of warehouse retail is with another server: its system identifier is 2, that of the first session was 1',
  })
  demand({})()
})
