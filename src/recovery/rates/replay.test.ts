// Replay by kind of WAL: what the model makes of records that say what their WAL consisted of.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { seededRandom, type Random } from '../../base/random.ts'
import { MIB } from '../../base/units.ts'
import { amountsOf, assumedRates } from './amounts.ts'
import { timeOf, type Rates } from './fit.ts'
import { estimateStep, type StepEstimate } from './model.ts'
import type { RecoveryRecord } from './times.ts'
import { usualMix, type WalMix } from './wal-mix.ts'

interface Wal {
  readonly bytes: number
  readonly wal?: WalMix | undefined
}

const kinds = {
  bulk: (bytes: number): Wal => ({
    bytes,
    wal: { records: bytes / 6000, imageBytes: 0, voidBytes: 0, reads: bytes / 80_000 },
  }),
  images: (bytes: number): Wal => ({
    bytes,
    wal: { records: bytes / 4000, imageBytes: bytes * 0.9, voidBytes: 0, reads: bytes / 70_000 },
  }),
  small: (bytes: number): Wal => ({
    bytes,
    wal: { records: bytes / 110, imageBytes: 0, voidBytes: 0, reads: bytes / 9000 },
  }),
  scattered: (bytes: number): Wal => ({
    bytes,
    wal: { records: bytes / 140, imageBytes: 0, voidBytes: 0, reads: bytes / 200 },
  }),
  empty: (bytes: number): Wal => ({
    bytes,
    wal: { records: bytes / 50_000, imageBytes: bytes * 0.02, voidBytes: bytes * 0.95, reads: bytes / 200_000 },
  }),
} as const
const makers = Object.values(kinds)

function record({ bytes, wal }: Wal, ms: number): RecoveryRecord {
  return {
    at: '2026-11-20T14:05:00Z',
    warehouse: 'retail',
    backup: 'b',
    target: 'latest',
    verified: true,
    durationMs: ms,
    steps: [{ step: 'replay', bytes, ms, ...(wal === undefined ? {} : { wal }) }],
  }
}

function predict(of: Wal, records: readonly RecoveryRecord[]): StepEstimate {
  return estimateStep('replay', of.bytes, { records, warehouse: 'retail', wal: of.wal })
}

function truthOf(rates: Rates): (of: Wal) => number {
  return (of) => timeOf(rates, amountsOf('replay', of, usualMix([])))
}

/** Parts of several kinds, as a day has them. */
function mixed(random: Random): Wal {
  const parts = makers.map((make) => make(random.integer(3) === 0 ? (1 + random.integer(400)) * MIB : 0))
  const some = parts.some((one) => one.bytes > 0) ? parts : [kinds.small(50 * MIB)]
  const sum = (of: (one: Wal) => number): number => some.reduce((all, one) => all + of(one), 0)
  const wal = {
    records: sum((one) => one.wal!.records),
    imageBytes: sum((one) => one.wal!.imageBytes),
    voidBytes: sum((one) => one.wal!.voidBytes),
    reads: sum((one) => one.wal!.reads),
  }
  return { bytes: sum((one) => one.bytes), wal }
}

test('what each kind of WAL costs is found again, where their proportions are others than was guessed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 6, maxLength: 6 }),
      fc.integer(),
      (powers, seed) => {
        const random = seededRandom(seed)
        const truth = truthOf(assumedRates('replay').map((rate, n) => rate * 2 ** powers[n]!))
        const records = Array.from({ length: 40 }, () => mixed(random)).map((one) => record(one, truth(one)))
        for (const make of makers) {
          const asked = make(300 * MIB)
          const { expectedMs, basis } = predict(asked, records)
          assert.equal(basis, 'measured')
          assert.ok(Math.abs(Math.log(expectedMs / truth(asked))) < 0.25, `${expectedMs} of ${truth(asked)}`)
        }
      },
    ),
    { numRuns: 12, seed: 20261129 },
  )
})

test('a kind that was never measured is taken to cost what it was guessed to, beside what was measured', () => {
  const guess = truthOf(assumedRates('replay'))
  const records = Array.from({ length: 12 }, (_, n) => kinds.bulk((n + 1) * 50 * MIB)).map((one) =>
    record(one, guess(one) / 3),
  )
  for (const make of makers) {
    const asked = make(400 * MIB)
    const ratio = predict(asked, records).expectedMs / (guess(asked) / 3)
    assert.ok(ratio > 0.8 && ratio < 1.25, String(ratio))
  }
})

test('more WAL of any kind never takes less time', () => {
  const amounts = fc.record({
    bytes: fc.integer({ min: 0, max: 1e10 }),
    records: fc.integer({ min: 0, max: 1e8 }),
    reads: fc.integer({ min: 0, max: 1e7 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  const walOf = ({
    bytes,
    records,
    reads,
    part,
  }: {
    bytes: number
    records: number
    reads: number
    part: number
  }): Wal => ({
    bytes,
    wal: { records, reads, imageBytes: 0, voidBytes: bytes * part },
  })
  const measured = fc.array(fc.tuple(amounts, fc.boolean(), fc.integer({ min: 0, max: 1e7 })), { maxLength: 8 })
  fc.assert(
    fc.property(measured, amounts, amounts, (times, one, more) => {
      const records = times.map(([size, isKnown, ms]) => record(isKnown ? walOf(size) : { bytes: size.bytes }, ms))
      const [a, b] = [walOf(one), walOf(more)]
      const add = (key: keyof WalMix): number => a.wal![key] + b.wal![key]
      const both = {
        bytes: a.bytes + b.bytes,
        wal: { records: add('records'), reads: add('reads'), imageBytes: 0, voidBytes: add('voidBytes') },
      }
      const [less, greater] = [predict(a, records), predict(both, records)]
      assert.ok(less.expectedMs <= greater.expectedMs * (1 + 1e-9))
      assert.ok(Number.isFinite(greater.highMs) && greater.lowMs <= greater.expectedMs)
      assert.ok(
        predict({ bytes: one.bytes }, records).expectedMs <=
          predict({ bytes: one.bytes + more.bytes }, records).expectedMs * (1 + 1e-9),
      )
    }),
    { numRuns: 30, seed: 20261129 },
  )
})

test('measurements that do not tell the kind still count, as the usual mix', () => {
  const old = Array.from({ length: 20 }, (_, n) => record({ bytes: (n + 1) * 40 * MIB }, 1000 + (n + 1) * 2000))
  const asked = { bytes: 400 * MIB }
  const { expectedMs } = predict(asked, old)
  assert.ok(Math.abs(Math.log(expectedMs / 21_000)) < 0.1, String(expectedMs))
  // Of what is known the kind tells: as much WAL of small changes takes longer than of long records.
  assert.ok(predict(kinds.small(400 * MIB), old).expectedMs > 2 * predict(kinds.bulk(400 * MIB), old).expectedMs)
})
