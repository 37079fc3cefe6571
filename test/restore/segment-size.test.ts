// WAL segments of 64 MB end to end with the real receiver: received, backed up in full and as an increment, recovered to the end.
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { receivers } from '../../src/backup/receiver/registry.ts'
import { room as backupRoom } from '../../src/backup/room.ts'
import { runBackup } from '../../src/backup/run-backup.ts'
import { initRepository } from '../../src/repository/open.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import { openStore } from '../../src/repository/stores.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { parseLsn } from '../../src/wal/lsn.ts'
import { contentsOf } from '../backup/truth.ts'
import { testContext } from '../support/context.ts'
import { controlConfig, listedEvents } from '../support/listed-events.ts'
import { scratchFolder, startServer } from '../support/postgres.ts'
import { recover } from './recovered.ts'

const signal = new AbortController().signal
const SEGMENT = 64n << 20n

void test('segments of 64 MB: received, backed up, recovered', async () => {
  await using scope = new AsyncDisposableStack()
  const folder = scope.use(await scratchFolder()).path
  const server = scope.use(await startServer({ major: 18, walSegmentMegabytes: 64 }))
  const path = join(folder, 'repository')
  await mkdir(path)
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock: { by: 'none' }, signal })
  const { room: control } = listedEvents()
  const config = {
    warehouses: { retail: { url: server.url, repositories: ['main'] } },
    repositories: { main: { path, encryption: 'none' } },
    control: controlConfig,
  }
  const context = testContext(
    { home: folder, rooms: [warehouseRoom, repositoryRoom, control, backupRoom], config },
    scope,
  )
  const tools = { report: () => {}, signal }
  const world = { folder, server: { major: 18 } } as const
  const wishes = { passphraseFile: undefined, verify: 'connect' } as const
  let ends: readonly bigint[]
  {
    await using shared = await (await context.use(receivers)).join('retail', signal)
    const end = async (): Promise<string> =>
      (await server.psql<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn'))[0]!.lsn
    await server.psql('create table sales as select n as id, md5(n::text) as body from generate_series(1, 20000) n')
    const full = await runBackup({ warehouse: 'retail', kind: 'full' }, context, tools)
    await server.psql('update sales set body = reverse(body) where id % 3 = 0')
    await server.psql('delete from sales where id % 7 = 0')
    const increment = await runBackup({ warehouse: 'retail', kind: 'incremental' }, context, tools)
    assert.deepEqual([full.kind, increment.kind], ['full', 'incremental'])
    await server.psql('create table later as select n from generate_series(1, 1000) n')
    await server.psql('insert into later values (0)')
    const last = await end()
    ends = [parseLsn(full.stopLsn), parseLsn(increment.stopLsn), parseLsn(last)]
    await shared.receiver.waitDurable(parseLsn(last), signal)
  }
  assert.equal(new Set(ends.map((one) => one / SEGMENT)).size, 3, 'over several segments')
  const newest = await contentsOf(server)
  await server.stop('fast')
  await using recovered = await recover(world, { ...wishes, latest: true })
  assert.deepEqual(await contentsOf(recovered.asServer), newest)
  const [size] = await recovered.psql<{ wal_segment_size: string }>('show wal_segment_size')
  assert.equal(size?.wal_segment_size, '64MB')
})
