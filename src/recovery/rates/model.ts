// The time model: a step takes a fixed time and a time that grows with its bytes.
import { MIB } from '../../base/units.ts'
import type { RecoveryRecord, StepName, StepTime } from './times.ts'

export interface StepEstimate {
  readonly step: StepName
  readonly bytes: number
  readonly bytesPerSecond: number
  readonly expectedMs: number
  /** 80 % interval. */
  readonly lowMs: number
  readonly highMs: number
  readonly basis: 'measured' | 'assumed'
}

/** First guesses, on the slow side of one disk and two cores; used until a recovery was measured, and then only for `fixedMs`. */
const assumed: Readonly<Record<StepName, { readonly fixedMs: number; readonly bytesPerSecond: number }>> = {
  fetch: { fixedMs: 1000, bytesPerSecond: 120 * MIB },
  replay: { fixedMs: 1500, bytesPerSecond: 40 * MIB },
  start: { fixedMs: 3000, bytesPerSecond: Infinity },
  verify: { fixedMs: 1500, bytesPerSecond: 200 * MIB },
}
/** Without a measurement the truth is taken to lie within this factor. */
const assumedSpread = 3
const mostSamples = 20

/** Predicts one step from the newest measurements of the same step, those of the same warehouse first. */
export function estimateStep(
  step: StepName,
  bytes: number,
  options: { records: readonly RecoveryRecord[]; warehouse: string },
): StepEstimate {
  const samples = samplesOf(step, options)
  const { fixedMs } = assumed[step]
  const rate = samples.length === 0 ? assumed[step].bytesPerSecond : rateOf(samples, step)
  const expectedMs =
    step === 'start' && samples.length > 0 ? median(samples.map((one) => one.ms)) : fixedMs + timeFor(bytes, rate)
  const [low, high] =
    samples.length === 0 ? [1 / assumedSpread, assumedSpread] : spreadOf(samples, { rate, fixedMs, step })
  return {
    step,
    bytes,
    bytesPerSecond: Number.isFinite(rate) ? rate : 0,
    expectedMs,
    lowMs: expectedMs * low,
    highMs: expectedMs * high,
    basis: samples.length === 0 ? 'assumed' : 'measured',
  }
}

function samplesOf(
  step: StepName,
  options: { records: readonly RecoveryRecord[]; warehouse: string },
): readonly StepTime[] {
  const of = (records: readonly RecoveryRecord[]): readonly StepTime[] =>
    records.flatMap((one) => one.steps.filter((time) => time.step === step)).slice(-mostSamples)
  const own = of(options.records.filter((one) => one.warehouse === options.warehouse))
  return own.length > 0 ? own : of(options.records)
}

function timeFor(bytes: number, rate: number): number {
  return Number.isFinite(rate) && rate > 0 ? (bytes / rate) * 1000 : 0
}

/** Total bytes over total time: large recoveries count more than small ones, whose fixed time hides the rate. */
function rateOf(samples: readonly StepTime[], step: StepName): number {
  const { fixedMs, bytesPerSecond } = assumed[step]
  if (!Number.isFinite(bytesPerSecond)) return bytesPerSecond
  const bytes = samples.reduce((sum, one) => sum + one.bytes, 0)
  // A step shorter than the fixed time says nothing about the rate but that it is no lower than this.
  const ms = samples.reduce((sum, one) => sum + Math.max(one.ms - fixedMs, one.ms / 10, 1), 0)
  return bytes === 0 ? bytesPerSecond : (bytes / ms) * 1000
}

/** Factors to the 10th and 90th percentile of (measured / modelled), wider the fewer samples there are. */
function spreadOf(
  samples: readonly StepTime[],
  model: { rate: number; fixedMs: number; step: StepName },
): [number, number] {
  const middle = median(samples.map((one) => one.ms))
  const ratios = samples
    .map((one) => one.ms / (model.step === 'start' ? middle : model.fixedMs + timeFor(one.bytes, model.rate)))
    .sort((a, b) => a - b)
  const widen = 1 + 1 / Math.sqrt(samples.length)
  return [Math.min(1, quantile(ratios, 0.1)) / widen, Math.max(1, quantile(ratios, 0.9)) * widen]
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(share * (sorted.length - 1))))]!
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  )
}

/** Sums estimates. The interval adds in quadrature around the sum: steps err independently. */
export function total(steps: readonly StepEstimate[]): {
  expectedMs: number
  lowMs: number
  highMs: number
  basis: 'measured' | 'assumed'
} {
  const expectedMs = steps.reduce((sum, one) => sum + one.expectedMs, 0)
  const below = Math.hypot(...steps.map((one) => one.expectedMs - one.lowMs))
  const above = Math.hypot(...steps.map((one) => one.highMs - one.expectedMs))
  return {
    expectedMs,
    lowMs: Math.max(0, expectedMs - below),
    highMs: expectedMs + above,
    basis: steps.every((one) => one.basis === 'measured') ? 'measured' : 'assumed',
  }
}
