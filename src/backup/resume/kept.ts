// What an interrupted backup has left behind, and which of its blocks are still what the source has. Pure, but for reading directories of packs.
//
// A block that was read after the interrupted backup's start S, and that no WAL between S and our own start names or cuts, has on disk what was read then:
// its image is as good as that of a parent whose start is S (design.md section 7). Where WAL has a gap or a doubt, nothing is used.
import type { ExtentRef, MapRun, SegmentMap } from '../../repository/contract.ts'
import type { InterruptedBackup, PackExtent } from '../../repository/progress-contract.ts'
import { BLOCKS_PER_SEGMENT, type ChangeMap } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { keyOf, type PlannedSegment } from '../plan/files.ts'
import { neighbours } from '../plan/overlay.ts'
import { lowerBound } from '../plan/segment.ts'
import { parseSegmentPath } from '../source/paths.ts'

/** More is not used again: their directories are held in memory (about 200 GB of plain blocks). */
export const MOST_PACKS = 4096

export interface OwnState {
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly startLsn: Lsn
  readonly catalogVersion: number
  readonly dataChecksums: boolean
}

/** Those that one of this state may use, newest first; with why the newest of all is none, if so. */
export function chooseInterrupted(
  found: readonly InterruptedBackup[],
  own: OwnState,
): { readonly usable: readonly InterruptedBackup[]; readonly refused: string | undefined } {
  let refused: string | undefined
  const usable: InterruptedBackup[] = []
  for (const one of found.toReversed()) {
    const why = whyNot(one, own)
    if (why === undefined) usable.push(one)
    else refused ??= `nothing is used of the interrupted backup ${one.id}: ${why}`
  }
  return { usable, refused: usable.length === 0 ? refused : undefined }
}

function whyNot(one: InterruptedBackup, own: OwnState): string | undefined {
  if (one.systemIdentifier !== own.systemIdentifier) return 'it is of another cluster (system identifier)'
  if (one.timeline !== own.timeline) return `it is of timeline ${one.timeline}, this one of ${own.timeline}`
  if (one.catalogVersion !== own.catalogVersion) return 'it is of another version of PostgreSQL'
  if (one.dataChecksums !== own.dataChecksums) return 'it has another checksum state'
  if (one.startLsn >= own.startLsn) return 'it starts after this backup: the WAL position went back'
  return undefined
}

/** The blocks of one extent that may be used: runs with their places. */
interface KeptExtent {
  readonly ref: ExtentRef
  readonly runs: readonly { readonly block: number; readonly count: number; readonly place: number }[]
}

/** By path: what is kept of one interrupted backup, and what has changed since. */
export class Kept {
  private readonly files = new Map<string, KeptExtent[]>()
  private readonly changes: ChangeMap

  constructor(changes: ChangeMap) {
    this.changes = changes
  }

  add({ ref, file, blocks }: PackExtent): void {
    const name = parseSegmentPath(file)
    // Maps of free space and visibility change without WAL naming their blocks; plain files are always read.
    if (blocks.length === 0 || name === undefined || name.fork === 'vm' || name.fork === 'fsm') return
    const runs = [...neighbours(blocks)].map(({ block, count, from }) => ({ block, count, place: from }))
    const known = this.files.get(file)
    if (known) known.push({ ref, runs })
    else this.files.set(file, [{ ref, runs }])
  }

  has(path: string): boolean {
    return this.files.has(path)
  }

  /** Lays what is usable of a segment over `into`, where nothing is yet: one entry per block. */
  lay(segment: PlannedSegment, into: (Place | undefined)[]): void {
    const { path } = segment.listed
    const extents = this.files.get(path)
    const name = parseSegmentPath(path)
    if (extents === undefined || name === undefined) return
    if (this.changes.isDatabaseDoubtful(name.file.tablespace, name.file.database)) return
    const change = this.changes.fork(name.file, name.fork)
    const first = name.segment * BLOCKS_PER_SEGMENT
    const cut = (change?.cut ?? Infinity) - first
    const last = extents.reduce((most, { runs }) => Math.max(most, runs.at(-1)!.block + runs.at(-1)!.count), 0)
    // As for a parent: shorter than what was stored, and no cut says why.
    if (segment.blockCount < Math.min(last, cut)) return
    const named = change?.blocks ?? new Uint32Array(0)
    for (const { ref, runs } of extents) {
      for (const { block, count, place } of runs) {
        for (let at = 0; at < count; at++) {
          const one = block + at
          if (one >= cut || one >= into.length || isNamed(named, first + one)) continue
          into[one] ??= { ref, place: place + at }
        }
      }
    }
  }
}

const isNamed = (named: Uint32Array, block: number): boolean => named[lowerBound(named, block)] === block

export interface Place {
  readonly ref: ExtentRef
  readonly place: number
}

/** What is left to read of a segment, and a map of the rest: complete together. Undefined where nothing can be used. */
export interface Reuse {
  readonly map: SegmentMap
  readonly rest: Uint32Array
}

/** `kept`: of the newest interrupted backup first. */
export function planReuse(
  segment: PlannedSegment,
  kept: readonly Kept[],
  distrusted: ReadonlySet<string>,
): Reuse | undefined {
  const { plan, blockCount, listed } = segment
  // Most segments of a large cluster: their blocks must not be gone through for nothing.
  if (!kept.some((one) => one.has(listed.path))) return undefined
  if (plan.kind !== 'whole' && plan.kind !== 'blocks') return undefined
  const name = parseSegmentPath(listed.path)
  if (name === undefined || distrusted.has(keyOf(name.file))) return undefined
  const places: (Place | undefined)[] = Array.from({ length: blockCount })
  for (const one of kept) one.lay(segment, places)
  const wanted = plan.kind === 'blocks' ? plan.blocks : Uint32Array.from({ length: blockCount }, (_, block) => block)
  const rest: number[] = []
  const builder = new RunBuilder()
  for (const block of wanted) {
    const found = places[block]
    if (found) builder.add(block, found)
    else rest.push(block)
  }
  if (builder.runs.length === 0) return undefined
  const map = { file: listed.path, blockCount, extents: builder.extents, runs: builder.runs }
  return { map, rest: Uint32Array.from(rest) }
}

class RunBuilder {
  readonly extents: ExtentRef[] = []
  readonly runs: { -readonly [Key in keyof MapRun]: MapRun[Key] }[] = []
  private readonly numbers = new Map<ExtentRef, number>()

  add(block: number, { ref, place }: Place): void {
    let extent = this.numbers.get(ref)
    if (extent === undefined) {
      extent = this.extents.push(ref) - 1
      this.numbers.set(ref, extent)
    }
    const last = this.runs.at(-1)
    const follows = last?.extent === extent && last.block + last.count === block && last.place + last.count === place
    if (follows) last.count++
    else this.runs.push({ block, count: 1, extent, place })
  }
}
