import type { StepEstimate } from './model.ts'
import type { StepName, StepTime } from './times.ts'

/** Measured times beside what the plan predicted for the same steps; those that were not measured are left out. */
export function besidePlan(
  steps: readonly Omit<StepEstimate, 'bytesPerSecond'>[],
  measured: Readonly<Partial<Record<StepName, number | undefined>>>,
): readonly StepTime[] {
  return steps.flatMap((planned): StepTime[] => {
    const { step, bytes, count, kind, wal, expectedMs, lowMs, highMs, basis } = planned
    const ms = measured[step]
    if (ms === undefined) return []
    const size = {
      ...(count === undefined ? {} : { count }),
      ...(kind === undefined ? {} : { kind }),
      ...(wal === undefined ? {} : { wal }),
    }
    return [{ step, bytes, ms: Math.max(0, ms), ...size, predicted: { expectedMs, lowMs, highMs, basis } }]
  })
}
