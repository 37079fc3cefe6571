// Segments that are taken over from older backups: proven by a full backup, audited by every one.
import type { Manifest, Repository, SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES, BLOCKS_PER_SEGMENT, type ChangeMap } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { StoredItem, StoredRead } from '../copy/messages.ts'
import type { FilePlan, PlannedSegment } from '../plan/files.ts'
import { auditBudgetBytes, chooseAudit, isOneImage, type AuditPolicy } from '../plan/static.ts'
import { parseSegmentPath } from '../source/paths.ts'
import type { Assembly } from './assembly.ts'
import { copySegments, type CopyingTools } from './copying.ts'
import { storedItems } from './stored-items.ts'
import { makeBatches } from './work.ts'

/** Maps held in memory at a time. */
const WAVE_SEGMENTS = 256

/** What became of the segments that a full backup hoped to share, and of those that were audited. */
export interface StoredFindings {
  /** Path → its new place in the round of audits. */
  readonly audits: ReadonlyMap<string, { readonly auditedMs: number; readonly auditBlock: number }>
  /** Blocks that differ although the change map does not name them, until WAL since the start has had its say. Stored anew. */
  readonly differing: readonly { readonly path: string; readonly blocks: readonly number[] }[]
  /** Blocks that are bad on disk and good in the repository: the good image stays. */
  readonly rotten: readonly { readonly path: string; readonly blocks: readonly number[] }[]
  /** Stored images that are damaged: their segments were read anew. */
  readonly damaged: readonly { readonly path: string; readonly why: string }[]
  readonly unsureBlocks: number
  /** Bytes read back from the repository to prove static data for a full backup. */
  readonly provenBytes: number
}

export interface StoredOptions {
  readonly plan: FilePlan
  readonly parent: Manifest
  readonly assembly: Assembly
  readonly tools: CopyingTools
  readonly mapEndLsn: Lsn
  readonly startedMs: number
  readonly audit: AuditPolicy | undefined
}

/** Proves what a full backup shares, then audits within the budget. What cannot be trusted is read from disk and stored anew. */
export async function examineStored(options: StoredOptions): Promise<StoredFindings> {
  const examiner = new Examiner(options)
  await examiner.prove(options.plan.segments.filter((segment) => segment.plan.kind === 'prove'))
  await examiner.audit()
  return examiner
}

class Examiner implements StoredFindings {
  readonly audits = new Map<string, { auditedMs: number; auditBlock: number }>()
  readonly differing: { path: string; blocks: readonly number[] }[] = []
  readonly rotten: { path: string; blocks: readonly number[] }[] = []
  readonly damaged: { path: string; why: string }[] = []
  unsureBlocks = 0
  provenBytes = 0
  private readonly options: StoredOptions

  constructor(options: StoredOptions) {
    this.options = options
  }

  async prove(all: readonly PlannedSegment[]): Promise<void> {
    const { tools } = this.options
    for (let at = 0; at < all.length; at += WAVE_SEGMENTS) {
      const wave = all.slice(at, at + WAVE_SEGMENTS)
      const maps = await readMaps(wave, tools)
      const again = wave.filter((_, index) => !isOneImage(maps[index]!))
      const items = wave.flatMap((planned, index) =>
        isOneImage(maps[index]!)
          ? this.items(planned, maps[index]!, { from: 0, count: planned.blockCount }, false)
          : [],
      )
      tools.report({ phase: 'proving static data', done: at, total: all.length, unit: 'count', note: 'files' })
      const bad = this.noteDamage(await this.readBack(items))
      this.provenBytes += bytesOf(items)
      await this.readAnew([...again, ...wave.filter((planned) => bad.has(planned.listed.path))])
    }
  }

  async audit(): Promise<void> {
    const { plan, parent, audit, startedMs, assembly, tools } = this.options
    if (audit === undefined) return
    const sinceMs = startedMs - parent.startedMs
    const clusterBytes = plan.segments.reduce((bytes, { blockCount }) => bytes + blockCount * BLOCK_BYTES, 0)
    const taken = plan.segments.filter(
      ({ plan, listed }) => (plan.kind === 'share' || plan.kind === 'prove') && !assembly.maps.has(listed.path),
    )
    const auditable = taken.filter(({ listed }) => parseSegmentPath(listed.path)?.fork !== 'fsm').map(auditableOf)
    const stretches = chooseAudit(auditable, auditBudgetBytes(audit, { clusterBytes, sinceMs }))
    for (let at = 0; at < stretches.length; at += WAVE_SEGMENTS) {
      const wave = stretches.slice(at, at + WAVE_SEGMENTS)
      const maps = await readMaps(
        wave.map(({ segment }) => segment.planned),
        tools,
      )
      const items = wave.flatMap((stretch, index) => this.items(stretch.segment.planned, maps[index]!, stretch, true))
      tools.report({ phase: 'auditing', done: at, total: stretches.length, unit: 'count', note: 'files' })
      for (const some of slices(items, audit.bytesPerSecond)) {
        const started = tools.clock.monotonic()
        await this.judge(wave, await this.readBack(some), maps)
        await this.slowDown(bytesOf(some), started)
      }
      for (const [index, { segment, from, count, ends }] of wave.entries()) {
        // In the order in which they came, as in a queue: what closes one round must not come after what opens the next.
        const place = ends
          ? { auditedMs: startedMs + at + index, auditBlock: 0 }
          : { auditedMs: segment.auditedMs, auditBlock: from + count }
        this.audits.set(segment.path, place)
      }
    }
  }

