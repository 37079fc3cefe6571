// The room as a whole, with the real receiver: runs, events, alerts and holds, the recoverable window, texts of errors. The control database is a list.
import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { OperationContext } from '../../src/base/operation.ts'
import { provide, type Context, type Room } from '../../src/base/room.ts'
import { protection } from '../../src/backup/contract.ts'
import { room as backupRoom } from '../../src/backup/room.ts'
import { staticData } from '../../src/backup/operations/static.ts'
import { runBackup } from '../../src/backup/run-backup.ts'
import { controlSection } from '../../src/control/config.ts'
import { controlDatabase, type ControlDatabase, type ControlEvent, type Hold } from '../../src/control/contract.ts'
import { initRepository } from '../../src/repository/open.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import { openStore } from '../../src/repository/stores.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { parseLsn } from '../../src/wal/lsn.ts'
import { testContext } from '../support/context.ts'
import { scratchFolder, startServer } from '../support/postgres.ts'

const signal = new AbortController().signal

interface Said {
  readonly events: ControlEvent[]
  readonly holds: Hold[]
}

/** A control database that only listens. */
function listeningControl(said: Said): Room {
  const database = {
    emit: (event: ControlEvent) => Promise.resolve(void said.events.push(event)),
    placeHold: (hold: Hold) => Promise.resolve(void said.holds.push(hold)),
    query: () => Promise.resolve([]),
  } as unknown as ControlDatabase
  return {
    name: 'control',
    summary: 'a list',
    config: [controlSection],
    services: [provide(controlDatabase, () => database)],
  }
}

async function openContext(
  url: string,
  folder: string,
  scope: AsyncDisposableStack,
): Promise<{ context: Context; said: Said }> {
  const said: Said = { events: [], holds: [] }
  const path = join(folder, 'repository')
  mkdirSync(path)
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: { by: 'none' }, signal })
  const rooms = [warehouseRoom, repositoryRoom, listeningControl(said), backupRoom]
  const config = {
    warehouses: { retail: { url, repositories: ['main'] }, bare: { url } },
    repositories: { main: { path, encryption: 'none' } },
    // So that asking whether it runs does not look for an embedded server.
    control: { url: 'postgresql://nobody@127.0.0.1:1/none' },
  }
  return { context: testContext({ home: folder, rooms, config }, scope), said }
}

