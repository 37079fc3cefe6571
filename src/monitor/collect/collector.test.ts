// The collector's rules in time, with a clock and a server of the test's own.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Clock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import type { Session, Warehouse } from '../../warehouse/contract.ts'
import type { Probe, Sample } from '../contract.ts'
import { Collector } from './collector.ts'

/** Time that passes only when somebody sleeps; a query can make it pass too. */
class HandClock implements Clock {
  time = 0
  readonly slept: number[] = []
  now(): number {
    return this.time
  }
  monotonic(): number {
    return this.time
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason as Error)
    this.slept.push(ms)
    this.time += ms
    return Promise.resolve()
  }
}

interface Scene {
  readonly clock: HandClock
  readonly stop: AbortController
  readonly asked: string[]
  readonly written: (readonly Sample[])[]
  readonly collector: Collector
}

function scene(
  answer: (sql: string, clock: HandClock) => Record<string, unknown>[],
  connect?: () => void,
  ticks = 5,
): Scene {
  const clock = new HandClock()
  const stop = new AbortController()
  const asked: string[] = []
  const written: (readonly Sample[])[] = []
  const session = {
    query: (sql: string) => {
      if (sql.includes('server_version_num')) return Promise.resolve([{ version: 18 }])
      asked.push(sql)
      return Promise.resolve().then(() => answer(sql, clock))
    },
    close: () => Promise.resolve(),
  } as unknown as Session
  const warehouse = {
    declaration: { name: 'w' },
    connect: () => Promise.resolve().then(() => (connect?.(), session)),
  } as unknown as Warehouse
  const write = (_at: Date, samples: readonly Sample[]): Promise<void> => {
    written.push(samples)
    if (written.length === ticks) stop.abort()
    return Promise.resolve()
  }
  const parts = { warehouse, clock, log: silentLog, write, intervalMs: 10_000, busySessions: 64 }
  return { clock, stop, asked, written, collector: new Collector({ ...parts, probes: [probe('a'), probe('b')] }) }
}

const probe = (name: string): Probe => ({
  name,
  lane: 'fast',
  sql: { 15: name },
  labels: [],
  metrics: { n: { name, type: 'gauge', help: name } },
})

const value = (samples: readonly Sample[] | undefined, key: string): number | undefined =>
  samples?.find((one) => one.key === key)?.value

test('ticks come every interval', async () => {
  const { collector, clock, stop, written } = scene(() => [{ n: 1 }])
  await collector.run(stop.signal)
  assert.deepEqual(clock.slept, [10_000, 10_000, 10_000, 10_000])
  assert.equal(value(written[4], 'monitor_skipped_ticks'), 0)
  assert.equal(value(written[4], 'a'), 1)
})

test('a slow tick leaves out what it covered, and stops at its deadline', async () => {
  const { collector, clock, stop, written, asked } = scene((_sql, clock) => {
    clock.time += 25_000
    return [{ n: 1 }]
  })
  await collector.run(stop.signal)
  assert.deepEqual(clock.slept, [5000, 5000, 5000, 5000])
  assert.equal(value(written[4], 'monitor_skipped_ticks'), 8)
  assert.equal(value(written[0], 'monitor_tick_milliseconds'), 25_000)
  assert.deepEqual(new Set(asked), new Set(['a']), 'the second probe had no time left')
})

test('a probe that fails is asked less and less often, the others go on', async () => {
  const { collector, stop, asked, written } = scene(
    (sql) => {
      if (sql === 'a') throw new Error('canceling statement due to lock timeout')
      return [{ n: 1 }]
    },
    undefined,
    12,
  )
  await collector.run(stop.signal)
  assert.equal(asked.filter((sql) => sql === 'b').length, 12)
  // Ticks 1, 4 and 9: pauses of 2, then 4, then 8.
  assert.equal(asked.filter((sql) => sql === 'a').length, 3)
  assert.equal(value(written[0], 'monitor_failing_probes'), 1)
})

test('a node that cannot be reached is asked less and less often, at least every five minutes', async () => {
  const { collector, clock, stop, written } = scene(
    () => [],
    () => {
      throw new Error('connection refused')
    },
    9,
  )
  await collector.run(stop.signal)
  assert.deepEqual(clock.slept, [20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000, 300_000])
  assert.equal(value(written[8], 'monitor_up'), 0)
  assert.equal(value(written[8], 'monitor_failed_ticks'), 9)
})
