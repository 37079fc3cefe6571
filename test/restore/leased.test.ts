// A recovery reads under a lease. What that keeps expiry from: test/prune.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { prepareRecovery } from '../../src/recovery/plan/prepare.ts'
import { readingOf } from '../../src/recovery/restore/reading.ts'
import { runRecovery } from '../../src/recovery/run-recovery.ts'
import { silentLog } from '../../src/base/log.ts'
import { storeErrors as errors } from '../../src/repository/store-errors.ts'
import { openWorld } from '../backup/world.ts'
import { PruneWorld } from '../prune/world.ts'
import { testContext } from '../support/context.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { requestFor } from './recovered.ts'

const signal = new AbortController().signal

/** Folders of leases that are over may stay. */
const objectsIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((one) => (one.isFile() ? [one.name] : []))

void test('a recovery holds a lease from before it looks until it has ended, and a plan holds none', async () => {
  await using world = await openWorld({ major: 18 })
  const { manifest } = await world.take('full')
  const readers = join(world.folder, 'repository', 'readers')
  const leases = (): readonly string[] => (existsSync(readers) ? objectsIn(readers) : [])
  const wishes = { backup: manifest.id, latest: true, start: false, verify: 'connect' } as const
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)

  const planned = await prepareRecovery(await requestFor(world, wishes), context, signal)
  assert.deepEqual(leases(), [])
  await planned.close()

  const seen: number[] = []
  const report = await runRecovery(await requestFor(world, wishes), context, {
    report: ({ phase }) => void (phase !== 'planning' && seen.push(leases().length)),
    signal,
  })
  assert.ok(seen.length > 0 && seen.every((count) => count >= 1), seen.join(' '))
  assert.ok(!report.plan.notes.some((note) => note.startsWith('no lease')))
  assert.deepEqual(leases(), [])
})

void test('where no lease can be taken the recovery goes on, and says what that means', async () => {
  await using world = await PruneWorld.open()
  for (const error of [
    errors.denied({ location: 'there', what: 'write readers/x' }),
    errors.readOnly({ location: 'there' }),
    errors.full({ location: 'there', what: 'write readers/x' }),
  ]) {
    const repository = await world.repository(
      (store) => new FaultyStore(store, (call) => (call === 'put' ? { kind: 'error', error } : undefined)),
    )
    await using reading = await readingOf(repository, { warehouse: 'dw', log: silentLog, signal })
    assert.equal(reading.unprotected, `no lease is taken, because ${error.message}: expiry may delete what is read`)
  }
})
