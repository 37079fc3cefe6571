// Trying again: exponential back-off with full jitter, bounded by a budget of time.
import type { Clock } from './clock.ts'
import { isWharfError } from './errors.ts'
import type { Random } from './random.ts'

export interface RetryPolicy {
  readonly firstDelayMs: number
  readonly longestDelayMs: number
  /** No new try starts after this long; Infinity for loops that must go on until cancelled. */
  readonly budgetMs: number
}

export interface RetryTools {
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  /** Whether an error may pass; default: WharfError.passing. */
  readonly isPassing?: (error: unknown) => boolean
  readonly onRetry?: (error: unknown, delayMs: number) => void
}

/** Calls `attempt` until it succeeds, a lasting error occurs, the signal aborts or the budget is used up. */
export async function retry<T>(policy: RetryPolicy, tools: RetryTools, attempt: () => Promise<T>): Promise<T> {
  const started = tools.clock.monotonic()
  const isPassing = tools.isPassing ?? ((error: unknown) => isWharfError(error) && error.passing)
  for (let tries = 0; ; tries++) {
    tools.signal.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (tools.signal.aborted || !isPassing(error)) throw error
      const ceiling = Math.min(policy.longestDelayMs, policy.firstDelayMs * 2 ** tries)
      const delayMs = ceiling / 2 + tools.random.integer(Math.max(1, Math.round(ceiling / 2)))
      if (tools.clock.monotonic() - started + delayMs > policy.budgetMs) throw error
      tools.onRetry?.(error, delayMs)
      await tools.clock.sleep(delayMs, tools.signal)
    }
  }
}
