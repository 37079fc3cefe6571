// Backups from a real streaming standby while its primary is written to: full and increment, restored and compared with the primary; a table that is cut
// while the standby lags (pgBackRest #2358); a standby that does not follow; a promotion in the middle; full_page_writes off.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { ClusterFiles } from '../../src/backup/source/cluster-files.ts'
import { diskFiles } from '../../src/backup/source/disk.ts'
import { parseBackupLabel } from '../../src/wal/labels.ts'
import { startServer, type Major, type TestServer } from '../support/postgres.ts'
import { startLoad } from './load.ts'
import { complaintsOf, contentsOf } from './truth.ts'
import { makeFolder, openTestWarehouse, openWorld, type World } from './world.ts'
import { ofTheDay } from '../support/turns.ts'

const signal = new AbortController().signal

/** A copy of the stopped primary that streams from it. */
async function startStandby(world: World, major: Major): Promise<TestServer> {
  const { server } = world
  const data = join(await makeFolder(world, 'standby'), 'data')
  await server.stop()
  assert.equal(spawnSync('cp', ['-a', server.dataDirectory, data]).status, 0)
  rmSync(join(data, 'postmaster.pid'), { force: true })
  await server.start()
  writeFileSync(join(data, 'standby.signal'), '')
  appendFileSync(
    join(data, 'postgresql.conf'),
    `primary_conninfo = 'host=127.0.0.1 port=${server.port} user=postgres'\narchive_mode = 'off'\n`,
  )
  return await startServer({ major, dataDirectory: data, startTimeoutMs: 120_000 })
}

/** Does something when the files are about to be listed, and waits for it. */
function atListing(what: () => Promise<unknown>): (directory: string) => ClusterFiles {
  return (directory) => {
    const disk = diskFiles(directory)
    return {
      ...disk,
      tablespaces: async (signal) => {
        await what()
        return await disk.tablespaces(signal)
      },
    }
  }
}

async function replayed(world: World, standby: TestServer): Promise<void> {
  const [row] = await world.server.psql<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn')
  for (;;) {
    const [at] = await standby.psql<{ done: boolean }>(`select pg_last_wal_replay_lsn() >= '${row!.lsn}' as done`)
    if (at?.done) return
    await new Promise((done) => setTimeout(done, 50))
  }
}

