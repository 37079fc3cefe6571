// What the recovery room tells others: how long a recovery would take now.
import { serviceKey } from '../base/room.ts'

export interface RecoveryEstimate {
  readonly warehouse: string
  /** Expected and 80 % interval, milliseconds. */
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  readonly steps: readonly {
    readonly step: 'fetch' | 'replay' | 'start'
    readonly bytes: number
    readonly bytesPerSecond: number
    readonly ms: number
  }[]
  /** Whether the rates were measured here (by recoveries and backups) or are the built-in first guesses. */
  readonly basis: 'measured' | 'assumed'
}

export interface RecoveryEstimates {
  /** Undefined where no backup exists. */
  estimate(warehouse: string, signal: AbortSignal): Promise<RecoveryEstimate | undefined>
  /** The newest recovery that was carried out and verified; undefined if none. */
  lastProof(
    warehouse: string,
    signal: AbortSignal,
  ): Promise<{ readonly at: string; readonly backup: string; readonly durationMs: number } | undefined>
}
export const recoveryEstimates = serviceKey<RecoveryEstimates>('recovery estimates')
