// Predictions against what happened (P7): how far off, how often within the interval, and where it was wrong.
import { weightedMedian } from './fit.ts'
import type { Prediction, RecoveryRecord } from './times.ts'
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
}

export function scoreOf(all: readonly Scored[]): Score {
  if (all.length === 0) return { count: 0, medianError: undefined, coverage: undefined, bias: undefined }
  const held = all.filter((one) => isWithin(one)).length
  return {
    count: all.length,
    medianError: median(all.map((one) => errorOf(one))),
    coverage: held / all.length,
    bias: median(all.map((one) => one.measuredMs / Math.max(1, one.predicted.expectedMs))),
  }
}

export function isWithin({ predicted, measuredMs }: Scored): boolean {
  return predicted.lowMs <= measuredMs && measuredMs <= predicted.highMs
}

export function errorOf({ predicted, measuredMs }: Scored): number {
  return Math.abs(measuredMs - predicted.expectedMs) / Math.max(1, measuredMs)
}

function median(values: readonly number[]): number {
  return weightedMedian(values.map((value) => ({ value, weight: 1 })))
}

export interface Accuracy {
  /** Whole recoveries whose prediction rested on measurements, and those that rested on first guesses. */
  readonly measured: Score
  readonly assumed: Score
  readonly ways: readonly (Score & { readonly way: string })[]
  readonly steps: readonly (Score & { readonly step: string; readonly kind: string | undefined })[]
  /** Furthest off first: what the model did not see coming. */
  readonly worst: readonly (Scored & {
    readonly at: string
    readonly way: string
    readonly backup: string
    /** The step that was off by the most time. */
    readonly step: string | undefined
  })[]
}

const mostWorst = 5

export function accuracyOf(records: readonly RecoveryRecord[]): Accuracy {
  const whole = records.flatMap((record) =>
    record.predicted === undefined
      ? []
      : [{ record, scored: { predicted: record.predicted, measuredMs: record.durationMs } }],
  )
  const measured = whole.filter(({ record }) => record.predicted!.basis === 'measured')
  const ways = [...new Set(measured.map(({ record }) => record.way ?? 'node'))].toSorted()
  return {
    measured: scoreOf(measured.map((one) => one.scored)),
    assumed: scoreOf(whole.filter((one) => !measured.includes(one)).map((one) => one.scored)),
    ways: ways.map((way) => ({
      way,
      ...scoreOf(measured.filter(({ record }) => (record.way ?? 'node') === way).map((one) => one.scored)),
    })),
    steps: stepScores(records),
    worst: measured
      .filter(({ scored }) => !isWithin(scored))
      .toSorted((a, b) => errorOf(b.scored) - errorOf(a.scored))
      .slice(0, mostWorst)
      .map(({ record, scored }) => ({
        ...scored,
        at: record.at,
        way: record.way ?? 'node',
        backup: record.backup,
        step: worstStep(record),
      })),
  }
}

function stepScores(records: readonly RecoveryRecord[]): Accuracy['steps'] {
  const found = new Map<string, { step: string; kind: string | undefined; scored: Scored[] }>()
  for (const { steps } of records) {
    for (const { step, predicted, ms, ...size } of steps) {
      if (predicted?.basis !== 'measured') continue
      const kind = [size.kind, kindOf(size)].filter((one) => one !== undefined).join(', ') || undefined
      const key = `${step} ${kind ?? ''}`
      const known = found.get(key) ?? { step, kind, scored: [] }
      known.scored.push({ predicted, measuredMs: ms })
      found.set(key, known)
    }
  }
  return [...found.values()].map(({ step, kind, scored }) => ({ step, kind, ...scoreOf(scored) }))
}

function worstStep({ steps }: RecoveryRecord): string | undefined {
  const off = (one: RecoveryRecord['steps'][number]): number =>
    one.predicted ? Math.abs(one.ms - one.predicted.expectedMs) : 0
  return steps.toSorted((a, b) => off(b) - off(a))[0]?.step
}
