// --latest while a receiver goes on: what came in since planning may be replayed as well, and is no wrong end.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { runRecovery } from '../../src/recovery/run-recovery.ts'
import { parseLsn } from '../../src/wal/lsn.ts'
import { openWorld } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { Recovered, requestFor } from './recovered.ts'

const signal = new AbortController().signal

void test('WAL that comes in while the data is fetched is replayed, and the recovery succeeds', async () => {
  await using world = await openWorld({ major: 18 })
  await world.server.psql('create table late (id int); insert into late select generate_series(1, 1000)')
  await world.take('full')
  await world.archiveAll()
  const request = await requestFor(world, { latest: true, verify: 'connect' })
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  let growing: Promise<void> | undefined
  const grow = async (): Promise<void> => {
    await world.server.psql('insert into late select generate_series(1001, 2000)')
    await world.archiveAll()
  }
  const report = await runRecovery(request, context, {
    report: ({ phase }) => void (phase === 'fetching' && (growing ??= grow())),
    signal,
  })
  await growing
  await using recovered = new Recovered({ directory: request.toDirectory, report, progress: [] })
  const [row] = await recovered.psql<{ n: number }>('select count(*)::int as n from late')
  assert.ok(row!.n === 1000 || row!.n === 2000)
  const end = parseLsn(report.plan.target.lsn)
  const grown = parseLsn(report.proof!.replayed.lsn) > end
  assert.equal(row!.n === 2000, grown)
})
