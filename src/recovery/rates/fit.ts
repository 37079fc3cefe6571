// Fits the cost of a step to what was measured. Errors count by their ratio (a prediction of twice the time is as bad as one of half), and far
// ones hardly more than near ones, so that one recovery beside a busy load does not spoil the rest.
import type { StepCost } from './assumed.ts'

/** One measurement; `weight` says how much it has to do with what is asked. */
export interface Sample {
  readonly bytes: number
  readonly count: number
  readonly ms: number
  readonly weight: number
}

/** Below this all times are alike: the clock and the scheduler decide. */
export const LEAST_MS = 5
/** Errors within this (5 %) count by their square, larger ones by their size. */
const BEND = 0.05
/** Leaving the shape of the first guess by a factor of e costs as much as an error of that factor in so much of one measurement. */
const SHAPE_WEIGHT = 0.15
const factors = [3, 1.6, 1.25, 1.08, 1.02]
const mostRounds = 40

export function timeOf(cost: StepCost, bytes: number, count: number): number {
  return cost.fixedMs + bytes * cost.msPerByte + count * cost.msPerCount
}

/** The first guess, scaled to the measurements and then bent to them. */
export function fitCost(samples: readonly Sample[], first: StepCost): StepCost {
  const useful = samples.filter((one) => one.weight > 0)
  if (useful.length === 0) return first
  const scale = weightedMedian(
    useful.map((one) => ({
      value: Math.max(one.ms, LEAST_MS) / Math.max(timeOf(first, one.bytes, one.count), LEAST_MS),
      weight: one.weight,
    })),
  )
  return bend(useful, multiply(first, [scale, scale, scale]))
}

type Factors = readonly [number, number, number]

function multiply(cost: StepCost, by: Factors): StepCost {
  return {
    fixedMs: cost.fixedMs * by[0],
    msPerByte: cost.msPerByte * by[1],
    msPerCount: cost.msPerCount * by[2],
  }
}

/** One up, one down, and one up while another goes down: a fixed time that was too short hides in a rate that is too low. */
const moves: readonly Factors[] = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
  [1, -1, 0],
  [1, 0, -1],
  [0, 1, -1],
].flatMap(([a, b, c]): Factors[] => [
  [a!, b!, c!],
  [-a!, -b!, -c!],
])

const noFactors: Factors = [1, 1, 1]
/** Where the search begins: the shape may be another one altogether. */
const coarseSteps = [1 / 30, 1 / 6, 1, 6, 30]
const coarse = coarseSteps.flatMap((a) => coarseSteps.flatMap((b) => coarseSteps.map((c): Factors => [a, b, c])))

function bend(samples: readonly Sample[], start: StepCost): StepCost {
  let best = noFactors
  let bestError = errorOf(samples, start, best)
  for (const one of coarse) {
    const error = errorOf(samples, start, one)
    if (error >= bestError) continue
    best = one
    bestError = error
  }
  for (const factor of factors) {
    for (let round = 0, better = true; better && round < mostRounds; round++) {
      better = false
      for (const move of moves) {
        const next = best.map((one, index) => one * factor ** move[index]!) as unknown as Factors
        const error = errorOf(samples, start, next)
        if (error >= bestError - 1e-9) continue
        best = next
        bestError = error
        better = true
      }
    }
  }
  return multiply(start, best)
}

function errorOf(samples: readonly Sample[], start: StepCost, by: Factors): number {
  const cost = multiply(start, by)
  let sum = 0
  for (const one of samples) sum += one.weight * bent(logRatio(one.ms, timeOf(cost, one.bytes, one.count)))
  for (const factor of by) sum += SHAPE_WEIGHT * Math.abs(Math.log(factor))
  return sum
}

export function logRatio(measuredMs: number, modelledMs: number): number {
  return Math.log(Math.max(measuredMs, LEAST_MS) / Math.max(modelledMs, LEAST_MS))
}

function bent(error: number): number {
  return Math.sqrt(error * error + BEND * BEND) - BEND
}

export interface Weighted {
  readonly value: number
  readonly weight: number
}

export function weightedMedian(values: readonly Weighted[]): number {
  return weightedQuantile(values, 0.5)
}

/** The smallest value up to which `share` of the weight lies. NaN for none. */
export function weightedQuantile(values: readonly Weighted[], share: number): number {
  const sorted = values.toSorted((a, b) => a.value - b.value)
  const whole = sorted.reduce((sum, one) => sum + one.weight, 0)
  let below = 0
  for (const one of sorted) {
    below += one.weight
    if (below >= whole * share - 1e-12) return one.value
  }
  return sorted.at(-1)?.value ?? Number.NaN
}
