// Lays WAL before a standby as it comes into the repository: segments in order, those that are only begun again whenever they have grown, and histories.
// The standby takes a file by moving it away. The server's user needs no key, and no program is started for each segment.
import { chown, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { MINUTE_MS } from '../../base/units.ts'
import type { Repository, WalChunkInfo } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { historyName, segmentName, segmentStart } from '../../wal/segments.ts'
import { fetchFile, type FetchPlan } from '../get/fetch.ts'
import type { Owner } from '../restore/owner.ts'
import { writeOwned } from '../restore/small-files.ts'
import { quote } from '../restore/wal-delivery.ts'

/** Within the data directory. */
export const feedName = 'wharf-wal'
/** All WAL is listed so often; between that only what comes behind the newest that is known. What fills a hole is seen by then. */
const LIST_ALL_MS = MINUTE_MS
/** What may lie there: some seconds of replay. */
const MOST_BYTES = 256 * 1024 * 1024

export interface FeedParts {
  readonly repository: Pick<Repository, 'wal'>
  /** Data directory. */
  readonly root: string
  readonly owner: Owner | undefined
  readonly plan: FetchPlan
  /** Timelines before this one are never asked for. */
  readonly timeline: number
  /** Where replay begins. */
  readonly fromLsn: Lsn
  readonly clock: Pick<Clock, 'monotonic'>
  readonly signal: AbortSignal
}

/** Standby mode asks again whatever this ends with: what is missing now may come. */
export function feedCommand(root: string): string {
  const at = quote(join(root, feedName))
  // Histories are asked for again and again.
  return `test -f ${at}/%f || exit 1; case %f in *.history) cp ${at}/%f "%p" ;; *) mv -f ${at}/%f "%p" ;; esac || exit 1`
}

function isNewer(one: WalChunkInfo, other: WalChunkInfo): boolean {
  return one.timeline > other.timeline || (one.timeline === other.timeline && one.startLsn > other.startLsn)
}

interface Laid {
  /** Of what it was made: another text means that there is more. */
  readonly made: string
  readonly whole: boolean
}

export class Feed {
  private readonly parts: FeedParts
  private readonly folder: string
  private readonly laid = new Map<string, Laid>()
  private readonly histories = new Map<number, string>()
  /** By name of object; those that were passed are forgotten. */
  private known = new Map<string, WalChunkInfo>()
  private newest: WalChunkInfo | undefined
  private readonly timelines = new Set<number>()
  private listedAllAt = -Infinity
  private next: Lsn
  /** End of the WAL that the repository holds on the newest timeline, as of the last look. */
  endLsn: Lsn
  /** When the newest chunk came, by the store's clock. */
  newestMs: number | undefined
  /** Why the repository could not be asked at the last look. */
  away: string | undefined

  constructor(parts: FeedParts) {
    this.parts = parts
    this.folder = join(parts.root, feedName)
    this.next = segmentStart(parts.fromLsn, parts.plan.walSegmentBytes)
    this.endLsn = parts.fromLsn
  }

  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    const { owner } = this.parts
    if (owner) await chown(this.folder, owner.uid, owner.gid)
    // What an earlier feed left may have grown since.
    for (const name of await readdir(this.folder)) await rm(join(this.folder, name), { force: true })
  }

  /**
   * One look at the repository. Resolves to whether anything was laid down. `all`: also for what comes late into a hole. A repository that does not answer,
   * or lacks WAL between what is there, is asked again by the next look: `away` says so.
   */
  async look(all = false): Promise<boolean> {
    try {
      const any = await this.lookOnce(all)
      this.away = undefined
      return any
    } catch (error) {
      // Chunks may come in any order after an outage: a hole is waited for, as a repository that is away is.
      const mayPass = isWharfError(error) && (error.exit === 'unreachable' || error.code === 'repository.wal-gap')
      if (!mayPass) throw error
      this.away = messageOf(error)
      return false
    }
  }

  private async lookOnce(all: boolean): Promise<boolean> {
    const { timeline } = this.parts
    for (const one of await this.list(all)) {
      this.timelines.add(one.timeline)
      if (one.timeline < timeline) continue
      if (one.endLsn > this.endLsn) this.endLsn = one.endLsn
      if (this.newestMs === undefined || one.modifiedMs > this.newestMs) this.newestMs = one.modifiedMs
      if (this.newest === undefined || isNewer(one, this.newest)) this.newest = one
      this.known.set(one.object, one)
    }
    this.passOver()
    await this.layHistories()
    const any = await this.layChunks([...this.known.values()])
    this.passOver()
    return any
  }

  private passOver(): void {
    for (const { object, endLsn } of this.known.values()) if (endLsn <= this.next) this.known.delete(object)
  }

  private async list(all: boolean): Promise<readonly WalChunkInfo[]> {
    const { repository, plan, clock, signal } = this.parts
    const systemIdentifier = BigInt(plan.systemIdentifier)
    const now = clock.monotonic()
    if (!all && this.newest !== undefined && now - this.listedAllAt < LIST_ALL_MS) {
      const { timeline, startLsn } = this.newest
      const from = { systemIdentifier, timeline, startLsn: segmentStart(startLsn, plan.walSegmentBytes) }
      return await repository.wal.listFrom(from, signal)
    }
    const found = await repository.wal.list(systemIdentifier, signal)
    this.listedAllAt = now
    this.known = new Map()
    return found
  }

  private async layChunks(chunks: readonly WalChunkInfo[]): Promise<boolean> {
    const { walSegmentBytes } = this.parts.plan
    const size = BigInt(walSegmentBytes)
    const bySegment = Map.groupBy(chunks, (one) => segmentName(one.timeline, one.startLsn, walSegmentBytes))
    const startOf = (name: string): Lsn => segmentStart(bySegment.get(name)![0]!.startLsn, walSegmentBytes)
    const names = [...bySegment.keys()].sort(
      (one, other) => Number(startOf(one) - startOf(other)) || (one < other ? -1 : 1),
    )
    const there = new Set(await readdir(this.folder))
    let room =
      Math.max(1, Math.floor(MOST_BYTES / walSegmentBytes)) - [...there].filter((one) => one.length === 24).length
    let any = false
    for (const name of names) {
      if (room <= 0) break
      const nextChunks = names.filter((one) => startOf(one) === startOf(name) + size).length
      const made = `${bySegment
        .get(name)!
        .map((one) => one.endLsn)
        .join(' ')} ${nextChunks > 0}`
      const known = this.laid.get(name)
      if (known?.whole || known?.made === made) continue
      const whole = await this.lay(name)
      if (whole === undefined) break
      this.laid.set(name, { made, whole })
      room--
      any = true
    }
    this.forget(names, startOf)
    return any
  }

  /** Whether it is whole; undefined where it cannot be read now. */
  private async lay(name: string): Promise<boolean | undefined> {
    const { repository, plan, owner, signal } = this.parts
    signal.throwIfAborted()
    try {
      const file = await fetchFile(repository.wal, name, plan)
      if (!file) return undefined
      await writeOwned(join(this.folder, name), file.bytes, owner)
      return !file.partial
    } catch (error) {
      if (isWharfError(error) && error.exit === 'unreachable') return undefined
      throw error
    }
  }

  /** Segments that were taken whole, from the first one on, are not looked at again. */
  private forget(names: readonly string[], startOf: (name: string) => Lsn): void {
    const size = BigInt(this.parts.plan.walSegmentBytes)
    for (const name of names) {
      if (!this.laid.get(name)?.whole || startOf(name) > this.next) break
      if (names.some((other) => startOf(other) === startOf(name) && !this.laid.get(other)?.whole)) break
      this.next = startOf(name) + size
    }
    for (const [name, { whole }] of this.laid) if (whole && !names.includes(name)) this.laid.delete(name)
  }

  /** All of them: the server counts up to the first that is missing. */
  private async layHistories(): Promise<void> {
    const { repository, plan, owner, signal } = this.parts
    for (const timeline of this.timelines) {
      if (timeline === 1 || this.histories.has(timeline)) continue
      const content = await repository.wal.history(BigInt(plan.systemIdentifier), timeline, signal)
      if (content !== undefined) this.histories.set(timeline, content)
    }
    for (const [timeline, content] of this.histories) {
      const path = join(this.folder, historyName(timeline))
      if (!(await readdir(this.folder)).includes(historyName(timeline))) await writeOwned(path, content, owner)
    }
  }
}
