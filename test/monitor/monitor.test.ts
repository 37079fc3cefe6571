// The collector on real servers: every probe works on every version, nothing is waited for, and the store gives back what was written.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { room as controlRoom } from '../../src/control/room.ts'
import { Collector } from '../../src/monitor/collect/collector.ts'
import { monitorSeries, type Sample } from '../../src/monitor/contract.ts'
import { controlDatabase } from '../../src/control/contract.ts'
import { fastLane } from '../../src/monitor/probes/fast.ts'
import { slowLane } from '../../src/monitor/probes/slow.ts'
import { room } from '../../src/monitor/room.ts'
import { SampleStore } from '../../src/monitor/store/store.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { daemons, metricSources } from '../../src/base/room.ts'
import { testContext } from '../support/context.ts'
import { majors, scratchFolder, startServer, type TestServer } from '../support/postgres.ts'
import { warehouseFor } from '../support/warehouse.ts'

const signal = new AbortController().signal

function collector(server: TestServer, seen: Map<string, number>, busySessions = 64): Collector {
  return new Collector({
    warehouse: warehouseFor({ url: server.urlFor({ user: 'watcher' }) }),
    probes: [...fastLane, ...slowLane],
    intervalMs: 10_000,
    busySessions,
    clock: systemClock,
    log: silentLog,
    write: (_at: Date, samples: readonly Sample[]) => {
      seen.clear()
      for (const { key, value } of samples) seen.set(key, value)
      return Promise.resolve()
    },
  })
}

for (const major of majors) {
  void test(`every probe works on ${major} with pg_monitor alone, and says what is so`, async () => {
    await using server = await startServer({ major })
    await server.psql('create role watcher login; grant pg_monitor to watcher')
    await server.psql(`select pg_create_physical_replication_slot('held', true)`)
    await server.psql('create table t as select generate_series(1, 10000) as n')
    await using idle = await server.connect()
    await idle.query('begin; select 1')
    const seen = new Map<string, number>()
    await collector(server, seen).tick(signal)
    assert.equal(seen.get('monitor_failing_probes'), 0)
    assert.equal(seen.get('monitor_up'), 1)
    assert.equal(seen.get('postgres_sessions{state="idle in transaction"}'), 1)
    assert.equal(seen.get('postgres_slot_active{slot="held"}'), 0)
    assert.ok(seen.get('postgres_slot_retained_bytes{slot="held"}')! > 0)
    const [size] = await server.psql<{ bytes: string }>(`select pg_database_size('template1')::text as bytes`)
    assert.equal(seen.get('postgres_database_bytes{database="template1"}'), Number(size!.bytes))
    const first = new Set([
      'postgres_commits',
      'postgres_wal_bytes',
      'postgres_checkpoint_buffers',
      'postgres_temp_in_flight_bytes',
    ])
    if (major >= 16) first.add('postgres_io_write_bytes{context="normal"}')
    if (major >= 18) first.add('postgres_parallel_workers_launched')
    for (const key of first) assert.ok(seen.has(key), key)
  })
}

void test('a table that is locked costs one probe and 100 ms; a busy server is asked only what is essential', async () => {
  await using server = await startServer({ major: 18 })
  await server.psql('create role watcher login; grant pg_monitor to watcher')
  await using locker = await server.connect()
  await locker.query('begin; lock table pg_tablespace in access exclusive mode')
  const seen = new Map<string, number>()
  const one = collector(server, seen, 0)
  await one.tick(signal)
  assert.equal(seen.has('postgres_temp_in_flight_bytes'), false)
  assert.ok(seen.get('monitor_failing_probes')! >= 1)
  assert.ok(seen.has('postgres_wal_bytes'))
  await locker.query('rollback')
  await using active = await server.connect()
  const sleeping = active.query('select pg_sleep(600)').catch(() => {})
  const count = `select 1 from pg_stat_activity where state = 'active' and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()`
  while ((await server.psql(count)).length === 0);
  await one.tick(signal)
  assert.equal(seen.get('monitor_busy'), 1)
  await one.tick(signal)
  assert.equal(seen.has('postgres_commits'), false)
  assert.ok(seen.has('postgres_wal_bytes'))
  await server.psql(
    `select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()`,
  )
  await sleeping
})

void test('samples come back as values and rates, are forgotten in time and shown at /metrics', async () => {
  await using server = await startServer({ major: 15 })
  await using scratch = await scratchFolder()
  await using scope = new AsyncDisposableStack()
  const config = {
    control: { url: server.url },
    warehouses: { retail: { url: server.url } },
    monitor: { interval: '1s' },
  }
  const context = testContext({ home: scratch.path, rooms: [warehouseRoom, controlRoom, room], config }, scope)
  const store = new SampleStore(await context.use(controlDatabase))
  const start = Date.now() - 60_000
  const at = (seconds: number): Date => new Date(start + seconds * 1000)
  const values = [100, 200, 300, 50, 150]
  for (const [index, value] of values.entries()) {
    const samples = [{ key: 'c{a="1"}', value }]
    if (index % 2 === 0) samples.push({ key: 'other', value: index })
    await store.write('retail', at(index * 10), samples)
  }
  assert.deepEqual((await store.latest('retail'))?.values, { 'c{a="1"}': 150, other: 4 })
  assert.deepEqual(await store.keys('retail'), ['c{a="1"}', 'other'])
  const request = { warehouse: 'retail', keys: ['c{a="1"}', 'nosuch'], from: at(-5), to: at(60), stepMs: 1 }
  const raw = await store.series(request)
  assert.deepEqual(
    raw['c{a="1"}']?.map((point) => [point.at.getTime() - start, point.value]),
    values.map((value, index) => [index * 10_000, value]),
  )
  assert.deepEqual(raw['nosuch'], [])
  const rates = await store.series({ ...request, as: 'rate' })
  assert.deepEqual(
    rates['c{a="1"}']?.map((point) => point.value),
    [10, 10, 10],
  )
  await store.forget(at(15), signal)
  assert.equal((await store.series(request))['c{a="1"}']?.length, 3)

  const stop = new AbortController()
  const running = Promise.all(
    context
      .offers(daemons)
      .filter((one) => one.name === 'monitor')
      .map((one) => one.run(context, stop.signal, { announce: () => {}, hurry: stop.signal })),
  )
  const series = await context.use(monitorSeries)
  while ((await series.latest('retail'))?.values['monitor_up'] !== 1) await systemClock.sleep(50)
  const families = await context.offers(metricSources)[0]!.gather(context, signal)
  stop.abort()
  await running
  const up = families.find((family) => family.name === 'wharf_monitor_up')
  assert.deepEqual(up?.samples, [{ labels: { warehouse: 'retail' }, value: 1 }])
  assert.ok(families.find((family) => family.name === 'wharf_postgres_sessions')?.type === 'gauge')
})
