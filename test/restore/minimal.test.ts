// A span of wal_level = minimal whose WAL was stored without a gap: PostgreSQL replays nothing over it. The window has a hole there, a target behind it is
// refused, a backup after it leads on, and what is recovered is what clients saw.
import assert from 'node:assert/strict'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { buildProtection } from '../../src/backup/protection/service.ts'
import { planRepository } from '../../src/backup/retention/expire.ts'
import { provide, type Room } from '../../src/base/room.ts'
import { repositories, type Repositories } from '../../src/repository/contract.ts'
import { formatLsn, parseLsn } from '../../src/wal/lsn.ts'
import { warehouses, type Warehouses } from '../../src/warehouse/contract.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { recover } from './recovered.ts'

const signal = new AbortController().signal

async function restart({ server }: World, settings: Readonly<Record<string, string>>): Promise<void> {
  await server.stop('fast')
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
  await appendFile(join(server.dataDirectory, 'postgresql.conf'), lines.join(''))
  await server.start()
}

/** As `status` asks. */
async function windowOf(world: World): Promise<readonly string[]> {
  await using scope = new AsyncDisposableStack()
  const declared = { get: () => ({ declaration: { repositories: ['r'] } }) } as unknown as Warehouses
  const opened = { open: () => Promise.resolve(world.repository) } as unknown as Repositories
  const services: Room['services'] = [provide(warehouses, () => declared), provide(repositories, () => opened)]
  const rooms: Room[] = [{ name: 'world', summary: 'the world', services }]
  const service = await buildProtection(testContext({ home: world.folder, rooms }, scope), () => Promise.resolve([]))
  return (await service.recoverableWindow('retail', signal)).map((one) => `${one.fromLsn} ${one.toLsn}`)
}

void test('the window ends where wal_level = minimal begins, and begins anew with the next backup', async () => {
  await using world = await openWorld({ major: 18 })
  const { server, repository } = world
  await server.psql('create table sales as select n as id from generate_series(1, 5000) n')
  const { manifest: old } = await world.take('full')
  await server.psql('update sales set id = -id where id % 3 = 0')
  await world.archiveAll()
  const before = await contentsOf(server)

  await restart(world, { wal_level: 'minimal', archive_mode: 'off', max_wal_senders: '0' })
  await server.psql(`
    begin; create table quick (id int); insert into quick select g from generate_series(1, 30000) g; commit;
    update sales set id = 0 where id = 1`)
  await restart(world, { wal_level: 'replica', archive_mode: 'on', max_wal_senders: '10' })
  await server.psql('delete from sales where id % 7 = 0')
  await server.psql("select pg_create_restore_point('behind')")
  await world.archiveAll()

  const raw = await repository.wal.ranges(old.systemIdentifier, signal)
  assert.equal(raw.length, 1, 'no WAL is missing: the test is about nothing else')
  const [reaches, ...more] = await repository.wal.replayable(old.systemIdentifier, signal)
  assert.deepEqual([reaches?.stopped, more.length], [true, 1])
  const [first, ...others] = await windowOf(world)
  assert.equal(others.length, 0, 'nothing behind the span can be reached')
  const end = first!.split(' ')[1]!
  assert.ok(parseLsn(end) > old.stopLsn && parseLsn(end) < raw[0]!.endLsn)

  const refusal = {
    code: 'recovery.in-hole',
    message: `restore point "behind" cannot be reached: at ${end} the server went to wal_level = minimal, and no replay goes past that`,
    hint: `before that the last point is LSN ${end}; no backup was made after it`,
  }
  await assert.rejects(recover(world, { name: 'behind' }), refusal)
  {
    await using recovered = await recover(world, { latest: true, verify: 'connect' })
    assert.deepEqual(await contentsOf(recovered.asServer), before, 'the end is what there was before the span')
  }

  const { manifest: fresh, notes } = await world.take('incremental')
  assert.ok(
    notes.some((note) => note.startsWith(`everything is read whole: wal_level was set to minimal at ${end}`)),
    notes.join('\n'),
  )
  await server.psql('update sales set id = id + 1 where id > 4000')
  const newest = await contentsOf(server)
  await world.archiveAll()
  const window = await windowOf(world)
  assert.equal(window.length, 2)
  assert.equal(parseLsn(window[1]!.split(' ')[0]!), fresh.stopLsn)
  await assert.rejects(recover(world, { name: 'behind' }), {
    ...refusal,
    hint: new RegExp(`^before that the last point is LSN ${end}; after it the first is LSN .* \\(backup ${fresh.id}, `),
  })
  const later = formatLsn(fresh.stopLsn)
  await assert.rejects(recover(world, { lsn: later, backup: old.id }), {
    ...refusal,
    message: refusal.message.replace('restore point "behind"', `LSN ${later}`),
  })
  {
    await using recovered = await recover(world, { latest: true, verify: 'connect' })
    assert.deepEqual(await contentsOf(recovered.asServer), newest)
  }
  const { survey } = await planRepository(repository, { warehouse: 'retail', retention: undefined, holds: [] }, signal)
  assert.deepEqual(survey.notes, [
    `at ${end} of timeline 1 the server went to wal_level = minimal: backups from before that lead to nothing after it`,
  ])
})
