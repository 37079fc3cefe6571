import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { seededRandom } from '../../base/random.ts'
import { GIB, MIB } from '../../base/units.ts'
import { estimateStep, total, withPredictions } from './model.ts'
import { stepNames, type RecoveryRecord, type StepName } from './times.ts'

interface Made {
  readonly warehouse?: string
  readonly step?: StepName
  readonly count?: number
  readonly kind?: string
  readonly machine?: string
}

function record(bytes: number, ms: number, made: Made = {}): RecoveryRecord {
  const { count, kind, machine, step = 'fetch', warehouse = 'retail' } = made
  return {
    at: '2026-11-20T14:05:00Z',
    warehouse,
    backup: 'b',
    target: 'latest',
    verified: true,
    durationMs: ms,
    ...(machine === undefined ? {} : { machine }),
    steps: [{ step, bytes, ms, ...(count === undefined ? {} : { count }), ...(kind === undefined ? {} : { kind }) }],
  }
}

/** Each with the prediction of a model that knew those before it: as recoveries leave them behind. */
function history(records: readonly RecoveryRecord[]): readonly RecoveryRecord[] {
  const made: RecoveryRecord[] = []
  for (const one of records) made.push(withPredictions(one, made))
  return made
}

const asked = (records: readonly RecoveryRecord[]) => ({ records, warehouse: 'retail' })

test('without a measurement the first guess is named as assumed, with a wide interval', () => {
  const one = estimateStep('fetch', 1200 * MIB, asked([]))
  assert.equal(one.basis, 'assumed')
  assert.equal(Math.round(one.expectedMs), 10_400)
  assert.deepEqual([Math.round(one.lowMs), Math.round(one.highMs)], [3467, 31_200])
})

test('one measurement is believed, and one of the same warehouse more than one of another', () => {
  const records = [record(1000 * MIB, 6000), record(1000 * MIB, 101_000, { warehouse: 'other' })]
  const own = estimateStep('fetch', 1000 * MIB, asked(records))
  assert.equal(own.basis, 'measured')
  assert.ok(Math.abs(own.expectedMs / 6000 - 1) < 0.05, String(own.expectedMs))
  const foreign = estimateStep('fetch', 1000 * MIB, asked(records.slice(1)))
  assert.ok(Math.abs(foreign.expectedMs / 101_000 - 1) < 0.05, String(foreign.expectedMs))
})

test('measurements of this machine outweigh many of another', () => {
  const records = [
    ...Array.from({ length: 6 }, () => record(GIB, 60_000, { machine: 'old' })),
    record(GIB, 10_000, { machine: 'new' }),
  ]
  const one = estimateStep('fetch', GIB, { ...asked(records), machine: 'new' })
  assert.ok(Math.abs(one.expectedMs / 10_000 - 1) < 0.1, String(one.expectedMs))
})

test('one kind of work says little of another', () => {
  const records = [
    record(GIB, 90_000, { step: 'verify', kind: 'full' }),
    record(GIB, 5000, { step: 'verify', kind: 'checksums' }),
  ]
  const one = estimateStep('verify', GIB, { ...asked(records), kind: 'checksums' })
  assert.ok(Math.abs(one.expectedMs / 5000 - 1) < 0.1, String(one.expectedMs))
})

const sizes = fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 12, maxLength: 40 })

test('a cost that is fixed plus per byte plus per file is found again, beyond the sizes that were seen too', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.record({
        fixedMs: fc.integer({ min: 50, max: 20_000 }),
        megabytesPerSecond: fc.integer({ min: 5, max: 3000 }),
        msPerFile: fc.integer({ min: 0, max: 5 }),
        seed: fc.integer(),
      }),
      (megabytes, { fixedMs, megabytesPerSecond, msPerFile, seed }) => {
        const random = seededRandom(seed)
        const truth = (size: number, files: number) => fixedMs + (size / megabytesPerSecond) * 1000 + files * msPerFile
        const records = megabytes.map((size) => {
          const count = random.integer(3000)
          return record(size * MIB, truth(size, count), { count })
        })
        const [size, count] = [Math.max(...megabytes), 1500]
        const one = estimateStep('fetch', size * MIB, { ...asked(records), count })
        assert.ok(
          Math.abs(Math.log(one.expectedMs / truth(size, count))) < 0.12,
          `${one.expectedMs} of ${truth(size, count)}`,
        )
      },
    ),
    { numRuns: 60, seed: 20261129 },
  )
})

