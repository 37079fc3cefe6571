// When each tier is back: the critical one first where that was asked for, else with everything.
import { formatDuration, formatSize } from '../../base/units.ts'
import { criticalSteps, criticalTime, inTurn } from '../rates/critical-steps.ts'
import type { StepEstimate, Total } from '../rates/model.ts'
import type { CriticalPart } from '../critical/choice.ts'
import { keeps } from '../sandbox/choice.ts'
import type { PlanParts } from './plan.ts'
import { spanText } from './span-text.ts'
import { questionOf } from './steps.ts'

export interface TierTime extends Total {
  readonly tier: 'critical' | 'standard'
  /** What is restored until it can be read. `standard` is everything. */
  readonly bytes: number
  /** Tables and materialised views; undefined for everything. */
  readonly relations?: number
  /** Of the sandbox, where the critical tier comes first. */
  readonly steps?: readonly Omit<StepEstimate, 'bytesPerSecond'>[]
}

/** Undefined where no table of the backup is critical, or all are. */
export function tiersOf(parts: PlanParts, whole: { bytes: number; time: Total }): readonly TierTime[] | undefined {
  const { critical, criticalFirst } = parts
  if (!critical) return undefined
  const relations = critical.names.length
  const everything = { tier: 'standard' as const, bytes: whole.bytes }
  if (!criticalFirst)
    return [
      { tier: 'critical', bytes: whole.bytes, relations, ...whole.time },
      { ...everything, ...whole.time },
    ]
  const { steps, time } = firstOf(parts, critical)
  return [
    {
      tier: 'critical',
      bytes: critical.choice.keptBytes,
      relations,
      ...time,
      steps: steps.map(planned),
    },
    { ...everything, ...inTurn(time, whole.time) },
  ]
}

function planned(step: StepEstimate): Omit<StepEstimate, 'bytesPerSecond'> {
  const { bytesPerSecond: _, ...rest } = step
  return rest
}

function firstOf(parts: PlanParts, part: CriticalPart): { steps: readonly StepEstimate[]; time: Total } {
  const { manifest } = part.choice
  const size = {
    bytes: part.choice.keptBytes,
    files: manifest.files.length,
    walBytes: Number(parts.resolved.stop.lsn - manifest.replayFromLsn),
    wal: parts.survey?.between(manifest.replayFromLsn, parts.resolved.stop.lsn, keeps(part.choice)),
    delivery: parts.delivery,
  }
  const steps = criticalSteps(size, questionOf(parts))
  return { steps, time: criticalTime(steps, questionOf(parts)) }
}

export function tierLines(tiers: readonly TierTime[] | undefined): readonly string[] {
  const [critical, everything] = tiers ?? []
  if (!critical || !everything) return []
  const tables = critical.relations === 1 ? '1 table' : `${critical.relations} tables`
  const first = critical.steps
    ? `${formatSize(critical.bytes)} for ${tables}: readable after ${spanText(critical)}`
    : `${tables}: back with everything`
  return [`critical    ${first}`, `everything  ${formatSize(everything.bytes)}: back after ${spanText(everything)}`]
}

/** Said where it was not asked for. */
export function criticalNote(parts: PlanParts): readonly string[] {
  const { critical, criticalFirst, start, place } = parts
  if (!critical || criticalFirst || !start || parts.way === 'drill') return []
  const { time } = firstOf(parts, critical)
  const tables = critical.names.length === 1 ? '1 critical table' : `${critical.names.length} critical tables`
  const when = `after about ${formatDuration(time.expectedMs)} (${time.basis})`
  return [`--critical-first: ${tables} readable ${when}, ${place ? 'on another port, ' : ''}while the rest is restored`]
}
