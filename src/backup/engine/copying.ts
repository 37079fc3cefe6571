// The copying of one backup: waves of work for the threads, maps out of their results.
import type { Clock } from '../../base/clock.ts'
import { MIB } from '../../base/units.ts'
import type { BackupWriter, PackRef, Repository, SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import type { CopyItem } from '../copy/messages.ts'
import type { CopyPool } from '../copy/pool.ts'
import type { FilePlan, PlannedSegment } from '../plan/files.ts'
import { layOver, withThinExtents } from '../plan/overlay.ts'
import type { Reuse } from '../resume/kept.ts'
import { Assembly } from './assembly.ts'
import { reportBytes, type Report } from './progress.ts'
import { makeBatches, plainItem, segmentParts, type SegmentWork } from './work.ts'

/** Changed segments whose parent maps are held in memory at a time (about 120 kB each for a full gigabyte). */
const WAVE_SEGMENTS = 256

/** Whole segments that are in work at a time, largest first: what has to be remembered of each is given up wave by wave. */
const WAVE_FILES = 16_384
/** Below this one thread is done before another has loaded its code. */
const WORTH_ALL_THREADS_BYTES = 32 * MIB

export interface CopyingTools {
  readonly repository: Repository
  readonly writer: Pick<BackupWriter, 'addMap'>
  readonly pool: CopyPool
  /** How many threads may copy. */
  readonly workers: number
  readonly clock: Clock
  readonly report: Report
  /** Why reading is slower than it could be, if it is. */
  readonly heldBack?: () => string | undefined
  readonly signal: AbortSignal
}

/** Copies all that the plan asks for, except the control file. `reuse`: what need not be read, since an interrupted backup has stored it. */
export async function copyFiles(
  plan: FilePlan,
  tools: CopyingTools,
  reuse: ReadonlyMap<string, Reuse> = new Map(),
): Promise<Assembly> {
  const assembly = new Assembly((map) => tools.writer.addMap(map, tools.signal))
  const whole = plan.segments
    .filter((segment) => segment.plan.kind === 'whole')
    .sort((one, other) => other.blockCount - one.blockCount)
  const changed = plan.segments.filter((segment) => segment.plan.kind === 'blocks')
  const total =
    whole.reduce((bytes, { blockCount }) => bytes + blockCount * BLOCK_BYTES, 0) +
    changed.reduce((bytes, { plan }) => bytes + changedBlocks(plan).length * BLOCK_BYTES, 0) +
    plan.plains.reduce((bytes, { listed }) => bytes + listed.bytes, 0) -
    [...reuse.values()].reduce((bytes, { map }) => bytes + reusedBytes(map), 0)
  if (total > WORTH_ALL_THREADS_BYTES) tools.pool.grow(tools.workers)
  const reporting = reportBytes({
    phase: 'copying',
    total,
    done: () => tools.pool.bytesRead,
    ...(tools.heldBack ? { note: tools.heldBack } : {}),
    report: tools.report,
    clock: tools.clock,
  })
  try {
    for (const wave of waves(whole, WAVE_FILES)) {
      const items = wave.flatMap((planned) => {
        const again = reuse.get(planned.listed.path)
        return expectSegment(assembly, { planned, blocks: again?.rest }, again?.map)
      })
      await copyItems(items, assembly, tools)
    }
    await copyItems(plan.plains.map(plainItem), assembly, tools)
    for (const wave of waves(changed, WAVE_SEGMENTS)) {
      await copyItems(await prepareWave(wave, { assembly, reuse }, tools), assembly, tools)
    }
  } finally {
    await reporting.stop()
  }
  return assembly
}

/** The control file, read last of all by the main thread, joins the packs of the others. */
export async function storeControlFile(
  file: { path: string; content: Buffer },
  assembly: Assembly,
  tools: CopyingTools,
): Promise<readonly PackRef[]> {
  await copyItems([{ kind: 'given', ...file }], assembly, tools)
  return tools.pool.finish(tools.signal)
}

/** Copies some segments more: those that a first look has shown to need it. `parent`: the map that the blocks are laid over. */
export async function copySegments(
  segments: readonly (SegmentWork & { readonly parent: SegmentMap | undefined })[],
  to: { readonly assembly: Assembly; readonly tools: CopyingTools },
): Promise<void> {
  const items = segments.flatMap(({ parent, ...work }) => expectSegment(to.assembly, work, parent))
  await copyItems(items, to.assembly, to.tools)
}

async function copyItems(items: readonly CopyItem[], assembly: Assembly, tools: CopyingTools): Promise<void> {
  await tools.pool.copy(makeBatches(items), {
    signal: tools.signal,
    onResult: (result) => assembly.take(result),
  })
  await assembly.settled()
}

/** Reads the parents' maps of a wave and says what to read of each segment. */
async function prepareWave(
  wave: readonly PlannedSegment[],
  { assembly, reuse }: { assembly: Assembly; reuse: ReadonlyMap<string, Reuse> },
  tools: CopyingTools,
): Promise<CopyItem[]> {
  const maps = await tools.repository.readMaps(
    wave.map((segment) => segment.parent!.map),
    tools.signal,
  )
  return wave.flatMap((planned, index) => {
    const parent = maps[index]!
    const again = reuse.get(planned.listed.path)
    if (again) return expectSegment(assembly, { planned, blocks: again.rest }, layOver(again.map, parent))
    const blocks = withThinExtents(changedBlocks(planned.plan), parent, planned.blockCount)
    return expectSegment(assembly, { planned, blocks }, parent)
  })
}

function expectSegment(assembly: Assembly, work: SegmentWork, parent: SegmentMap | undefined): CopyItem[] {
  const parts = segmentParts(work)
  assembly.expect(work.planned.listed.path, { parts: parts.length, blockCount: work.planned.blockCount, parent })
  return parts
}

function changedBlocks(plan: PlannedSegment['plan']): Uint32Array {
  return plan.kind === 'blocks' ? plan.blocks : new Uint32Array(0)
}

const reusedBytes = (map: SegmentMap): number => map.runs.reduce((sum, run) => sum + run.count, 0) * BLOCK_BYTES

function* waves<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}
