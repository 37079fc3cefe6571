// Intervals by the errors of past predictions (conformal): between the 10th and the 90th percentile of how far the model was off before. While
// there are few, imagined errors that are wider than usual stand beside them, so that the interval narrows only with proof.
import { weightedMedian, weightedQuantile, type Weighted } from './fit.ts'

/** Without any measurement the truth is taken to lie within this factor. */
export const ASSUMED_FACTOR = 3
/** Each counts so much of a measured one: more, and intervals stay wider than they need be for dozens of recoveries. */
const IMAGINED_WEIGHT = 0.2
const imagined: readonly Weighted[] = [1.25, 1.8].flatMap((factor) => [
  { value: Math.log(factor), weight: IMAGINED_WEIGHT },
  { value: -Math.log(factor), weight: IMAGINED_WEIGHT },
])
/** So much wider (as a share) for each doubling beyond the largest size that was measured. */
const WIDER_PER_DOUBLING = 0.12
/** Of a bias that was seen n times, n / (n + this) is taken out. */
const BIAS_DOUBT = 4

export interface Spread {
  /** Factor on the expectation. */
  readonly low: number
  readonly high: number
}

/** Around 1: `low` ≤ 1 ≤ `high`. */
export function spreadOf(errors: readonly Weighted[]): Spread {
  const all = [...errors, ...imagined]
  return {
    low: Math.min(1, Math.exp(weightedQuantile(all, 0.1))),
    high: Math.max(1, Math.exp(weightedQuantile(all, 0.9))),
  }
}

export function widened(spread: Spread, doublingsBeyond: number): Spread {
  const factor = 1 + WIDER_PER_DOUBLING * Math.max(0, doublingsBeyond)
  return { low: spread.low / factor, high: spread.high * factor }
}

/** How much predictions have been off to one side, as a logarithm, as far as it has been seen often enough. */
export function biasOf(errors: readonly Weighted[]): number {
  const weight = errors.reduce((sum, one) => sum + one.weight, 0)
  return weight === 0 ? 0 : weightedMedian(errors) * (weight / (weight + BIAS_DOUBT))
}
