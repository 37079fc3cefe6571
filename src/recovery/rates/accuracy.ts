// Predictions against what happened (P7): how far off, how often within the interval, and where it was wrong.
import { weightedMedian } from './fit.ts'
import type { Prediction, RecoveryRecord, RecoveryWay, StepName } from './times.ts'
import { kindOf } from './wal-mix.ts'

/** One prediction that was put to the test. */
export interface Scored {
  readonly predicted: Prediction
  readonly measuredMs: number
}

export interface Score {
  readonly count: number
  /** Median of |measured − predicted| / measured; undefined for none. */
  readonly medianError: number | undefined
  /** Share that lay within its interval of 80 %; undefined for none. */
  readonly coverage: number | undefined
  /** Median of measured / predicted: above 1 it takes longer than is said. */
  readonly bias: number | undefined
  /** Medians. */
  readonly expectedMs: number | undefined
  readonly measuredMs: number | undefined
}

const nothing: Score = {
  count: 0,
  medianError: undefined,
  coverage: undefined,
  bias: undefined,
  expectedMs: undefined,
  measuredMs: undefined,
}

export function scoreOf(all: readonly Scored[]): Score {
  if (all.length === 0) return nothing
  const held = all.filter((one) => isWithin(one)).length
  return {
    count: all.length,
    medianError: median(all.map((one) => errorOf(one))),
    coverage: held / all.length,
    bias: median(all.map((one) => one.measuredMs / Math.max(1, one.predicted.expectedMs))),
    expectedMs: median(all.map((one) => one.predicted.expectedMs)),
    measuredMs: median(all.map((one) => one.measuredMs)),
  }
}

export function isWithin({ predicted, measuredMs }: Scored): boolean {
  return predicted.lowMs <= measuredMs && measuredMs <= predicted.highMs
}

export function errorOf({ predicted, measuredMs }: Scored): number {
  return Math.abs(measuredMs - predicted.expectedMs) / Math.max(1, measuredMs)
}

/** By the ratio: ten times the time is further off than half of it, though its error is smaller. */
function distanceOf({ predicted, measuredMs }: Scored): number {
  return Math.abs(Math.log(Math.max(1, measuredMs) / Math.max(1, predicted.expectedMs)))
}

function median(values: readonly number[]): number {
  return weightedMedian(values.map((value) => ({ value, weight: 1 })))
}

/** A recovery whose time was predicted. */
export interface ScoredRecovery extends Scored {
  readonly at: string
  readonly warehouse: string
  readonly way: RecoveryWay
  readonly backup: string
  /** The step that was off by the most time. */
  readonly step: StepName | undefined
}

export interface Accuracy {
  /** Whole recoveries whose prediction rested on measurements, and those that rested on first guesses. */
  readonly measured: Score
  readonly assumed: Score
  readonly ways: readonly (Score & { readonly way: RecoveryWay })[]
  readonly steps: readonly (Score & StepKind)[]
  /** Steps of which nothing but first guesses was put to the test. */
  readonly guessed: readonly (Score & StepKind)[]
  /** Furthest off first: what the model did not see coming. */
  readonly worst: readonly ScoredRecovery[]
  /** Newest first, those by first guesses as well. */
  readonly recoveries: readonly ScoredRecovery[]
}

export interface StepKind {
  readonly step: StepName
  readonly kind: string | undefined
}

const mostWorst = 5
const mostRecoveries = 200

export function accuracyOf(records: readonly RecoveryRecord[]): Accuracy {
  const whole = records.flatMap((record) => scoredOf(record))
  const measured = whole.filter((one) => rests(one))
  const ways = [...new Set(measured.map((one) => one.way))].toSorted()
  const steps = stepScores(records)
  return {
    measured: scoreOf(measured),
    assumed: scoreOf(whole.filter((one) => !rests(one))),
    ways: ways.map((way) => ({ way, ...scoreOf(measured.filter((one) => one.way === way)) })),
    steps: steps.flatMap(({ step, kind, scored }) => {
      const good = scored.filter((one) => rests(one))
      return good.length === 0 ? [] : [{ step, kind, ...scoreOf(good) }]
    }),
    guessed: steps
      .filter(({ scored }) => !scored.some((one) => rests(one)))
      .map(({ step, kind, scored }) => ({ step, kind, ...scoreOf(scored) })),
    worst: measured
      .filter((one) => !isWithin(one))
      .toSorted((a, b) => distanceOf(b) - distanceOf(a))
      .slice(0, mostWorst),
    recoveries: whole.toReversed().slice(0, mostRecoveries),
  }
}

/** On measurements, not on a first guess. */
function rests({ predicted }: Scored): boolean {
  return predicted.basis === 'measured'
}

function scoredOf(record: RecoveryRecord): readonly ScoredRecovery[] {
  const { predicted, at, warehouse, backup, durationMs, way = 'node' } = record
  if (predicted === undefined) return []
  return [{ predicted, measuredMs: durationMs, at, warehouse, way, backup, step: worstStep(record) }]
}

function stepScores(
  records: readonly RecoveryRecord[],
): readonly (StepKind & { readonly scored: readonly Scored[] })[] {
  const found = new Map<string, StepKind & { scored: Scored[] }>()
  for (const { steps } of records) {
    for (const { step, predicted, ms, ...size } of steps) {
      if (predicted === undefined) continue
      const kind = [size.kind, kindOf(size)].filter((one) => one !== undefined).join(', ') || undefined
      const key = `${step} ${kind ?? ''}`
      const known = found.get(key) ?? { step, kind, scored: [] }
      known.scored.push({ predicted, measuredMs: ms })
      found.set(key, known)
    }
  }
  return [...found.values()]
}

function worstStep({ steps }: RecoveryRecord): StepName | undefined {
  const off = (one: RecoveryRecord['steps'][number]): number =>
    one.predicted ? Math.abs(one.ms - one.predicted.expectedMs) : 0
  return steps.toSorted((a, b) => off(b) - off(a))[0]?.step
}
