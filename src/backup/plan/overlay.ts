// Segment maps: a new one is the parent's with the freshly stored blocks laid over it, cut to the file's length, complete.
import type { ExtentRef, MapRun, SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { backupErrors } from '../errors.ts'

/** Blocks in one extent at most: one mebibyte. */
export const BLOCKS_PER_EXTENT = 128

/**
 * A restore of a segment fetches at most so much more than it needs, in blocks of the extents that its map names: above that, old extents are rewritten.
 * Over all segments, with what compresses unevenly, it stays under 1.3.
 */
const MOST_FETCHED = 1.2
/** Blocks read for the sake of thin extents, as a multiple of those that changed: the cost of an increment follows the change. */
const THIN_BUDGET = 4

/** One extent just stored, and the blocks (numbers within the segment file, sorted) at its places 0, 1, … */
export interface FreshExtent {
  readonly ref: ExtentRef
  readonly blocks: Uint32Array
}

/** Sorted blocks in groups that make one extent each. */
export function* groupBlocks(blocks: Uint32Array): Generator<Uint32Array> {
  for (let at = 0; at < blocks.length; at += BLOCKS_PER_EXTENT) yield blocks.subarray(at, at + BLOCKS_PER_EXTENT)
}

/** Runs of neighbours in a sorted list of blocks: `from` is the index in the list. */
export function* neighbours(
  blocks: Uint32Array,
): Generator<{ readonly block: number; readonly count: number; readonly from: number }> {
  let from = 0
  for (let at = 1; at <= blocks.length; at++) {
    if (at < blocks.length && blocks[at] === blocks[at - 1]! + 1) continue
    yield { block: blocks[from]!, count: at - from, from }
    from = at
  }
}

/** The fresh blocks over the parent's; extents that nothing uses any more are dropped. Rejects holes: a map is complete or it is no map. */
export function overlayMap(
  file: string,
  blockCount: number,
  fresh: readonly FreshExtent[],
  parent?: SegmentMap,
): SegmentMap {
  const map = layRuns({ file, blockCount, laid: freshRuns(fresh) }, parent)
  const covered = map.runs.reduce((sum, run) => sum + run.count, 0)
  if (covered !== blockCount) throw backupErrors.mapWithHole({ file, blockCount, covered })
  return map
}

/** What one map has, and where it has nothing what the other has. Both may have holes. */
export function layOver(over: SegmentMap, parent: SegmentMap | undefined): SegmentMap {
  const laid = over.runs.map((run) => ({ ...run, ref: over.extents[run.extent]! }))
  return layRuns({ ...over, laid }, parent)
}

interface LaidRun extends Omit<MapRun, 'extent'> {
  readonly ref: ExtentRef
}

function* freshRuns(fresh: readonly FreshExtent[]): Generator<LaidRun> {
  for (const { ref, blocks } of fresh)
    for (const { block, count, from } of neighbours(blocks)) yield { ref, block, count, place: from }
}

/** `laid` in order of blocks. */
function layRuns(
  { file, blockCount, laid }: { file: string; blockCount: number; laid: Iterable<LaidRun> },
  parent: SegmentMap | undefined,
): SegmentMap {
  const extents = new ExtentTable()
  const runs: MapRun[] = []
  const old = new OldRuns(parent, extents)
  let next = 0
  for (const { ref, block, count, place } of laid) {
    if (block >= blockCount) break
    old.copy(next, block, runs)
    const kept = Math.min(count, blockCount - block)
    runs.push({ block, count: kept, extent: extents.number(ref), place })
    next = block + kept
  }
  old.copy(next, blockCount, runs)
  return { file, blockCount, extents: extents.list, runs }
}

/** Numbers extents in order of first use. */
class ExtentTable {
  readonly list: ExtentRef[] = []
  private readonly numbers = new Map<string, number>()

  number(ref: ExtentRef): number {
    const key = `${ref.pack}/${ref.number}`
    const known = this.numbers.get(key)
    if (known !== undefined) return known
    this.numbers.set(key, this.list.length)
    return this.list.push(ref) - 1
  }
}

/** Walks the parent's runs once, front to back. */
class OldRuns {
  private readonly parent: SegmentMap | undefined
  private readonly extents: ExtentTable
  private at = 0

  constructor(parent: SegmentMap | undefined, extents: ExtentTable) {
    this.parent = parent
    this.extents = extents
  }

  /** Appends what the parent has of the blocks from `from` until (not with) `until`. */
  copy(from: number, until: number, into: MapRun[]): void {
    const runs = this.parent?.runs ?? []
    while (this.at < runs.length) {
      const run = runs[this.at]!
      if (run.block >= until) return
      const block = Math.max(from, run.block)
      const end = Math.min(until, run.block + run.count)
      if (end > block) {
        const extent = this.extents.number(this.parent!.extents[run.extent]!)
        into.push({ block, count: end - block, extent, place: run.place + (block - run.block) })
      }
      if (run.block + run.count > until) return
      this.at++
    }
  }
}

/**
 * The blocks to read together with `changed`, so that old extents do not get thin: as long as the map would name more than MOST_FETCHED times the blocks that it
 * uses, the extents whose rewriting frees most for what it costs. With little dead (a few increments after a full backup) nothing is added; in the
 * long run about two old blocks for each that changed. Returns `changed` itself where there is nothing to add.
 */
export function withThinExtents(changed: Uint32Array, parent: SegmentMap, blockCount: number): Uint32Array {
  if (changed.length === 0) return changed
  const old = [...liveBlocks(changed, parent, blockCount)].map(([extent, blocks]) => ({
    extent,
    blocks,
    size: parent.extents[extent]!.plainBytes / BLOCK_BYTES,
  }))
  let excess = changed.length + old.reduce((sum, one) => sum + one.size, 0) - MOST_FETCHED * blockCount
  if (excess <= 0) return changed
  let budget = changed.length * THIN_BUDGET
  const added: number[] = []
  const thinnest = old.toSorted(
    (one, other) => one.blocks.length / one.size - other.blocks.length / other.size || one.extent - other.extent,
  )
  for (const { blocks, size } of thinnest) {
    if (excess <= 0 || blocks.length > budget || blocks.length === size) break
    budget -= blocks.length
    excess -= size - blocks.length
    added.push(...blocks)
  }
  return added.length === 0 ? changed : Uint32Array.from([...changed, ...added]).sort()
}

/** Per extent of the parent: the blocks that would still be read from it. */
function liveBlocks(changed: Uint32Array, parent: SegmentMap, blockCount: number): Map<number, number[]> {
  const live = new Map<number, number[]>()
  let next = 0
  for (const run of parent.runs) {
    for (let block = run.block; block < run.block + run.count && block < blockCount; block++) {
      while (next < changed.length && changed[next]! < block) next++
      if (changed[next] === block) continue
      const blocks = live.get(run.extent)
      if (blocks) blocks.push(block)
      else live.set(run.extent, [block])
    }
  }
  return live
}