test('every fifth measurement may be ten times off and the prediction stays', () => {
  fc.assert(
    fc.property(fc.integer({ min: 5, max: 500 }), fc.boolean(), fc.integer(), (rate, isSlow, seed) => {
      const random = seededRandom(seed)
      const records = Array.from({ length: 30 }, (_, index) => {
        const size = 100 + random.integer(3000)
        const ms = 500 + (size / rate) * 1000
        return record(size * MIB, index % 5 === 2 ? ms * (isSlow ? 10 : 0.1) : ms)
      })
      const truth = 500 + (1500 / rate) * 1000
      const one = estimateStep('fetch', 1500 * MIB, asked(records))
      assert.ok(Math.abs(Math.log(one.expectedMs / truth)) < 0.15, `${one.expectedMs} of ${truth}`)
    }),
    { numRuns: 40, seed: 20261129 },
  )
})

test('more bytes never take less time, and an interval holds its expectation', () => {
  const made = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 1e12 }), fc.integer({ min: 0, max: 1e8 }), fc.integer({ min: 0, max: 1e5 })),
    { maxLength: 15 },
  )
  fc.assert(
    fc.property(made, fc.constantFrom(...stepNames), fc.integer({ min: 0, max: 1e12 }), (times, step, bytes) => {
      const records = history(times.map(([size, ms, count]) => record(size, ms, { count, step })))
      const smaller = estimateStep(step, bytes, asked(records))
      const larger = estimateStep(step, bytes * 2 + 1, asked(records))
      assert.ok(smaller.expectedMs <= larger.expectedMs)
      const sum = total([smaller, larger], asked(records))
      for (const one of [smaller, larger, sum]) {
        assert.ok(
          0 <= one.lowMs && one.lowMs <= one.expectedMs && one.expectedMs <= one.highMs && Number.isFinite(one.highMs),
        )
      }
    }),
    { numRuns: 60, seed: 20261129 },
  )
})

test('an interval of 80 % holds about 80 %, whatever the noise', () => {
  for (const spread of [0.1, 0.4, 0.8]) {
    const random = seededRandom(Math.round(spread * 1000))
    const noise = () => Math.exp(spread * (random.integer(1000) / 500 - 1))
    const records = history(
      Array.from({ length: 250 }, () => {
        const size = 50 + random.integer(4000)
        return record(size * MIB, (700 + (size / 150) * 1000) * noise())
      }),
    )
    const scored = records.slice(50)
    const held = scored.filter(
      ({ durationMs, predicted }) => predicted!.lowMs <= durationMs && durationMs <= predicted!.highMs,
    )
    const share = held.length / scored.length
    assert.ok(share > 0.7 && share < 0.9, `${share} with noise ${spread}`)
  }
})

test('a machine that has become slower is believed after a few recoveries', () => {
  const fast = Array.from({ length: 40 }, () => record(GIB, 10_000))
  const slow = Array.from({ length: 20 }, () => record(GIB, 30_000))
  const one = estimateStep('fetch', GIB, asked(history([...fast, ...slow])))
  assert.ok(one.expectedMs > 25_000, String(one.expectedMs))
})

test('what no step accounts for is learned from the sums, and not twice', () => {
  // The steps are predicted rightly; the whole takes 1.5 times their sum.
  const records = history(Array.from({ length: 40 }, () => ({ ...record(GIB, 10_000), durationMs: 15_000 })))
  const step = estimateStep('fetch', GIB, asked(records))
  assert.ok(Math.abs(step.expectedMs / 10_000 - 1) < 0.05)
  const sum = total([step], asked(records))
  assert.ok(Math.abs(sum.expectedMs / 15_000 - 1) < 0.1, String(sum.expectedMs))
})

test('the interval narrows with more measurements and widens beyond the sizes that were seen', () => {
  const few = estimateStep('fetch', GIB, asked(history([record(GIB, 6000)])))
  const many = history(Array.from({ length: 30 }, () => record(GIB, 6000)))
  const near = estimateStep('fetch', GIB, asked(many))
  const far = estimateStep('fetch', 64 * GIB, asked(many))
  const width = (one: { lowMs: number; highMs: number }) => Math.log(one.highMs / one.lowMs)
  assert.ok(width(near) < width(few))
  assert.ok(width(far) > width(near) + 0.5)
})

test('a sum is assumed as long as one of its steps is', () => {
  const records = [record(1000 * MIB, 6000)]
  const fetch = estimateStep('fetch', MIB, asked(records))
  const replay = estimateStep('replay', MIB, asked(records))
  const sum = total([fetch, replay], asked(records))
  assert.equal(sum.basis, 'assumed')
  assert.equal(sum.expectedMs, fetch.expectedMs + replay.expectedMs)
})
