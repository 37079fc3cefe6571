// The time model: what a step of a recovery costs, and how sure that is. Everything is learned from the records that are handed in.
import { amountsOf, assumedRates } from './amounts.ts'
import { fitRates, timeOf, type Rates } from './fit.ts'
import { ASSUMED_FACTOR, biasOf, spreadOf, widened } from './intervals.ts'
import { measuredOf, stepErrors, totalErrors, type Measured, type Question } from './samples.ts'
import type { Basis, Prediction, RecoveryRecord, StepName, StepTime } from './times.ts'
import { usualMix, type WalMix } from './wal-mix.ts'

export interface StepEstimate {
  readonly step: StepName
  readonly bytes: number
  /** 0 where the step does not depend on bytes. */
  readonly bytesPerSecond: number
  readonly expectedMs: number
  /** 80 % interval. */
  readonly lowMs: number
  readonly highMs: number
  readonly basis: Basis
  readonly count?: number
  readonly kind?: string
  /** Of the step `replay`: what the WAL consists of, where that is known. */
  readonly wal?: WalMix
}

export interface StepQuestion extends Question {
  /** Files, indexes or loads, where the step has such a thing. */
  readonly count?: number | undefined
  readonly kind?: string | undefined
  readonly wal?: WalMix | undefined
}

/** Predicts one step. Without a measurement of it the first guess is given, and said to be one. */
export function estimateStep(step: StepName, bytes: number, asked: StepQuestion): StepEstimate {
  const measured = measuredOf(step, asked.kind, asked)
  const usual = usualMix(measured)
  const samples = measured.map((one) => ({ ...one, amounts: amountsOf(step, one, usual) }))
  const rates = fitRates(samples, assumedRates(step))
  const expectedMs = timeOf(rates, amountsOf(step, { ...asked, bytes }, usual))
  const basis = samples.length === 0 ? 'assumed' : 'measured'
  const spread =
    basis === 'assumed'
      ? { low: 1 / ASSUMED_FACTOR, high: ASSUMED_FACTOR }
      : widened(spreadOf(stepErrors(step, asked.kind, asked)), doublingsBeyond(measured, bytes))
  return {
    step,
    bytes,
    bytesPerSecond: speedOf(step, { bytes, expectedMs, rates }),
    expectedMs,
    lowMs: expectedMs * spread.low,
    highMs: expectedMs * spread.high,
    basis,
    ...(asked.count === undefined ? {} : { count: asked.count }),
    ...(asked.kind === undefined ? {} : { kind: asked.kind }),
    ...(asked.wal === undefined ? {} : { wal: asked.wal }),
  }
}

/** Of replay what comes out for this mix of WAL. */
function speedOf(step: StepName, of: { bytes: number; expectedMs: number; rates: Rates }): number {
  const { bytes, expectedMs, rates } = of
  const msPerByte = step === 'replay' ? (bytes === 0 ? 0 : (expectedMs - rates[0]!) / bytes) : rates[1]!
  return msPerByte > 0 ? 1000 / msPerByte : 0
}

function doublingsBeyond(samples: readonly Measured[], bytes: number): number {
  const largest = samples.reduce((most, one) => Math.max(most, one.bytes), 0)
  return bytes > largest && largest > 0 ? Math.log2(bytes / largest) : 0
}

export type Total = Required<Prediction>

/**
 * The whole of a recovery. With `asked` it is corrected by how far earlier sums were off, and so is its interval; without, steps are taken to err
 * independently.
 */
export function total(
  steps: readonly Pick<StepEstimate, 'expectedMs' | 'lowMs' | 'highMs' | 'basis'>[],
  asked?: Question,
): Total {
  const sum = steps.reduce((all, one) => all + one.expectedMs, 0)
  const basis = steps.every((one) => one.basis === 'measured') ? 'measured' : 'assumed'
  const errors = asked === undefined || basis === 'assumed' ? [] : totalErrors(asked)
  if (errors.length === 0) {
    const below = Math.hypot(...steps.map((one) => one.expectedMs - one.lowMs))
    const above = Math.hypot(...steps.map((one) => one.highMs - one.expectedMs))
    return { expectedMs: sum, lowMs: Math.max(0, sum - below), highMs: sum + above, basis }
  }
  const bias = biasOf(errors)
  const expectedMs = sum * Math.exp(bias)
  const spread = spreadOf(errors.map((one) => ({ ...one, value: one.value - bias })))
  return { expectedMs, lowMs: expectedMs * spread.low, highMs: expectedMs * spread.high, basis }
}

/** A record whose steps all carry a prediction: where no plan made one, what the model says before it has seen this record. */
export function withPredictions(record: RecoveryRecord, before: readonly RecoveryRecord[]): RecoveryRecord {
  const asked: Question = { ...record, records: before }
  const steps = record.steps.map((time): StepTime => {
    if (time.predicted !== undefined) return time
    const { expectedMs, lowMs, highMs, basis } = estimateStep(time.step, time.bytes, {
      ...asked,
      count: time.count,
      kind: time.kind,
      wal: time.wal,
    })
    return { ...time, predicted: { expectedMs, lowMs, highMs, basis } }
  })
  if (record.predicted !== undefined) return { ...record, steps }
  const sum = total(
    steps.map(({ predicted }) => ({ ...predicted!, basis: predicted!.basis ?? 'assumed' })),
    asked,
  )
  return { ...record, steps, predicted: sum }
}
