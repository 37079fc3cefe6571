// The decision of design.md section 7 step 3, for one segment file: what must be read, what the parent's backup has already.
// Pure: facts in, plan out.
import { BLOCKS_PER_SEGMENT, type ForkChange, type ForkName } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'

export interface SegmentFacts {
  readonly fork: ForkName
  /** Number of the segment file within its fork: 0 for `16385`, 2 for `16385.2`. */
  readonly segment: number
  /** Whole blocks on disk when the file was listed. */
  readonly blockCount: number
  /** Blocks that the parent's backup holds of this file; undefined where it has not got the file. */
  readonly parentBlockCount: number | undefined
  /** What WAL says about this fork between the parent's start (where its image is older, that image's) and this backup's start. */
  readonly change: ForkChange | undefined
  /** Whether WAL names any fork of the relation. */
  readonly relationTouched: boolean
  /** Blocks (numbers within the file) that the parent holds as corrupt, or that were healed since: they are looked at again. */
  readonly suspects: readonly number[]
  /** Why nothing that is known about this file may be trusted; undefined where all is well. */
  readonly doubt: string | undefined
}

export type SegmentPlan =
  /** Nothing is read, not even opened: the parent's map is named again. */
  | { readonly kind: 'share' }
  /** As shared, by a full backup: the parent's image is read back from the repository before it is named again. */
  | { readonly kind: 'prove' }
  /** Has changed and is not read: the parent's map is named again with the image that it is of, and replay begins there. */
  | { readonly kind: 'defer'; readonly imageLsn: Lsn; readonly instead: FirstPlan }
  /** Every block is read; the parent is not looked at. */
  | { readonly kind: 'whole'; readonly reason: string }
  /** These blocks (numbers within the segment file, sorted, distinct, below blockCount) are read, all others are the parent's. */
  | { readonly kind: 'blocks'; readonly blocks: Uint32Array }

/** What a segment by itself says (and is done where nothing is deferred after all); purpose and tiers have their say in files.ts. */
type FirstPlan = Exclude<SegmentPlan, { kind: 'prove' | 'defer' }>

/** One object for all segments of a plan that says no more: there can be a million of them. */
export const SHARE = { kind: 'share' } as const
const MAP_FORK_TOUCHED = { kind: 'whole', reason: 'map fork of a changed relation' } as const
const NEW = { kind: 'whole', reason: 'new' } as const

/**
 * Decides about one segment file of an incremental backup. Three sets of blocks are read: those that WAL names; every block at or above the
 * shortest length the fork was cut to; every block beyond what the parent stored. The last two because extending a file with zeros is not
 * logged: without them rows that were there before the cut would come back.
 */
export function planSegment(facts: SegmentFacts): FirstPlan {
  if (facts.doubt !== undefined) return { kind: 'whole', reason: facts.doubt }
  const stored = facts.parentBlockCount
  if (stored === undefined) return NEW
  if (facts.fork === 'vm' || facts.fork === 'fsm') return planMapFork(facts, stored)
  const firstBlock = facts.segment * BLOCKS_PER_SEGMENT
  const cut = (facts.change?.cut ?? Infinity) - firstBlock
  if (cut <= 0) return { kind: 'whole', reason: 'cut or created anew' }
  // Shorter than stored, and no cut in the map explains it: the cut came after our start (harmless), or the map is wrong (not so).
  if (facts.blockCount < Math.min(stored, cut)) return { kind: 'whole', reason: 'shorter than stored' }
  const blocks = blocksToRead(facts, firstBlock, Math.min(stored, cut))
  if (blocks.length === facts.blockCount && blocks.length > 0) return { kind: 'whole', reason: 'every block changed' }
  return blocks.length === 0 && facts.blockCount === stored ? SHARE : { kind: 'blocks', blocks }
}

/** Free space and visibility maps change without WAL naming their blocks: whole as soon as anything of the relation moved. */
function planMapFork(facts: SegmentFacts, stored: number): FirstPlan {
  if (facts.relationTouched) return MAP_FORK_TOUCHED
  if (facts.suspects.length > 0) return { kind: 'whole', reason: 'corrupt in the parent' }
  return facts.blockCount === stored ? SHARE : { kind: 'whole', reason: 'map fork of another length' }
}

function blocksToRead(facts: SegmentFacts, firstBlock: number, tailStart: number): Uint32Array {
  const named = facts.change?.blocks ?? new Uint32Array(0)
  const knownEnd = Math.min(tailStart, facts.blockCount)
  const from = lowerBound(named, firstBlock)
  const until = lowerBound(named, firstBlock + knownEnd)
  const tail = Math.max(0, facts.blockCount - knownEnd)
  const blocks = new Uint32Array(until - from + tail)
  for (let at = from; at < until; at++) blocks[at - from] = named[at]! - firstBlock
  for (let at = 0; at < tail; at++) blocks[until - from + at] = knownEnd + at
  return facts.suspects.length === 0 ? blocks : withSuspects(blocks, facts)
}

function withSuspects(blocks: Uint32Array, facts: SegmentFacts): Uint32Array {
  const all = new Set(blocks)
  for (const block of facts.suspects) if (block < facts.blockCount) all.add(block)
  return Uint32Array.from(all).sort()
}

/** Index of the first element of a sorted array that is not below `value`. */
export function lowerBound(sorted: Uint32Array, value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