  private async judge(
    wave: readonly { readonly segment: { readonly planned: PlannedSegment } }[],
    reads: readonly StoredRead[],
    maps: readonly SegmentMap[],
  ): Promise<void> {
    const { layered } = this.options.assembly
    const bad = this.noteDamage(reads)
    for (const { path, differing } of reads)
      if (bad.has(path) || differing.length > 0) layered.set(path, layered.get(path))
    await this.readAnew(wave.map(({ segment }) => segment.planned).filter(({ listed }) => bad.has(listed.path)))
    for (const read of reads) {
      this.unsureBlocks += read.unsure
      if (read.rotten.length > 0) this.rotten.push({ path: read.path, blocks: read.rotten })
    }
    const differing = Map.groupBy(
      reads.filter((read) => read.differing.length > 0 && !bad.has(read.path)),
      (read) => read.path,
    )
    for (const [path, some] of differing) {
      const index = wave.findIndex(({ segment }) => segment.planned.listed.path === path)
      const blocks = Uint32Array.from(some.flatMap((read) => read.differing)).sort()
      this.differing.push({ path, blocks: [...blocks] })
      // Over what an earlier slice of the same segment has just laid down, if any.
      const parent = layered.get(path) ?? maps[index]!
      await copySegments([{ planned: wave[index]!.segment.planned, blocks, parent }], this.options)
    }
  }

  private async slowDown(bytes: number, started: number): Promise<void> {
    const { audit, tools } = this.options
    if (audit?.bytesPerSecond === undefined) return
    const rest = (bytes / audit.bytesPerSecond) * 1000 - (tools.clock.monotonic() - started)
    if (rest > 0) await tools.clock.sleep(rest, tools.signal)
  }

  /** Paths of the segments whose stored image is damaged. */
  private noteDamage(reads: readonly StoredRead[]): Set<string> {
    const bad = new Set<string>()
    for (const { path, damaged } of reads) {
      if (damaged === undefined || bad.has(path)) continue
      bad.add(path)
      this.damaged.push({ path, why: damaged })
    }
    return bad
  }

  private async readAnew(segments: readonly PlannedSegment[]): Promise<void> {
    for (const { listed } of segments) this.options.assembly.readWhole.add(listed.path)
    await copySegments(
      segments.map((planned) => ({ planned, blocks: undefined, parent: undefined })),
      this.options,
    )
  }

  private items(
    planned: PlannedSegment,
    map: SegmentMap,
    stretch: { from: number; count: number },
    compare: boolean,
  ): StoredItem[] {
    const { from, count } = stretch
    return storedItems(planned, map, { from, count, compare, mapEndLsn: this.options.mapEndLsn })
  }

  private async readBack(items: readonly StoredItem[]): Promise<StoredRead[]> {
    const { pool, signal } = this.options.tools
    const reads: StoredRead[] = []
    await pool.copy(makeBatches(items), {
      signal,
      onResult: (result) => {
        if (result.kind === 'stored') reads.push(result)
      },
    })
    return reads
  }
}

function auditableOf(planned: PlannedSegment) {
  const { auditedMs, auditBlock } = planned.parent!
  return { path: planned.listed.path, blockCount: planned.blockCount, auditedMs, auditBlock, planned }
}

function readMaps(
  segments: readonly PlannedSegment[],
  tools: { repository: Repository; signal: AbortSignal },
): Promise<readonly SegmentMap[]> {
  return tools.repository.readMaps(
    segments.map((segment) => segment.parent!.map),
    tools.signal,
  )
}

function bytesOf(items: readonly StoredItem[]): number {
  return items.reduce((sum, item) => sum + item.runs.reduce((count, run) => count + run.count, 0), 0) * BLOCK_BYTES
}

/** Where there is a limit, slices of about a second. */
function* slices(items: readonly StoredItem[], bytesPerSecond = Infinity): Generator<readonly StoredItem[]> {
  for (let at = 0; at < items.length;) {
    let end = at
    for (let bytes = 0; end < items.length && (end === at || bytes < bytesPerSecond); end++)
      bytes += bytesOf([items[end]!])
    yield items.slice(at, end)
    at = end
  }
}

/** Which of the blocks that differ WAL since the start explains: what is left is a defect of the change map. Without a map nothing is explained. */
export function unexplained(
  differing: StoredFindings['differing'],
  since: ChangeMap | undefined,
): { readonly path: string; readonly blocks: readonly number[] }[] {
  return differing.flatMap(({ path, blocks }) => {
    const name = parseSegmentPath(path)
    if (name === undefined || since?.isDatabaseDoubtful(name.file.tablespace, name.file.database)) return []
    const change = since?.fork(name.file, name.fork)
    const first = name.segment * BLOCKS_PER_SEGMENT
    const named = new Set(change?.blocks)
    const left = blocks.filter((block) => !named.has(first + block) && first + block < (change?.cut ?? Infinity))
    return left.length === 0 ? [] : [{ path, blocks: left }]
  })
}
