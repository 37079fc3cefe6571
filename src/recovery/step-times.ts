// The steps of a recovery of everything, as measured.
import type { PreparedRecovery } from './plan/prepare.ts'
import { besidePlan } from './rates/beside-plan.ts'
import type { StepName, StepTime } from './rates/times.ts'
import type { RestoreResult } from './restore/restore.ts'
import type { Proof, StartProof } from './server/start.ts'

export interface Measured {
  readonly listMs: number
  readonly result: Pick<RestoreResult, 'writtenMs'>
  readonly restoreMs: number
  /** Until WAL was ready to be handed over: all of it where it is fetched beforehand. */
  readonly deliveryMs: number
  readonly proof: Proof | StartProof | undefined
}

/** Measured times beside what the plan predicted for the same steps. */
export function stepTimes(prepared: PreparedRecovery, measured: Measured): readonly StepTime[] {
  const { proof, deliveryMs } = measured
  const { writtenMs } = measured.result
  const times: Partial<Record<StepName, number>> = {
    list: measured.listMs,
    [prepared.place ? 'read-target' : 'fetch']: writtenMs,
    sync: measured.restoreMs - writtenMs - deliveryMs,
    'fetch-wal': deliveryMs,
    ...(proof
      ? {
          // Where it is no step of its own, a script was written, and WAL comes while it is replayed.
          replay: (prepared.delivery === 'staged' ? 0 : deliveryMs) + proof.times.replayMs,
          verify: proof.times.verifyMs,
          checkpoint: proof.times.checkpointMs,
          ...('startMs' in proof.times ? { start: proof.times.startMs } : {}),
        }
      : {}),
  }
  return besidePlan(prepared.plan.steps, times)
}
