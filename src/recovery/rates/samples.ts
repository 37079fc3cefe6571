// Which measurements have to do with a question, and how much: recent ones more than old ones, those of the same machine, repository, warehouse and
// kind of work more than others.
import type { Weighted } from './fit.ts'
import { logRatio } from './fit.ts'
import type { RecoveryRecord, RecoveryWay, StepName, StepTime } from './times.ts'
import type { WalMix } from './wal-mix.ts'

export interface Question {
  readonly records: readonly RecoveryRecord[]
  readonly warehouse: string
  readonly repository?: string | undefined
  readonly machine?: string | undefined
  readonly way?: RecoveryWay | undefined
}

const mostSamples = 80
/** After so many newer measurements one counts half. */
const HALF_LIFE = 20
/** What a measurement from elsewhere is worth: a vote, but not against several of one's own. */
const otherWarehouse = 0.3
const otherRepository = 0.3
const otherMachine = 0.1
const otherWay = 0.2
/** Of a step: part of a warehouse is recovered in a sandbox, where most of the WAL touches nothing. */
const otherExtent = 0.3
const otherKind = 0.05

function likeness(record: RecoveryRecord, asked: Question): number {
  const isOther = (one: string | undefined, wanted: string | undefined): boolean =>
    one !== undefined && wanted !== undefined && one !== wanted
  return (
    (record.warehouse === asked.warehouse ? 1 : otherWarehouse) *
    (isOther(extentOf(record.way ?? 'node'), asked.way && extentOf(asked.way)) ? otherExtent : 1) *
    (isOther(record.repository, asked.repository) ? otherRepository : 1) *
    (isOther(record.machine, asked.machine) ? otherMachine : 1)
  )
}

const wholeWays: ReadonlySet<RecoveryWay> = new Set(['node', 'in-place', 'drill', 'follow'])

function extentOf(way: RecoveryWay): string {
  return wholeWays.has(way) ? 'whole' : 'part'
}

interface Found {
  readonly time: StepTime
  readonly weight: number
}

function timesOf(step: StepName, kind: string | undefined, asked: Question): readonly Found[] {
  const found = asked.records.flatMap((record) =>
    record.steps
      .filter((time) => time.step === step)
      .map((time) => ({ time, weight: likeness(record, asked) * (time.kind === kind ? 1 : otherKind) })),
  )
  const newest = found.slice(-mostSamples)
  return newest.map((one, index) => ({ ...one, weight: one.weight * fading(newest.length - 1 - index) }))
}

function fading(newer: number): number {
  return 0.5 ** (newer / HALF_LIFE)
}

export interface Measured {
  readonly bytes: number
  readonly count: number
  readonly wal: WalMix | undefined
  readonly ms: number
  readonly weight: number
}

export function measuredOf(step: StepName, kind: string | undefined, asked: Question): readonly Measured[] {
  return timesOf(step, kind, asked).map(({ time, weight }) => ({
    bytes: time.bytes,
    count: time.count ?? 0,
    wal: time.wal,
    ms: time.ms,
    weight,
  }))
}

/** How far measured predictions of a step were off, as logarithms of measured / predicted. Assumed ones say nothing about the model. */
export function stepErrors(step: StepName, kind: string | undefined, asked: Question): readonly Weighted[] {
  return timesOf(step, kind, asked).flatMap(({ time, weight }) =>
    time.predicted?.basis === 'measured' ? [{ value: logRatio(time.ms, time.predicted.expectedMs), weight }] : [],
  )
}

/** The same of whole recoveries: against the sum of their steps' predictions, so that what a correction of the sum did does not come in twice. */
export function totalErrors(asked: Question): readonly Weighted[] {
  const scored = asked.records.filter(
    (record) => record.steps.length > 0 && record.steps.every((time) => time.predicted?.basis === 'measured'),
  )
  const newest = scored.slice(-mostSamples)
  return newest.map((record, index) => ({
    value: logRatio(
      record.durationMs,
      record.steps.reduce((sum, time) => sum + time.predicted!.expectedMs, 0),
    ),
    weight:
      likeness(record, asked) *
      ((record.way ?? 'node') === (asked.way ?? 'node') ? 1 : otherWay) *
      fading(newest.length - 1 - index),
  }))
}
