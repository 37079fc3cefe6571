// How long it took until the critical tier could be read, beside what the plan said of the same steps.
import type { Context } from '../../base/room.ts'
import { askedText } from '../plan/plan.ts'
import type { PreparedRecovery } from '../plan/prepare.ts'
import { besidePlan } from '../rates/beside-plan.ts'
import type { RecoveryRecord, StepName } from '../rates/times.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'

export interface CriticalTimes {
  readonly sandbox: Pick<Sandbox, 'times'>
  readonly listMs: number
  /** Until it was sealed and down. */
  readonly sealMs: number
  readonly startMs: number
  readonly context: Context
}

/** `prepared` with `criticalFirst`. */
export function criticalRecord(prepared: PreparedRecovery, times: CriticalTimes): RecoveryRecord {
  const { environment, clock } = times.context
  const tier = prepared.plan.tiers!.find((one) => one.tier === 'critical')!
  const measured: Readonly<Partial<Record<StepName, number>>> = {
    list: times.listMs,
    ...Object.fromEntries(times.sandbox.times.map((one) => [one.step, one.ms])),
    checkpoint: times.sealMs,
    start: times.startMs,
  }
  const steps = besidePlan(tier.steps ?? [], measured)
  const { expectedMs, lowMs, highMs, basis } = tier
  return {
    at: new Date(clock.now()).toISOString(),
    warehouse: prepared.plan.warehouse,
    backup: prepared.manifest.id,
    target: askedText(prepared.resolved),
    verified: false,
    durationMs: steps.reduce((sum, one) => sum + one.ms, 0),
    steps,
    way: 'critical-first',
    repository: prepared.repository.name,
    machine: environment.hostname,
    predicted: { expectedMs, lowMs, highMs, basis },
  }
}
