// Static data: what may be shared without being read, and what of it is audited today. Pure.
import type { SegmentMap } from '../../repository/contract.ts'
import { DAY_MS } from '../../base/units.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { BLOCKS_PER_EXTENT } from './overlay.ts'

/**
 * Whether a stored segment was read in one go, by one backup, and nothing was laid over it since. Only such an image is taken over by a full backup: what
 * was put together from increments is read anew, so a full ends the life of thin extents, and of any mistake an increment may have made.
 */
export function isOneImage(map: SegmentMap): boolean {
  return (
    map.runs.length === Math.ceil(map.blockCount / BLOCKS_PER_EXTENT) &&
    map.extents.length === map.runs.length &&
    map.runs.every((run) => run.place === 0)
  )
}

export interface AuditPolicy {
  /** Share of the cluster that is audited in a day, 0 to 1. */
  readonly sharePerDay: number
  /** At most; undefined: as fast as it goes. */
  readonly bytesPerSecond: number | undefined
}

/** Days that a warehouse was not backed up for are made up for, up to this many. */
const MOST_DAYS = 7

export function auditBudgetBytes(policy: AuditPolicy, of: { clusterBytes: number; sinceMs: number }): number {
  const days = Math.min(MOST_DAYS, Math.max(0, of.sinceMs / DAY_MS))
  return Math.floor(of.clusterBytes * policy.sharePerDay * days)
}

export interface Auditable {
  readonly path: string
  readonly blockCount: number
  readonly auditedMs: number
  readonly auditBlock: number
}

/** Blocks `from` … `from` + `count` − 1 of a segment; `ends` says that its round is over with them. */
export interface AuditStretch<Segment extends Auditable> {
  readonly segment: Segment
  readonly from: number
  readonly count: number
  readonly ends: boolean
}

/** Least recently audited first; the last one in part. Whole extents, so nothing is fetched twice; a budget below one extent audits nothing. */
export function chooseAudit<Segment extends Auditable>(
  segments: readonly Segment[],
  budgetBytes: number,
): AuditStretch<Segment>[] {
  let left = Math.floor(budgetBytes / BLOCK_BYTES)
  const chosen: AuditStretch<Segment>[] = []
  const order = segments
    .filter((segment) => segment.blockCount > 0)
    .toSorted((one, other) => one.auditedMs - other.auditedMs || (one.path < other.path ? -1 : 1))
  for (const segment of order) {
    // A segment that has become shorter since begins anew.
    const from = segment.auditBlock < segment.blockCount ? segment.auditBlock : 0
    const rest = segment.blockCount - from
    const count = rest <= left ? rest : Math.floor(left / BLOCKS_PER_EXTENT) * BLOCKS_PER_EXTENT
    if (count === 0) break
    chosen.push({ segment, from, count, ends: count === rest })
    left -= count
    if (count < rest) break
  }
  return chosen
}

/** The runs of a map within a stretch of blocks. */
export function runsWithin(map: SegmentMap, from: number, count: number): SegmentMap['runs'] {
  return map.runs.flatMap((run) => {
    const block = Math.max(run.block, from)
    const end = Math.min(run.block + run.count, from + count)
    return end <= block
      ? []
      : [{ block, count: end - block, extent: run.extent, place: run.place + (block - run.block) }]
  })
}