void test('a corrupt block raises an alert, and the last good backup is held', async () => {
  await using scope = new AsyncDisposableStack()
  const scratch = scope.use(await scratchFolder())
  const server = scope.use(await startServer({ major: 18, settings: { autovacuum: 'off' } }))
  const { context, said } = await openContext(server.url, scratch.path, scope)
  await server.psql(`create table t as select n as id, repeat('x', 500) as body from generate_series(1, 1000) n`)
  await server.psql('checkpoint')
  const [{ path } = { path: '' }] = await server.psql<{ path: string }>(`select pg_relation_filepath('t') as path`)

  const phases: string[] = []
  const report = (event: { phase: string }): unknown => phases.at(-1) !== event.phase && phases.push(event.phase)
  const first = await runBackup({ warehouse: 'retail', kind: 'incremental' }, context, { report, signal })
  assert.deepEqual([first.kind, first.notes], ['full', ['a full backup is taken: there is no backup']])
  assert.deepEqual(phases, ['starting', 'listing', 'copying', 'stopping', 'waiting for wal', 'storing'])
  assert.deepEqual(
    said.events.map(({ kind, subject }) => `${kind} ${subject}`),
    ['backup.finished retail'],
  )

  await server.psql(`update t set body = 'y' where ctid = '(3,1)'`)
  await server.psql('checkpoint')
  const descriptor = openSync(join(server.dataDirectory, path), 'r+')
  writeSync(descriptor, Buffer.from('rubbish'), 0, 7, 3 * 8192 + 5000)
  closeSync(descriptor)
  const second = await runBackup({ warehouse: 'retail', kind: 'incremental' }, context, { report, signal })
  assert.deepEqual(second.corrupt, [
    { file: path, block: 3, reason: 'checksum', database: 'postgres', relation: 'public.t' },
  ])
  const alert = said.events.find(({ kind }) => kind === 'backup.alert')
  assert.equal(alert?.subject, 'retail')
  assert.deepEqual(alert?.data, {
    reason: 'corrupt-blocks',
    backup: second.id,
    repository: 'main',
    count: 1,
    blocks: [{ file: path, block: 3, reason: 'checksum' }],
    heldBackup: first.id,
  })
  assert.deepEqual(
    said.holds.map(({ kind, subject }) => [kind, subject]),
    [['backup', first.id]],
  )

  const still = await staticData.run({ warehouse: 'retail' }, context as OperationContext, signal)
  const [table] = still.relations
  assert.deepEqual([table?.relation, table?.isStatic, still.problems], ['public.t', false, []])
  assert.deepEqual(
    table?.obstacles.map((one) => one.sql),
    ['VACUUM (FREEZE) public.t;', undefined],
  )
  assert.equal(still.changeMaps.backups, 2)
  assert.match(staticData.text(still), /^retail: 0 B stand still, .* changed before backup /)

  const service = await context.use(protection)
  assert.deepEqual(
    (await service.backups('retail', signal)).map(({ id }) => id),
    [first.id, second.id],
  )
  const window = await service.recoverableWindow('retail', signal)
  assert.equal(window.length, 1)
  assert.equal(window[0]!.fromLsn, first.stopLsn)
  assert.ok(parseLsn(window[0]!.toLsn) >= parseLsn(second.stopLsn))
})

void test('what cannot be backed up says so in one clear error, and an event', async () => {
  await using scope = new AsyncDisposableStack()
  const scratch = scope.use(await scratchFolder())
  const server = scope.use(await startServer({ major: 15, settings: { wal_level: 'minimal', max_wal_senders: '0' } }))
  const { context, said } = await openContext(server.url, scratch.path, scope)
  const run = (warehouse: string) => runBackup({ warehouse, kind: 'full' }, context, { report: () => {}, signal })
  await assert.rejects(run('retail'), {
    code: 'backup.wal-level-minimal',
    message: 'the server of warehouse retail runs with wal_level = minimal',
    hint: 'set wal_level = replica in postgresql.conf and restart the server: without WAL no backup is consistent',
  })
  assert.deepEqual(
    said.events.map(({ kind, data }) => [kind, data['code']]),
    [['backup.failed', 'backup.wal-level-minimal']],
  )
  await assert.rejects(run('bare'), {
    code: 'backup.no-repository',
    message: 'warehouse bare has no repository',
    hint: 'name one under warehouses.<name>.repositories in wharf.yaml, or give --repository',
  })
})

void test('a role without the right to start a backup is told what to grant', async () => {
  await using scope = new AsyncDisposableStack()
  const scratch = scope.use(await scratchFolder())
  const server = scope.use(await startServer({ major: 18 }))
  await server.psql('create role reader login replication; grant pg_read_all_settings to reader')
  await server.psql(
    'grant execute on function pg_control_system(), pg_control_init(), pg_control_checkpoint() to reader',
  )
  const { context } = await openContext(server.urlFor({ user: 'reader' }), scratch.path, scope)
  await assert.rejects(runBackup({ warehouse: 'retail', kind: 'full' }, context, { report: () => {}, signal }), {
    code: 'backup.lacks-right',
    message: 'role reader lacks what a backup of warehouse retail needs: pg_monitor, pg_backup_start, pg_backup_stop',
    hint: 'as superuser: GRANT pg_monitor TO reader; GRANT EXECUTE ON FUNCTION pg_catalog.pg_backup_start(text, boolean) TO reader; GRANT EXECUTE ON FUNCTION pg_catalog.pg_backup_stop(boolean) TO reader;',
  })
})
