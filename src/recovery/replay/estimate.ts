// How long a replay takes: as long as the loads took when they ran first, times what earlier replays have shown.
import type { KeptLoad } from '../../repository/contract.ts'
import type { RecoveryRecord, StepTime } from '../rates/times.ts'

export interface ReplayEstimate {
  readonly expectedMs: number
  /** 80 % interval. */
  readonly lowMs: number
  readonly highMs: number
  readonly basis: 'measured' | 'assumed'
  /** What the loads took when they ran first. */
  readonly firstMs: number
}

/** Connecting, looking at the databases, reading heads; of a busy machine. Who has done that already knows it. */
const FIXED_MS = 300
/** Transaction, record and first read of each load. */
const EACH_MS = 15
/**
 * Without a replay to learn from. Rows are neither looked for, parsed, checked nor kept again: copies of 75,000 to 185,000 rows took 0.09 to 0.2 of their first
 * time where they were added, 0.19 to 0.3 where they replaced what was there, on quiet and busy machines (`npm run accept -- replay-time`). SQL does again
 * what it did.
 */
const ASSUMED_FACTOR = { copy: 0.15, other: 1 } as const
const ASSUMED_SPREAD = 2
const MOST_SAMPLES = 20

type TimedLoad = Pick<KeptLoad, 'workMs'> & { readonly steps: readonly Pick<KeptLoad['steps'][number], 'kind'>[] }

export function estimateReplay(
  loads: readonly TimedLoad[],
  of: {
    readonly records: readonly RecoveryRecord[]
    readonly warehouse: string
    /** What it has taken up to now, where the replay has begun and is about to run the loads. */
    readonly soFarMs?: number
  },
): ReplayEstimate {
  const firstMs = loads.reduce((sum, one) => sum + one.workMs, 0)
  const factors = factorsOf(of)
  // Factors were found with the fixed time of every replay, and go with that one only.
  const fixedMs = fixedOf(loads.length, factors.length === 0 ? of.soFarMs : undefined)
  const middle = factors.length === 0 ? assumedFactor(loads, firstMs) : quantile(factors, 0.5)
  const widen = 1 + 1 / Math.sqrt(Math.max(1, factors.length))
  const low = factors.length === 0 ? middle / ASSUMED_SPREAD : quantile(factors, 0.1) / widen
  const high = factors.length === 0 ? middle * ASSUMED_SPREAD : quantile(factors, 0.9) * widen
  return {
    expectedMs: fixedMs + firstMs * middle,
    lowMs: fixedMs / 2 + firstMs * low,
    highMs: fixedMs * 2 + firstMs * high,
    basis: factors.length === 0 ? 'assumed' : 'measured',
    firstMs,
  }
}

function fixedOf(count: number, soFarMs = FIXED_MS): number {
  return count === 0 ? 0 : soFarMs + EACH_MS * count
}

function assumedFactor(loads: readonly TimedLoad[], firstMs: number): number {
  const again = loads.map(
    ({ workMs, steps }) => workMs * ASSUMED_FACTOR[steps.some((step) => step.kind === 'copy') ? 'copy' : 'other'],
  )
  return firstMs === 0 ? ASSUMED_FACTOR.other : again.reduce((sum, ms) => sum + ms, 0) / firstMs
}

/** Ascending. Own warehouse first; short ones say nothing but how long it takes to begin. */
function factorsOf(of: { readonly records: readonly RecoveryRecord[]; readonly warehouse: string }): readonly number[] {
  const own = samplesOf(of.records.filter((one) => one.warehouse === of.warehouse))
  const samples = own.length > 0 ? own : samplesOf(of.records)
  return samples
    .slice(-MOST_SAMPLES)
    .map((one) => Math.max(0.01, (one.ms - fixedOf(one.count ?? 0)) / one.basisMs!))
    .toSorted((a, b) => a - b)
}

function samplesOf(records: readonly RecoveryRecord[]): readonly StepTime[] {
  return records.flatMap((one) => one.steps).filter((one) => one.step === 'load' && (one.basisMs ?? 0) >= FIXED_MS)
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(share * (sorted.length - 1))))]!
}