for (const major of [ofTheDay([18, 15] as const)]) {
  void test(`PostgreSQL ${major}: full and increment from a standby, under load and behind, lagging, promoted`, async () => {
    await using world = await openWorld({ major, settings: { wal_keep_size: '1GB' } })
    const { server, repository } = world
    await server.psql(`
      create table sales (id bigint primary key, day date not null, amount numeric, note text);
      insert into sales select n, date '2026-01-01' + n % 300, n * 1.5, repeat(md5(n::text), 3) from generate_series(1, 20000) n;
      create table wide (id int primary key, body text);
      insert into wide select n, repeat(md5(n::text), 100) from generate_series(1, 200) n;
      create table still with (autovacuum_enabled = off) as select n as id, md5(n::text) as body from generate_series(1, 20000) n;
      create table cut with (autovacuum_enabled = off) as select n as id, repeat('c', 500) as body from generate_series(1, 3000) n;
      create unlogged table scratch (id int primary key, body text);
      create table part (id int, day date) partition by range (day);
      create table part_old partition of part for values from ('2026-01-01') to ('2026-02-01');
      create table part_new partition of part for values from ('2026-02-01') to ('2026-03-01')`)
    await using standbyServer = await startStandby(world, major)
    const standby = { server: openTestWarehouse(standbyServer.urlFor({}), world.folder), waitMs: 60_000 }
    const visible = async () => (await repository.listBackups(signal)).length

    const load = startLoad(server, 50)
    await load.someRounds(1)
    const { manifest: full } = await world.take('full', { standby })
    assert.equal(parseBackupLabel(full.backupLabel).from, 'standby')
    assert.equal(full.unlogged.length, 0, 'a standby has nothing of unlogged tables but their init forks')
    await load.someRounds(1)
    // Replay stands still while the primary cuts and fills again: the files of the standby are longer than those of the primary.
    const files = atListing(async () => {
      await standbyServer.psql('select pg_wal_replay_pause()')
      await server.psql('delete from cut where id > 100')
      await server.psql('vacuum (truncate) cut')
      await server.psql(`insert into cut select n, repeat('d', 500) from generate_series(5001, 5600) n`)
    })
    const resume = (event: { phase: string }): void => {
      if (event.phase === 'stopping') void standbyServer.psql('select pg_wal_replay_resume()')
    }
    const { manifest: behind } = await world.take('incremental', { standby, files, report: resume })
    assert.deepEqual([behind.kind, behind.parent], ['incremental', full.id])
    const still = behind.relations.find(({ name }) => name === 'still')!
    const file = behind.files.find(({ path }) => path === `base/${still.file.database}/${still.file.relfilenode}`)
    assert.ok(file?.kind === 'segment' && file.storedBy === full.id, 'what has not changed is shared')
    // Now one of the primary that builds on the standby's, and one of the standby on that.
    const { manifest: primary } = await world.take('incremental')
    await load.someRounds(1)
    const { manifest: again } = await world.take('incremental', { standby })
    await load.stop()
    assert.deepEqual([primary.parent, again.parent], [behind.id, primary.id])
    await world.archiveAll()
    const truth = await contentsOf(server)
    for (const { id } of major === 15 ? [full, again] : [behind, again]) {
      await using restored = await world.restore(id)
      assert.deepEqual(await contentsOf(restored), truth, id)
      assert.deepEqual(await complaintsOf(restored), [])
    }

    const before = await visible()
    await standbyServer.psql('select pg_wal_replay_pause()')
    await assert.rejects(world.take('full', { standby: { ...standby, waitMs: 1000 } }), {
      code: 'backup.standby-behind',
      message: /^the standby of warehouse retail has replayed nothing for 1 s: it is at [^ ]+, [^ ]+ is wanted$/,
    })
    await standbyServer.psql('select pg_wal_replay_resume()')

    await server.psql('alter system set full_page_writes = off')
    await server.psql('select pg_reload_conf()')
    await server.psql('checkpoint')
    await assert.rejects(world.take('incremental', { standby }), {
      code: 'backup.full-page-writes-off',
      message:
        'WAL of warehouse retail was made with full_page_writes = off: a backup from its standby could hold torn pages',
    })
    await replayed(world, standbyServer)
    await server.psql('alter system set full_page_writes = on')
    await server.psql('select pg_reload_conf()')
    await assert.rejects(
      // The primary says on again, but what the standby has replayed was made without.
      standby.server.connect({ purpose: 'test', signal }).then(async (session) => {
        await using held = session
        await held.query(`select pg_backup_start('test', true)`)
      }),
      /full_page_writes=off/,
    )
    // A backup makes the primary take a checkpoint, and with it the standby is good again.
    await world.take('incremental', { standby })

    // Promoted between listing and stop (pitfall 39).
    const promote = atListing(() => standbyServer.psql('select pg_promote(true)'))
    await assert.rejects(world.take('full', { standby, files: promote }), {
      code: 'backup.promoted',
      message: 'the standby of warehouse retail was promoted during the backup',
    })
    assert.equal(await visible(), before + 1, 'only the one in between')
    // What was promoted is no standby any more.
    await assert.rejects(world.take('full', { standby }), {
      code: 'backup.not-a-standby',
      message: 'the standby of warehouse retail is no standby',
    })
    await assert.rejects(world.take('full', { standby: { ...standby, server: world.warehouse } }), {
      code: 'backup.not-a-standby',
      message: 'the standby of warehouse retail is no standby',
    })
  })
}
