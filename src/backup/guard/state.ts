// When the slot is given up for the sake of the server's disk, and when it is taken again. Pure: free space comes in, a decision comes out.

export interface GuardLimits {
  /** Below this the slot goes. */
  readonly floorBytes: number
  /** At or above this, without a break for `calmMs`, receiving begins again. */
  readonly enoughBytes: number
  readonly calmMs: number
}

/** `calmSince`: since when there has been enough (monotonic); undefined where there is not. */
export type GuardState =
  | { readonly state: 'receiving' }
  | { readonly state: 'given up'; readonly calmSince: number | undefined; readonly waitMs: number }

export interface GuardSight {
  readonly now: number
  readonly freeBytes: number
  /** WAL that the server keeps for our slot alone. */
  readonly heldBytes: number
}

export interface GuardStep {
  readonly next: GuardState
  readonly action: 'none' | 'give up' | 'resume'
}

/** Less than this is not worth a hole: the disk is filled by something else. */
export const WORTH_BYTES = 64 * 1024 * 1024
/** Space is enough at this many times the floor. */
const ENOUGH = 1.5
const CALM_MS = 60_000
/** Each time that the slot had to go again it is taken later: twice, up to an hour. */
const LONGEST_CALM_MS = 3_600_000

export function guardLimits(totalBytes: number, floor: { percent: number } | { bytes: number }): GuardLimits {
  const floorBytes = 'bytes' in floor ? floor.bytes : Math.ceil((totalBytes * floor.percent) / 100)
  // On a small disk one and a half times the floor may never be free.
  const enoughBytes = Math.min(Math.ceil(floorBytes * ENOUGH), Math.ceil(floorBytes + (totalBytes - floorBytes) / 2))
  return { floorBytes, enoughBytes, calmMs: CALM_MS }
}

/** `waitMs` of the last time, for the next. */
export function guardStep(
  state: GuardState,
  sight: GuardSight,
  at: { limits: GuardLimits; waitMs: number },
): GuardStep {
  const { limits } = at
  if (state.state === 'receiving') {
    const mustGo = sight.freeBytes < limits.floorBytes && sight.heldBytes >= WORTH_BYTES
    if (!mustGo) return { next: state, action: 'none' }
    return { next: { state: 'given up', calmSince: undefined, waitMs: at.waitMs }, action: 'give up' }
  }
  if (sight.freeBytes < limits.enoughBytes) return { next: { ...state, calmSince: undefined }, action: 'none' }
  const calmSince = state.calmSince ?? sight.now
  if (sight.now - calmSince < state.waitMs) return { next: { ...state, calmSince }, action: 'none' }
  return { next: { state: 'receiving' }, action: 'resume' }
}

export function nextWait(waitMs: number): number {
  return Math.min(LONGEST_CALM_MS, waitMs * 2)
}
