// What the recovery room tells others: how long a recovery would take now, and what has been proven.
import { serviceKey } from '../base/room.ts'

/** When a tier answers queries again: expectation and 80 % interval, milliseconds. */
export interface TierEstimate {
  readonly tier: 'critical' | 'standard'
  /** What is restored until then. */
  readonly bytes: number
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  readonly basis: 'measured' | 'assumed'
}

export interface RecoveryEstimate {
  readonly warehouse: string
  /** Until everything is back. Expected and 80 % interval, milliseconds. */
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  /** First back first. `standard` is everything. */
  readonly tiers?: readonly TierEstimate[]
  readonly steps: readonly {
    readonly step: string
    readonly bytes: number
    /** 0 where the step does not depend on bytes. */
    readonly bytesPerSecond: number
    readonly ms: number
  }[]
  /** Whether all of it was measured (by recoveries and drills) or some of it is a built-in first guess. */
  readonly basis: 'measured' | 'assumed'
}

export interface LastProof {
  readonly at: string
  readonly backup: string
  readonly durationMs: number
  readonly by?: 'recovery' | 'drill'
}

export interface DrillStanding {
  readonly count: number
  /** The newest that came to an end; undefined if none. */
  readonly last:
    | {
        readonly id: string
        readonly at: string
        readonly outcome: 'passed' | 'failed'
        /** Whether what was found says that the backup does not come back whole; not where the sandbox had no room, or a user's own query failed. */
        readonly grave: boolean
        readonly findings: readonly string[]
      }
    | undefined
  /** Evidence that was edited or removed. */
  readonly evidenceProblems: readonly string[]
}

export interface RecoveryEstimates {
  /** Undefined where no backup exists. */
  estimate(warehouse: string, signal: AbortSignal): Promise<RecoveryEstimate | undefined>
  /** The newest recovery or drill that was carried out and verified; undefined if none. */
  lastProof(warehouse: string, signal: AbortSignal): Promise<LastProof | undefined>
  drills?(warehouse: string, signal: AbortSignal): Promise<DrillStanding>
}
export const recoveryEstimates = serviceKey<RecoveryEstimates>('recovery estimates')
