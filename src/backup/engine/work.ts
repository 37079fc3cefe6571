// From a plan to batches for the copying threads: large things first, small ones in armfuls.
import { MIB } from '../../base/units.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import type { CopyItem } from '../copy/messages.ts'
import type { PlannedPlain, PlannedSegment } from '../plan/files.ts'

/** A segment file is cut into parts of this size, so that all threads have work until the end. A whole number of extents. */
const PART_BLOCKS = (64 * MIB) / BLOCK_BYTES
/** Small files travel together until they make this much, or this many. */
const BATCH_BYTES = 4 * MIB
const BATCH_ITEMS = 64

/** A segment with the blocks to read; for whole reads all of them. */
export interface SegmentWork {
  readonly planned: PlannedSegment
  /** Undefined: every block. */
  readonly blocks: Uint32Array | undefined
}

/** The parts of one segment, in order of blocks. None where nothing is read. */
export function segmentParts({ planned, blocks }: SegmentWork): CopyItem[] {
  const part = (some: { from: number; count: number } | Uint32Array): CopyItem => ({
    kind: 'segment',
    path: planned.listed.path,
    firstBlock: planned.firstBlock,
    blocks: some,
  })
  const total = blocks?.length ?? planned.blockCount
  const parts: CopyItem[] = []
  for (let from = 0; from < total; from += PART_BLOCKS) {
    const count = Math.min(PART_BLOCKS, total - from)
    parts.push(part(blocks ? blocks.slice(from, from + count) : { from, count }))
  }
  return parts
}

export function plainItem({ listed, parent }: PlannedPlain): CopyItem {
  const knownSha256 = parent?.bytes === listed.bytes ? parent.sha256 : undefined
  return { kind: 'plain', path: listed.path, bytes: listed.bytes, knownSha256 }
}

export function itemBytes(item: CopyItem): number {
  if (item.kind === 'plain') return item.bytes
  if (item.kind === 'given') return item.content.length
  if (item.kind === 'stored') return item.runs.reduce((sum, run) => sum + run.count, 0) * BLOCK_BYTES
  return (item.blocks instanceof Uint32Array ? item.blocks.length : item.blocks.count) * BLOCK_BYTES
}

/** Largest first; what is small shares a batch. */
export function makeBatches(items: readonly CopyItem[]): CopyItem[][] {
  const sized = items.map((item) => ({ item, bytes: itemBytes(item) })).sort((one, other) => other.bytes - one.bytes)
  const batches: CopyItem[][] = []
  let open: CopyItem[] = []
  let openBytes = 0
  for (const { item, bytes } of sized) {
    open.push(item)
    openBytes += bytes
    if (openBytes < BATCH_BYTES && open.length < BATCH_ITEMS) continue
    batches.push(open)
    open = []
    openBytes = 0
  }
  if (open.length > 0) batches.push(open)
  return batches
}
