// In which order a recovering server asks for segments.
import { parseWalFileName, segmentName } from '../../../wal/segments.ts'
import type { WalGetOptions } from '../options.ts'

export type OrderPlan = Pick<WalGetOptions, 'walSegmentBytes' | 'switches' | 'until'>

/**
 * Name of the segment after `name`: on the newest timeline of the history that has begun by its end, since the server asks for that one first. Undefined
 * where `name` is no segment.
 */
export function segmentAfter(name: string, plan: OrderPlan): string | undefined {
  const size = BigInt(plan.walSegmentBytes)
  const parsed = parseWalFileName(name, plan.walSegmentBytes)
  if (parsed?.kind !== 'segment') return undefined
  const startLsn = parsed.startLsn + size
  let timeline = parsed.timeline
  for (const one of plan.switches)
    if (one.timeline > timeline && BigInt(one.at) < startLsn + size) timeline = one.timeline
  return segmentName(timeline, startLsn, plan.walSegmentBytes)
}

/** The same, as long as replay needs it. */
export function segmentToFetch(name: string, plan: OrderPlan): string | undefined {
  const after = segmentAfter(name, plan)
  if (after === undefined || plan.until === undefined) return after
  const parsed = parseWalFileName(after, plan.walSegmentBytes)
  return parsed?.kind === 'segment' && parsed.startLsn < BigInt(plan.until) ? after : undefined
}
