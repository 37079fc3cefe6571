// The steps until the critical tier can be read: a sandbox with part of the backup, replayed, sealed and started for readers.
import { MIB } from '../../base/units.ts'
import { estimateStep, total, type StepEstimate, type Total } from './model.ts'
import type { Question } from './samples.ts'
import type { WalMix } from './wal-mix.ts'

export interface CriticalSize {
  readonly bytes: number
  readonly files: number
  readonly walBytes: number
  readonly wal?: WalMix | undefined
  /** How WAL comes to the server. */
  readonly delivery: string
}

/** What its checkpoint finds unwritten at most: about the default shared_buffers. */
const MOST_DIRTY_BYTES = 128 * MIB

export function criticalSteps(size: CriticalSize, asked: Question): readonly StepEstimate[] {
  const { bytes, files: count, walBytes, wal, delivery } = size
  const of: Question = { ...asked, way: 'critical-first' }
  return [
    estimateStep('list', 0, { ...of, count }),
    estimateStep('fetch', bytes, { ...of, count }),
    estimateStep('replay', walBytes, { ...of, kind: delivery, wal }),
    estimateStep('checkpoint', Math.min(walBytes, MOST_DIRTY_BYTES), of),
    estimateStep('start', 0, of),
  ]
}

export function criticalTime(steps: readonly StepEstimate[], asked: Question): Total {
  return total(steps, { ...asked, way: 'critical-first' })
}

/** One after the other, the second as if the first were known: they err independently. */
export function inTurn(first: Total, second: Total): Total {
  const below = Math.hypot(first.expectedMs - first.lowMs, second.expectedMs - second.lowMs)
  const above = Math.hypot(first.highMs - first.expectedMs, second.highMs - second.expectedMs)
  const expectedMs = first.expectedMs + second.expectedMs
  const basis = first.basis === 'measured' && second.basis === 'measured' ? 'measured' : 'assumed'
  return { expectedMs, lowMs: expectedMs - below, highMs: expectedMs + above, basis }
}
