// Keeps a lease while its holder works.
import type { Clock } from '../../base/clock.ts'

export interface RenewLoop {
  readonly clock: Clock
  readonly leaseMs: number
  /** Who closes the repository or gives up the work lets the lease run out. */
  readonly stopped: AbortSignal
  readonly isLost: () => boolean
  /** One that fails is tried again at the next turn: until the lease has run out nothing is lost. */
  readonly renew: () => Promise<void>
}

/** Renews three times within the time of a lease. Never rejects. */
export async function renewLoop({ clock, leaseMs, stopped, isLost, renew }: RenewLoop): Promise<void> {
  while (!stopped.aborted && !isLost()) {
    try {
      await clock.sleep(leaseMs / 3, stopped)
    } catch {
      return
    }
    await renew().catch(() => {})
  }
}
