// P2: each repository of a warehouse is complete on its own. What the second one restores is compared with the source; what happens when one is away is told.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { room as backupRoom } from '../../src/backup/room.ts'
import { runBackup } from '../../src/backup/run-backup.ts'
import { provide, type Room } from '../../src/base/room.ts'
import { controlSection } from '../../src/control/config.ts'
import { controlDatabase, type ControlDatabase, type ControlEvent } from '../../src/control/contract.ts'
import { repositories } from '../../src/repository/contract.ts'
import { copyBackup } from '../../src/repository/copy.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import { initRepository } from '../../src/repository/open.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import { openStore } from '../../src/repository/stores.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { testContext } from '../support/context.ts'
import { scratchFolder, startServer } from '../support/postgres.ts'
import { reconstruct } from './reconstruct.ts'
import { complaintsOf, contentsOf } from './truth.ts'
import { makeFolder, makeRepository, openWorld } from './world.ts'

const signal = new AbortController().signal

void test('with the first repository lost, the second one restores what the source held', async () => {
  await using world = await openWorld({ major: 18 })
  const { server, folder, repository } = world
  await server.psql(
    `create table t as select n as id, repeat(md5(n::text), 9) as body from generate_series(1, 20000) n`,
  )
  const second = await makeRepository(join(folder, 'second'))
  const { manifest: full } = await world.take('full')
  await copyBackup({ from: repository, to: second, id: full.id, wal: 'needed', signal })
  await server.psql(`update t set body = 'changed' where id % 40 = 0; create table u as select * from t limit 100`)
  const { manifest: increment } = await world.take('incremental')
  const truth = await contentsOf(server)
  const done = await copyBackup({ from: repository, to: second, id: increment.id, wal: 'needed', signal })
  assert.ok(done.packs < increment.packs.length, 'what both share is copied once')
  const again = await copyBackup({ from: repository, to: second, id: increment.id, wal: 'needed', signal })
  assert.deepEqual([again.state, again.packs, again.walChunks], ['there already', 0, 0])
  await rm(join(folder, 'repository'), { recursive: true })
  await world.server.psql('select pg_switch_wal()')
  await using restored = await reconstruct({
    repository: second,
    id: increment.id,
    major: 18,
    folder: await makeFolder(world, 'from-second'),
    archive: world.archive,
    owner: server.account,
  })
  assert.deepEqual(await contentsOf(restored), truth)
  assert.deepEqual(await complaintsOf(restored), [])
})

void test('a backup goes into every repository; one that is away is alerted, and fails the run only where it is required', async () => {
  await using scope = new AsyncDisposableStack()
  const { path: folder } = scope.use(await scratchFolder())
  const server = scope.use(await startServer({ major: 18, settings: { autovacuum: 'off' } }))
  await server.psql(`create table t as select n as id, repeat('x', 500) as body from generate_series(1, 2000) n`)
  const events: ControlEvent[] = []
  const control: Room = {
    name: 'control',
    summary: 'a list',
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
    ],
  }
  const names = ['main', 'offsite', 'spare']
  for (const name of names) {
    mkdirSync(join(folder, name))
    await initRepository({
      store: await openStore({ kind: 'file', path: join(folder, name) }),
      unlock: { by: 'none' },
      signal,
    })
  }
  const config = {
    warehouses: { retail: { url: server.url, repositories: ['main', 'offsite', { name: 'spare', required: false }] } },
    repositories: Object.fromEntries(names.map((name) => [name, { path: join(folder, name), encryption: 'none' }])),
    control: { url: 'postgresql://nobody@127.0.0.1:1/none' },
  }
  const rooms = [warehouseRoom, repositoryRoom, control, backupRoom]
  const context = testContext({ home: folder, rooms, config }, scope)
  const run = () => runBackup({ warehouse: 'retail', kind: 'incremental' }, context, { report: () => {}, signal })
  const holding = async (id: string) => {
    const all = await context.use(repositories)
    const held: string[] = []
    for (const name of names) {
      const repository = await all.open(name, signal)
      if ((await repository.listBackups(signal)).some((one) => one.id === id)) held.push(name)
    }
    return held
  }

  const first = await run()
  assert.deepEqual(
    first.copies.map(({ repository, state }) => [repository, state]),
    [
      ['offsite', 'complete'],
      ['spare', 'complete'],
    ],
  )
  assert.deepEqual(await holding(first.id), names)

  await rename(join(folder, 'spare'), join(folder, 'away'))
  const second = await run()
  assert.equal(second.copies.find((one) => one.repository === 'spare')?.state, 'failed')
  const alert = events.find((one) => one.data['reason'] === 'backup-not-copied')
  assert.deepEqual([alert?.data['repository'], alert?.data['required']], ['spare', false])
  await rename(join(folder, 'away'), join(folder, 'spare'))
  assert.deepEqual(await holding(second.id), ['main', 'offsite'])

  await rename(join(folder, 'main'), join(folder, 'away'))
  let id = ''
  await assert.rejects(run(), (error: Error) => {
    id = /^backup (\S+) is complete in offsite, spare, but not in main: cannot reach /.exec(error.message)?.[1] ?? ''
    return id !== ''
  })
  await rename(join(folder, 'away'), join(folder, 'main'))
  assert.deepEqual(await holding(id), ['offsite', 'spare'])

  const last = await run()
  assert.deepEqual(await holding(last.id), names)
  for (const name of names) {
    const store = await openStore({ kind: 'file', path: join(folder, name) })
    const { findings } = await checkRepository({ store, unlock: { by: 'none' }, depth: 'all', signal })
    assert.deepEqual(findings, [], name)
  }
})
