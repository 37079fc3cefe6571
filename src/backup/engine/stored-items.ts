// What is to be read back of a stored segment: in parts, each with the extents that it needs.
import { MIB } from '../../base/units.ts'
import type { SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import type { StoredItem } from '../copy/messages.ts'
import type { PlannedSegment } from '../plan/files.ts'
import { runsWithin } from '../plan/static.ts'

/** One thread reads this much back before it asks for more. A whole number of extents. */
const PART_BLOCKS = (16 * MIB) / BLOCK_BYTES

/** Parts of which the map names no block are left out. */
export function storedItems(
  { listed, firstBlock }: PlannedSegment,
  map: SegmentMap,
  of: { readonly from: number; readonly count: number } & Pick<StoredItem, 'compare' | 'mapEndLsn' | 'verifyPages'>,
): StoredItem[] {
  const { from: start, count, ...how } = of
  const items: StoredItem[] = []
  for (let from = start; from < start + count; from += PART_BLOCKS) {
    const runs = runsWithin(map, from, Math.min(PART_BLOCKS, start + count - from))
    if (runs.length === 0) continue
    const used = [...new Set(runs.map((run) => run.extent))]
    items.push({
      kind: 'stored',
      path: listed.path,
      firstBlock,
      extents: used.map((extent) => map.extents[extent]!),
      runs: runs.map((run) => ({ ...run, extent: used.indexOf(run.extent) })),
      ...how,
    })
  }
  return items
}
