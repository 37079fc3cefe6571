// The disk guard and what comes behind a hole, on a real server: the slot goes although somebody streams through it, nobody makes it again before there
// is space, the hole has a name, and a backup is asked for.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { protection } from '../../src/backup/contract.ts'
import { DiskGuard, type Space } from '../../src/backup/guard/guard.ts'
import { backUpAfterHoles } from '../../src/backup/holes.ts'
import { receivers } from '../../src/backup/receiver/registry.ts'
import { room as backupRoom } from '../../src/backup/room.ts'
import { runBackup } from '../../src/backup/run-backup.ts'
import { systemClock } from '../../src/base/clock.ts'
import { provide, type Room } from '../../src/base/room.ts'
import { controlSection } from '../../src/control/config.ts'
import { controlDatabase, type ControlDatabase, type ControlEvent } from '../../src/control/contract.ts'
import { initRepository } from '../../src/repository/open.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import { openStore } from '../../src/repository/stores.ts'
import { runEngine, type RunEngine, type RunRequest } from '../../src/runs/contract.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'
import { scratchFolder, startServer, type TestServer } from '../support/postgres.ts'
import { warehouseFor } from '../support/warehouse.ts'

const signal = new AbortController().signal
const GB = 1024 ** 3

/** WAL that no table needs: quick. */
async function writeWal(server: TestServer, megabytes: number): Promise<void> {
  await server.psql(
    `select count(pg_logical_emit_message(false, 'x', repeat('x', 1000000))) from generate_series(1, ${megabytes})`,
  )
}

async function slots(server: TestServer): Promise<string[]> {
  return (await server.psql<{ name: string }>('select slot_name as name from pg_replication_slots')).map(
    ({ name }) => name,
  )
}

void test('below the floor the slot is given up, and taken again when there is space, with a backup behind the hole', async () => {
  await using scope = new AsyncDisposableStack()
  const folder = scope.use(await scratchFolder()).path
  const server = scope.use(
    await startServer({
      major: 18,
      walSegmentMegabytes: 1,
      settings: { max_wal_size: '32MB', min_wal_size: '2MB', wal_recycle: 'off' },
    }),
  )
  const path = join(folder, 'repository')
  mkdirSync(path)
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: { by: 'none' }, signal })
  const events: ControlEvent[] = []
  const runs: RunRequest[] = []
  const control: Room = {
    name: 'control',
    summary: 'lists',
    config: [controlSection],
    services: [
      provide(
        controlDatabase,
        () =>
          ({
            emit: (event: ControlEvent) => Promise.resolve(void events.push(event)),
            query: () => Promise.resolve([]),
          }) as unknown as ControlDatabase,
      ),
      provide(
        runEngine,
        () =>
          ({
            submit: (request: RunRequest) => {
              runs.push(request)
              return Promise.resolve({ runId: 'run', created: true })
            },
          }) as unknown as RunEngine,
      ),
    ],
  }
  const context = testContext(
    {
      home: folder,
      rooms: [warehouseRoom, repositoryRoom, control, backupRoom],
      config: {
        warehouses: { retail: { url: server.url, repositories: ['main'] } },
        repositories: { main: { path, encryption: 'none' } },
        control: { url: 'postgresql://nobody@127.0.0.1:1/none' },
      },
    },
    scope,
  )
  const backup = await runBackup({ warehouse: 'retail', kind: 'full' }, context, { report: () => {}, signal })
  assert.equal(await backUpAfterHoles(context, 'retail', signal), 0)
  assert.deepEqual(await slots(server), ['wharf_retail'])

  // Somebody streams and never says that anything is kept.
  const stuck = scope.use(await warehouseFor({ url: server.url }).connectReplication({ purpose: 'stuck', signal }))
  const { restartLsn } = await stuck.ensureSlot('wharf_retail')
  const stream = stuck.stream({
    slot: 'wharf_retail',
    timeline: 1,
    startLsn: restartLsn! - (restartLsn! % (1n << 20n)),
    signal,
  })
  let heard = 0
  const ended = (async () => {
    for await (const { bytes } of stream.messages()) heard += bytes.length
  })().catch(() => {})
  await writeWal(server, 80)
  while (heard < 80e6) await systemClock.sleep(20)

  let space: Space = { totalBytes: 100 * GB, freeBytes: 50 * GB }
  const calls: string[] = []
  const guard = new DiskGuard({
    context,
    warehouse: 'retail',
    stopReceiving: () => Promise.resolve(void calls.push('stop')),
    startReceiving: () => void calls.push('start'),
    space: () => Promise.resolve(space),
    firstWaitMs: 0,
  })
  await guard.look(signal)
  assert.deepEqual([calls, await slots(server)], [[], ['wharf_retail']])
  space = { totalBytes: 100 * GB, freeBytes: 9 * GB }
  events.length = 0
  await guard.look(signal)
  assert.deepEqual([calls, await slots(server), guard.givenUp], [['stop'], [], true])
  await ended
  assert.deepEqual(
    events.map(({ data }) => [data['reason'], data['severity'], data['freeBytes']]),
    [['slot-given-up', 'critical', 9 * GB]],
  )
  const registry = await context.use(receivers)
  await assert.rejects(registry.join('retail', signal), { code: 'backup.given-up', passing: true })
  await guard.look(signal)
  assert.deepEqual(await slots(server), [], 'little space: it stays gone')

  // The server forgets what nobody holds.
  await writeWal(server, 20)
  await server.psql('checkpoint')
  await writeWal(server, 20)
  await server.psql('checkpoint')
  space = { totalBytes: 100 * GB, freeBytes: 60 * GB }
  await guard.look(signal)
  assert.deepEqual([calls, guard.givenUp], [['stop', 'start'], false])
  events.length = 0
  {
    await using shared = await registry.join('retail', signal)
    while (!events.some(({ data }) => data['reason'] === 'wal-hole')) await systemClock.sleep(50)
    const [row] = await server.psql<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn')
    const { parseLsn } = await import('../../src/wal/lsn.ts')
    await shared.receiver.waitDurable(parseLsn(row!.lsn), signal)
  }
  const hole = events.find(({ data }) => data['reason'] === 'wal-hole')!.data
  const window = await (await context.use(protection)).recoverableWindow('retail', signal)
  assert.deepEqual(
    window.map(({ fromLsn, toLsn }) => [fromLsn, toLsn]),
    [[backup.stopLsn, hole['fromLsn']]],
    'the window ends where the hole begins',
  )
  assert.equal(await backUpAfterHoles(context, 'retail', signal), 1)
  // The receiver asked at once, whoever looks later asks for the same.
  const [request, again] = runs
  assert.deepEqual(again, request)
  assert.deepEqual(
    [request!.pipeline, request!.idempotencyKey, request!.tasks[0]!.input],
    [
      'backup retail',
      `backup/retail/after hole/main/${String(hole['toLsn'])}`,
      { warehouse: 'retail', kind: 'incremental', repository: 'main' },
    ],
  )
  // The backup that was asked for settles it.
  const next = await runBackup({ warehouse: 'retail', kind: 'incremental' }, context, { report: () => {}, signal })
  assert.match(next.notes.join('; '), /everything is read whole: WAL of timeline 1 from .* is not complete/)
  assert.equal(await backUpAfterHoles(context, 'retail', signal), 0)
})
