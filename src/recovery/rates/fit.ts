// Fits the cost of a step to what was measured. Errors count by their ratio (a prediction of twice the time is as bad as one of half), and far
// ones hardly more than near ones, so that one recovery beside a busy load does not spoil the rest.

/** How much there was of everything that takes time: first 1, for the time that it takes in any case. */
export type Amounts = readonly number[]
/** Milliseconds for each, in the same order. */
export type Rates = readonly number[]

/** One measurement; `weight` says how much it has to do with what is asked. */
export interface Sample {
  readonly amounts: Amounts
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

export function timeOf(rates: Rates, amounts: Amounts): number {
  let sum = 0
  for (let n = 0; n < rates.length; n++) sum += rates[n]! * (amounts[n] ?? 0)
  return sum
}

/** The first guess, scaled to the measurements and then bent to them. What no measurement had any of keeps its proportion to the rest. */
export function fitRates(samples: readonly Sample[], first: Rates): Rates {
  const useful = samples.filter((one) => one.weight > 0)
  if (useful.length === 0) return first
  const scale = weightedMedian(
    useful.map((one) => ({
      value: Math.max(one.ms, LEAST_MS) / Math.max(timeOf(first, one.amounts), LEAST_MS),
      weight: one.weight,
    })),
  )
  return bend(
    useful,
    first.map((rate) => rate * scale),
  )
}

/** Powers of a factor, one for each rate: one up or down, and one up while another goes down. A fixed time that was too short hides in a rate that is too low. */
function movesOf(size: number): readonly (readonly number[])[] {
  const moves: number[][] = []
  for (let up = 0; up < size; up++) {
    for (let down = up; down < size; down++) {
      const one = Array.from({ length: size }, (_, n) => (n === up ? 1 : n === down ? -1 : 0))
      moves.push(
        one,
        one.map((power) => 0 - power),
      )
    }
  }
  return moves
}

/** Where the search begins: the shape may be another one altogether. */
const coarseSteps = [1 / 30, 1 / 6, 1, 6, 30]
const fewerSteps = [1 / 12, 1, 12]

function coarseOf(size: number): readonly Rates[] {
  const steps = size > 3 ? fewerSteps : coarseSteps
  let all: Rates[] = [[]]
  for (let n = 0; n < size; n++) all = all.flatMap((one) => steps.map((step) => [...one, step]))
  return all
}

function bend(samples: readonly Sample[], start: Rates): Rates {
  const size = start.length
  let best: Rates = start.map(() => 1)
  let bestError = errorOf(samples, start, best)
  for (const one of coarseOf(size)) {
    const error = errorOf(samples, start, one)
    if (error >= bestError) continue
    best = one
    bestError = error
  }
  const moves = movesOf(size)
  for (const factor of factors) {
    for (let round = 0, better = true; better && round < mostRounds; round++) {
      better = false
      for (const move of moves) {
        const next = best.map((one, index) => one * factor ** move[index]!)
        const error = errorOf(samples, start, next)
        if (error >= bestError - 1e-9) continue
        best = next
        bestError = error
        better = true
      }
    }
  }
  return start.map((rate, index) => rate * best[index]!)
}

function errorOf(samples: readonly Sample[], start: Rates, by: Rates): number {
  const rates = start.map((rate, index) => rate * by[index]!)
  let sum = 0
  for (const one of samples) sum += one.weight * bent(logRatio(one.ms, timeOf(rates, one.amounts)))
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
