// Before anything is touched in place: what the target's own pg_wal has and the repository lacks is stored there (design.md section 8).
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import type { Repository, WalRange } from '../../repository/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { parseWalFileName } from '../../wal/segments.ts'
import { holds, lackingOf, ownSegments, OwnWalReader, type OwnSegment, type WalShape } from './own-wal.ts'

export interface OwnWal {
  /** Files of pg_wal of which the repository lacked something, and how much of it. */
  readonly segments: readonly string[]
  readonly bytes: number
  /** What is there, cannot be stored, and is lost to the recovery. */
  readonly lost: readonly { readonly file: string; readonly why: string }[]
}

interface Parts {
  readonly repository: Pick<Repository, 'wal'>
  /** Data directory. */
  readonly root: string
  readonly shape: WalShape
  /** Only looks. */
  readonly dry: boolean
  /** That WAL must at least be readable: the checkpoint of pg_control. */
  readonly until?: { readonly timeline: number; readonly lsn: Lsn } | undefined
  readonly progress: (event: Progress) => void
  readonly signal: AbortSignal
}

/** Stores it, durably. Never rejects for what one file holds: `lost` names it. */
export async function saveOwnWal(parts: Parts): Promise<OwnWal> {
  const folder = join(parts.root, 'pg_wal')
  const lost: { file: string; why: string }[] = []
  try {
    await readdir(folder)
  } catch (error) {
    return { segments: [], bytes: 0, lost: [{ file: 'pg_wal', why: messageOf(error) }] }
  }
  const { segments, bytes } = await new Saving(parts, folder, lost).all()
  return { segments, bytes, lost }
}

class Saving {
  private readonly parts: Parts
  private readonly folder: string
  private readonly lost: { file: string; why: string }[]
  private readonly saved: string[] = []
  private bytes = 0

  constructor(parts: Parts, folder: string, lost: { file: string; why: string }[]) {
    this.parts = parts
    this.folder = folder
    this.lost = lost
  }

  async all(): Promise<{ segments: readonly string[]; bytes: number }> {
    const { shape, repository, signal } = this.parts
    await this.histories()
    const ranges = await repository.wal.ranges(shape.systemIdentifier, signal)
    const { segments, unreadable } = await ownSegments(this.folder, shape)
    const lacking = lackingOf(segments, ranges, shape.segmentBytes)
    for (const one of lackingOf(unreadable, ranges, shape.segmentBytes)) this.lose(one.name, one.why)
    const reader = new OwnWalReader({ shape, folder: this.folder, wal: repository.wal })
    let stopped: { timeline: number; name: string; where: string } | undefined
    for (const [at, segment] of lacking.entries()) {
      signal.throwIfAborted()
      this.parts.progress({ phase: 'saving WAL', done: at, total: lacking.length, unit: 'count', note: segment.name })
      if (stopped?.timeline === segment.timeline) {
        // What is behind that place in it belongs to these.
        this.loseOnce(stopped.name, `it cannot be read on ${stopped.where}`)
        this.lose(segment.name, `it follows a place that cannot be read: ${stopped.where}`)
        continue
      }
      const where = await this.one(segment, { reader, ranges })
      if (where !== undefined) stopped = { timeline: segment.timeline, name: segment.name, where }
    }
    await this.partials()
    this.checkReached(stopped, ranges)
    return { segments: this.saved, bytes: this.bytes }
  }

  /** Where reading ended within it; undefined where it was read to its end. */
  private async one(
    segment: OwnSegment,
    by: { reader: OwnWalReader; ranges: Parameters<typeof holds>[0] },
  ): Promise<string | undefined> {
    const { shape, signal } = this.parts
    const { timeline, startLsn } = segment
    try {
      const { bytes, ended, ...rest } = await by.reader.read(segment, signal)
      const endLsn = startLsn + BigInt(bytes.length)
      if (timeline === this.parts.until?.timeline && endLsn > this.reached) this.reached = endLsn
      const where = ended === undefined ? undefined : `at ${formatLsn(endLsn)} ${ended}`
      if (bytes.length === 0 || holds(by.ranges, { timeline, startLsn, endLsn })) return where
      const { systemIdentifier, segmentBytes: walSegmentBytes, postgresVersion } = shape
      const about = { systemIdentifier, timeline, startLsn, walSegmentBytes, postgresVersion }
      if (!this.parts.dry) await this.parts.repository.wal.put({ ...about, ...rest, bytes }, signal)
      this.saved.push(segment.name)
      this.bytes += bytes.length
      return where
    } catch (error) {
      signal.throwIfAborted()
      this.lose(segment.name, messageOf(error))
      return undefined
    }
  }

  private reached: Lsn = 0n

  /** The server had written a checkpoint that cannot be read any more, or is gone: what followed it is lost, too. */
  private checkReached(stopped: { name: string; where: string } | undefined, ranges: readonly WalRange[]): void {
    const { until } = this.parts
    if (until === undefined) return
    const stored = ranges.findLast((one) => one.timeline === until.timeline && one.startLsn <= until.lsn)
    const reached = stored && stored.endLsn > this.reached ? stored.endLsn : this.reached
    if (reached >= until.lsn) return
    if (stopped) this.loseOnce(stopped.name, `it cannot be read on ${stopped.where}`)
    const where = stopped?.where ?? (reached === 0n ? 'nothing of it is there' : `it ends at ${formatLsn(reached)}`)
    this.lose('pg_wal', `it cannot be read up to the last checkpoint of the server (${formatLsn(until.lsn)}): ${where}`)
  }

  private async histories(): Promise<void> {
    const { shape, repository, signal, dry } = this.parts
    for (const name of await readdir(this.folder)) {
      const parsed = parseWalFileName(name, shape.segmentBytes)
      if (parsed?.kind !== 'history') continue
      await this.guarded(name, async () => {
        const content = await readFile(join(this.folder, name), 'utf8')
        const known = await repository.wal.history(shape.systemIdentifier, parsed.timeline, signal)
        if (known === content) return
        if (!dry) await repository.wal.putHistory(shape.systemIdentifier, parsed.timeline, content, signal)
        this.saved.push(name)
      })
    }
  }

  /** Segments of timelines that were left before they were full. */
  private async partials(): Promise<void> {
    const { shape, repository, signal, dry } = this.parts
    const { systemIdentifier, segmentBytes: walSegmentBytes, postgresVersion } = shape
    for (const name of await readdir(this.folder)) {
      const parsed = parseWalFileName(name, walSegmentBytes)
      if (parsed?.kind !== 'partial') continue
      await this.guarded(name, async () => {
        if (await repository.wal.segment(systemIdentifier, name, signal)) return
        const bytes = await readFile(join(this.folder, name))
        const { timeline, startLsn } = parsed
        if (!dry)
          await repository.wal.putPartial(
            { systemIdentifier, timeline, startLsn, walSegmentBytes, postgresVersion, bytes },
            signal,
          )
        this.saved.push(name)
      })
    }
  }

  private async guarded(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.parts.signal.throwIfAborted()
      if (!isWharfError(error) && !(error instanceof Error && 'code' in error)) throw error
      this.lose(name, messageOf(error))
    }
  }

  private loseOnce(file: string, why: string): void {
    if (!this.lost.some((one) => one.file === file)) this.lose(file, why)
  }

  private lose(file: string, why: string): void {
    this.lost.push({ file, why })
  }
}
