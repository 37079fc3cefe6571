// From the listing of the cluster to what is read and what is shared, file by file.
import type { Manifest, ManifestFile, ManifestTablespace } from '../../repository/contract.ts'
import {
  BLOCK_BYTES,
  BLOCKS_PER_SEGMENT,
  forks,
  type ChangeMap,
  type ForkName,
  type RelationFile,
} from '../../wal/contract.ts'
import type { ListedEntry, ListedFile } from '../source/cluster-files.ts'
import { parseSegmentPath } from '../source/paths.ts'
import { imageToKeep, mayKeepImage, type Deferral } from './defer.ts'
import { planSegment, type SegmentFacts, type SegmentPlan } from './segment.ts'

type SegmentFile = Extract<ManifestFile, { kind: 'segment' }>
type PlainFile = Extract<ManifestFile, { kind: 'plain' }>

export interface PlannedSegment {
  readonly listed: ListedFile
  /** Number of the file's first block within its fork. */
  readonly firstBlock: number
  readonly blockCount: number
  readonly plan: SegmentPlan
  readonly parent: SegmentFile | undefined
}

export interface PlannedPlain {
  readonly listed: ListedFile
  readonly parent: PlainFile | undefined
}

export interface FilePlan {
  readonly segments: readonly PlannedSegment[]
  readonly plains: readonly PlannedPlain[]
  readonly folders: Manifest['folders']
  readonly unlogged: Manifest['unlogged']
  /** Relations of tier scratch: left out. */
  readonly scratch: readonly ListedFile[]
  /** Left out, and worth saying. */
  readonly odd: readonly { readonly path: string; readonly what: string }[]
  /** Something was to be deferred, and is read all the same: there are state files of prepared transactions. */
  readonly hasPrepared: boolean
  /** Why segments are read whole, and how many. Empty for a full backup. */
  readonly reasons: ReadonlyMap<string, number>
}

/** What changed; `changes` is undefined where nobody can know, `doubt` says why (then everything is read whole). */
export interface Since {
  readonly changes: ChangeMap | undefined
  readonly doubt: string | undefined
}

/** What an increment builds on; undefined for a full backup. Its own changes are those since the parent's start. */
export interface Base extends Since {
  readonly parent: Manifest
  /** Changes since the oldest of the images that the parent has left older than its start: what those segments are held against. */
  readonly older?: Since | undefined
  /** Blocks that were healed in place since the parent, or since the oldest of its images: no WAL tells of them. */
  readonly healed?: readonly { readonly file: string; readonly block: number }[] | undefined
  /** `static`: a full backup, which takes over what nothing has touched, once it is proven, and reads all else. */
  readonly purpose: 'increment' | 'static'
}

export interface PlanBy {
  /** Those found on disk when the backup began; what appears later is left to WAL. */
  readonly tablespaces: readonly ManifestTablespace[]
  readonly base: Base | undefined
  /** keyOf() relations of tier scratch. */
  readonly leftOut?: ReadonlySet<string> | undefined
  /** What of an increment may keep an older image. */
  readonly deferral?: Deferral | undefined
}

const PROVE = { kind: 'prove' } as const
const FULL = { kind: 'whole', reason: 'full backup' } as const

export async function planFiles(entries: AsyncIterable<ListedEntry>, by: PlanBy): Promise<FilePlan> {
  const planner = new Planner(by)
  for await (const entry of entries) planner.add(entry)
  planner.finish()
  return planner
}

class Planner implements FilePlan {
  segments: PlannedSegment[] = []
  hasPrepared = false
  readonly plains: PlannedPlain[] = []
  readonly folders: { path: string; mode: number }[] = []
  readonly unlogged: { path: string; bytes: number }[] = []
  readonly scratch: ListedFile[] = []
  readonly odd: { path: string; what: string }[] = []
  readonly reasons = new Map<string, number>()
  private readonly tablespaces: readonly ManifestTablespace[]
  private readonly base: Base | undefined
  private readonly leftOut: ReadonlySet<string>
  private readonly deferral: Deferral | undefined
  private readonly known = new Map<string, ManifestFile>()
  private readonly distrusted: ReadonlySet<string>
  private readonly suspects = new Map<string, number[]>()

  constructor({ tablespaces, base, leftOut, deferral }: PlanBy) {
    this.leftOut = leftOut ?? new Set()
    this.deferral = base?.purpose === 'increment' ? deferral : undefined
    this.tablespaces = tablespaces
    this.base = base
    this.distrusted = new Set(base?.parent.distrusted.map((one) => keyOf(one.file)))
    for (const file of base?.parent.files ?? []) this.known.set(file.path, file)
    for (const { file, block } of [...(base?.parent.corrupt ?? []), ...(base?.healed ?? [])]) {
      const blocks = this.suspects.get(file)
      if (blocks) blocks.push(block)
      else this.suspects.set(file, [block])
    }
  }

  add(entry: ListedEntry): void {
    if (!isOfKnownTablespace(entry.path, this.tablespaces)) return
    if (entry.kind === 'folder') this.folders.push({ path: entry.path, mode: entry.mode })
    else if (entry.kind === 'unlogged') this.unlogged.push({ path: entry.path, bytes: entry.bytes })
    else if (entry.kind === 'odd') this.odd.push({ path: entry.path, what: entry.what })
    else if (entry.kind === 'segment') this.addSegment(entry)
    else this.addPlain(entry)
  }

