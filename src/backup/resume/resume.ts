// Uses again what an interrupted backup has stored: chosen by WAL (kept.ts), then read back and verified, seal by seal and page by page, before anything
// is left unread for its sake.
import { setImmediate } from 'node:timers/promises'

import { messageOf } from '../../base/errors.ts'
import { MIB } from '../../base/units.ts'
import type { Manifest, Repository, SegmentMap } from '../../repository/contract.ts'
import type { InterruptedBackup } from '../../repository/progress-contract.ts'
import { BLOCK_BYTES, type ChangeMap } from '../../wal/contract.ts'
import type { CopyingTools } from '../engine/copying.ts'
import { storedItems } from '../engine/stored-items.ts'
import { makeBatches } from '../engine/work.ts'
import { keyOf, type FilePlan, type PlannedSegment } from '../plan/files.ts'
import { Kept, MOST_PACKS, planReuse, type Reuse } from './kept.ts'

/** Directories of packs that are read at a time. */
const AT_ONCE = 16
/** Of one kind. */
const MOST_NOTES = 20

export interface ResumeOptions {
  /** Newest first. */
  readonly interrupted: readonly InterruptedBackup[]
  readonly plan: FilePlan
  /** Relations of which the change maps are not believed. */
  readonly distrusted: Manifest['distrusted']
  readonly tools: CopyingTools
  /** What changed since the start of an interrupted backup, or why nobody can know. */
  readonly changesSince: (one: InterruptedBackup) => Promise<{ map: ChangeMap | undefined; doubt: string | undefined }>
}

export interface Resumed {
  readonly reuse: ReadonlyMap<string, Reuse>
  /** Packs that the reused blocks lie in. */
  readonly packs: readonly string[]
  readonly notes: readonly string[]
}

export async function resume(options: ResumeOptions): Promise<Resumed> {
  const notes: string[] = []
  const kept = await readKept(options, notes)
  const distrusted = new Set(options.distrusted.map((one) => keyOf(one.file)))
  const found = new Map<string, { segment: PlannedSegment; reuse: Reuse }>()
  for (const segment of kept.length === 0 ? [] : options.plan.segments) {
    const reuse = planReuse(segment, kept, distrusted)
    if (!reuse) continue
    found.set(segment.listed.path, { segment, reuse })
    // Some ten milliseconds each: the lease and the receiver get their turns.
    await setImmediate()
  }
  await verify(found, options, notes)
  const reuse = new Map([...found].map(([path, one]) => [path, one.reuse]))
  const packs = new Set([...reuse.values()].flatMap(({ map }) => map.extents.map((extent) => extent.pack)))
  const bytes = [...reuse.values()].reduce((sum, { map }) => sum + blocksOf(map), 0) * BLOCK_BYTES
  if (bytes > 0) {
    const ids = options.interrupted.map(({ id }) => id).join(', ')
    notes.push(`${Math.round(bytes / MIB)} MiB that the interrupted backup ${ids} had stored are used again`)
  }
  return { reuse, packs: [...packs], notes }
}

async function readKept(
  { interrupted, tools, changesSince }: ResumeOptions,
  notes: string[],
): Promise<readonly Kept[]> {
  const kept: Kept[] = []
  let packs = 0
  for (const one of interrupted) {
    const { map, doubt } = await changesSince(one)
    if (map === undefined) {
      notes.push(`nothing is used of the interrupted backup ${one.id}: ${doubt ?? 'its WAL is not known'}`)
      continue
    }
    const mine = new Kept(map)
    const unusable: string[] = []
    const some = one.packs.slice(0, MOST_PACKS - packs)
    packs += some.length
    for (let at = 0; at < some.length; at += AT_ONCE) {
      tools.report({ phase: 'looking at an interrupted backup', done: at, total: some.length, unit: 'count' })
      const read = await Promise.all(
        some.slice(at, at + AT_ONCE).map((pack) => extentsOf(pack, { ...tools, unusable })),
      )
      for (const extent of read.flat()) mine.add(extent)
    }
    kept.push(mine)
    notes.push(...first(unusable, (why) => `a pack of the interrupted backup ${one.id} is not used: ${why}`))
  }
  return kept
}

async function extentsOf(
  pack: string,
  { repository, signal, unusable }: { repository: Repository; signal: AbortSignal; unusable: string[] },
): ReturnType<Repository['readPackExtents']> {
  try {
    return await repository.readPackExtents(pack, signal)
  } catch (error) {
    signal.throwIfAborted()
    unusable.push(messageOf(error))
    return []
  }
}

/** Reads back all that is to be used. A segment with a damaged extent is read from the source. */
async function verify(
  found: Map<string, { segment: PlannedSegment; reuse: Reuse }>,
  { tools }: ResumeOptions,
  notes: string[],
): Promise<void> {
  // Only that it is good: what the source has is known from WAL.
  const whole = { from: 0, compare: false, verifyPages: true, mapEndLsn: 0n } as const
  const items = [...found.values()].flatMap(({ segment, reuse }) =>
    storedItems(segment, reuse.map, { ...whole, count: segment.blockCount }),
  )
  if (items.length === 0) return
  tools.pool.grow(tools.workers)
  const damaged: string[] = []
  let done = 0
  await tools.pool.copy(makeBatches(items), {
    signal: tools.signal,
    onResult: (result) => {
      tools.report({ phase: 'verifying an interrupted backup', done: ++done, total: items.length, unit: 'count' })
      if (result.kind !== 'stored' || result.damaged === undefined) return
      if (found.delete(result.path)) damaged.push(`${result.path} is not used: ${result.damaged}`)
    },
  })
  notes.push(...first(damaged, (what) => `what was stored of ${what}`))
}

/** After sweep has taken an old interrupted backup there may be thousands. */
function first(reasons: readonly string[], say: (reason: string) => string): string[] {
  const more = reasons.length - MOST_NOTES
  const said = reasons.slice(0, MOST_NOTES).map(say)
  return more > 0 ? [...said, `and ${more} more of these`] : said
}

const blocksOf = (map: SegmentMap): number => map.runs.reduce((sum, run) => sum + run.count, 0)
