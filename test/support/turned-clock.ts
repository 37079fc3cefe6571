// A clock whose sleepers wake when a test says so: renewals of leases at a moment of the test's choice.
import { systemClock, type Clock } from '../../src/base/clock.ts'

export class TurnedClock implements Clock {
  private wake: (() => void) | undefined
  private fellAsleep: (() => void) | undefined

  now(): number {
    return systemClock.now()
  }

  monotonic(): number {
    return systemClock.monotonic()
  }

  sleep(_ms: number, stop?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      stop?.addEventListener('abort', () => reject(stop.reason as Error), { once: true })
      this.wake = resolve
      this.fellAsleep?.()
    })
  }

  /** Wakes the sleeper and resolves when it sleeps again: what it does in between is done. */
  async turn(): Promise<void> {
    const asleep = new Promise<void>((resolve) => (this.fellAsleep = resolve))
    this.wake?.()
    await asleep
  }
}