  private addPlain(listed: ListedFile): void {
    const parent = this.base?.purpose === 'increment' ? this.known.get(listed.path) : undefined
    this.plains.push({ listed, parent: parent?.kind === 'plain' ? parent : undefined })
  }

  private addSegment(listed: ListedFile): void {
    const name = parseSegmentPath(listed.path)
    const known = this.known.get(listed.path)
    const parent = known?.kind === 'segment' ? known : undefined
    // A block that is just being added may show in part: PostgreSQL does not count it either.
    const blockCount = Math.floor(listed.bytes / BLOCK_BYTES)
    if (name === undefined || name.segment * BLOCKS_PER_SEGMENT + blockCount > 0xffff_ffff) return this.addPlain(listed)
    if (name.fork !== 'init' && this.leftOut.has(keyOf(name.file))) {
      this.scratch.push(listed)
      return
    }
    const plan = this.decide({ ...name, blockCount, parent, path: listed.path })
    const firstBlock = name.segment * BLOCKS_PER_SEGMENT
    this.segments.push({ listed: sameAs(parent, listed) ?? listed, firstBlock, blockCount, plan, parent })
  }

  private decide(of: {
    file: RelationFile
    fork: ForkName
    segment: number
    blockCount: number
    parent: SegmentFile | undefined
    path: string
  }): SegmentPlan {
    if (this.base === undefined) return FULL
    const since = this.sinceImage(of.parent, this.base)
    const facts: SegmentFacts = {
      fork: of.fork,
      segment: of.segment,
      blockCount: of.blockCount,
      parentBlockCount: of.parent === undefined ? undefined : of.parent.bytes / BLOCK_BYTES,
      change: since.changes?.fork(of.file, of.fork),
      relationTouched: since.changes !== undefined && isTouched(since.changes, of.file),
      suspects: this.suspects.get(of.path) ?? [],
      doubt: this.doubtAbout(of.file, since),
    }
    const plan = planSegment(facts)
    if (this.base.purpose === 'static') return plan.kind === 'share' ? PROVE : FULL
    if (of.parent && mayKeepImage(facts, plan)) {
      const image = imageToKeep(this.deferral, { key: keyOf(of.file), imageLsn: of.parent.imageLsn })
      if (image) return { kind: 'defer', imageLsn: image.lsn, instead: plan }
    }
    return this.reasoned(plan)
  }

  private reasoned<Plan extends SegmentPlan>(plan: Plan): Plan {
    if (plan.kind === 'whole') this.reasons.set(plan.reason, (this.reasons.get(plan.reason) ?? 0) + 1)
    return plan
  }

  /**
   * PostgreSQL takes state files of transactions that it has yet to prepare for ones from the future. From 17 on it looks for them under a wrong name, leaves them
   * where they are, and loses the transaction when replay comes to it. So replay never begins before what is in such a file.
   */
  finish(): void {
    // From here on each segment knows its parent.
    this.known.clear()
    this.suspects.clear()
    if (!this.plains.some(({ listed }) => listed.path.startsWith('pg_twophase/'))) return
    if (!this.segments.some(({ plan }) => plan.kind === 'defer')) return
    this.hasPrepared = true
    this.segments = this.segments.map((one) =>
      one.plan.kind === 'defer' ? { ...one, plan: this.reasoned(one.plan.instead) } : one,
    )
  }

  /** A segment whose reading the parent has put off has changed since its image, not only since the parent's start. */
  private sinceImage(parent: SegmentFile | undefined, base: Base): Since {
    if (parent === undefined || parent.imageLsn >= base.parent.startLsn) return base
    return base.older ?? { changes: undefined, doubt: 'its image is older than its backup' }
  }

  private doubtAbout(file: RelationFile, since: Since): string | undefined {
    if (since.doubt !== undefined) return since.doubt
    if (this.distrusted.has(keyOf(file))) return 'an audit has found a change that WAL did not name'
    return since.changes?.isDatabaseDoubtful(file.tablespace, file.database)
      ? 'database copied, moved or dropped whole'
      : undefined
  }
}

/** The parent's record where it says the same: of most files of a large cluster nothing needs to lie in memory twice. */
function sameAs(
  parent: SegmentFile | undefined,
  { path, mode, modifiedMs, bytes }: ListedFile,
): ListedFile | undefined {
  if (parent === undefined || parent.mode !== mode || parent.modifiedMs !== modifiedMs) return undefined
  return parent.bytes === bytes && parent.path === path ? parent : undefined
}

export function keyOf(file: RelationFile): string {
  return `${file.tablespace}/${file.database}/${file.relfilenode}`
}

function isTouched(changes: ChangeMap, file: RelationFile): boolean {
  return (Object.keys(forks) as ForkName[]).some((fork) => changes.fork(file, fork) !== undefined)
}

function isOfKnownTablespace(path: string, known: readonly ManifestTablespace[]): boolean {
  const match = /^pg_tblspc\/(\d+)(\/|$)/.exec(path)
  return match === null || known.some((one) => one.oid === Number(match[1]))
}

/** Relations with blocks that were healed: what an interrupted backup has stored of them may be from before. */
export function healedRelations(base: Pick<Base, 'healed'> | undefined): Manifest['distrusted'] {
  return (base?.healed ?? []).flatMap(({ file }) => {
    const name = parseSegmentPath(file)
    return name ? [{ file: name.file, since: '', reason: 'a block was healed' }] : []
  })
}
