// WAL for a sandbox, fed by the process that makes it: fetched a little ahead of replay by threads, handed over by a rename, and taken away again when it has been replayed. So the
// server's user needs no key, nothing is started for a segment, and of all WAL only some segments lie on the disk at any time.
import { chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { codeOf, messageOf } from '../../base/errors.ts'
import { MIB } from '../../base/units.ts'
import type { Repository } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { parseWalFileName, segmentName, segmentStart } from '../../wal/segments.ts'
import { segmentToFetch } from '../get/ahead/order.ts'
import type { FetchPlan } from '../get/fetch.ts'
import { getErrors as errors } from '../get/errors.ts'
import type { Owner } from '../restore/owner.ts'
import { writeOwned } from '../restore/small-files.ts'
import { layHistories } from '../restore/wal-delivery.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { feedCommand, feedFolder, feedScript, feedScriptText } from './feed-script.ts'
import type { FeedThreads, Fetched } from './feed-threads.ts'

export interface FeedParts {
  readonly repository: Pick<Repository, 'wal'>
  /** Ended with the feed. */
  readonly threads: Pick<FeedThreads, 'count' | 'died' | 'onFetched' | 'order'> & AsyncDisposable
  readonly resolved: Pick<ResolvedTarget, 'history'>
  readonly plan: FetchPlan
  /** Data directory. */
  readonly root: string
  readonly owner: Owner | undefined
  readonly from: { readonly lsn: Lsn; readonly timeline: number }
  /** Whether replay never looks back at what it has passed: true where there can be no prepared transactions. */
  readonly forgets: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
}

export interface WalFeed extends AsyncDisposable {
  readonly restoreCommand: string
  readonly leftovers: readonly string[]
  /** Aborts with the reason why no more WAL comes. */
  readonly failed: AbortSignal
}

/** What may lie there before the server takes it: less than a second of replay. */
const WINDOW_BYTES = 64 * MIB
const [LEAST_SEGMENTS, MOST_SEGMENTS] = [2, 16]
const POLL_MS = 15

/** How many segments may wait. */
export function feedWindow(segmentBytes: number): number {
  return Math.min(MOST_SEGMENTS, Math.max(LEAST_SEGMENTS, Math.floor(WINDOW_BYTES / segmentBytes)))
}

export async function openFeed(parts: FeedParts): Promise<WalFeed> {
  const { root, owner, plan, from } = parts
  const folder = join(root, feedFolder)
  const script = join(root, feedScript)
  await mkdir(folder, { mode: 0o700 })
  if (owner) await chown(folder, owner.uid, owner.gid)
  await layHistories(folder, { ...parts, systemIdentifier: BigInt(plan.systemIdentifier), timeline: from.timeline })
  await writeOwned(script, feedScriptText(folder, process.pid), owner)
  const feed = new Feed(parts, folder)
  return {
    restoreCommand: feedCommand(script),
    leftovers: [folder, script],
    failed: feed.failure.signal,
    [Symbol.asyncDispose]: () => feed.end(),
  }
}

class Feed {
  readonly failure = new AbortController()
  private readonly parts: FeedParts
  private readonly folder: string
  private readonly ended = new AbortController()
  private readonly running: Promise<void>
  /** By the path under which they are being written. */
  private readonly coming = new Map<string, string>()
  private readonly laid = new Set<string>()
  /** What could not be fetched. It is a failure when the server asks for it: behind its target it never does. */
  private readonly failed = new Map<string, unknown>()
  /** Taken, and perhaps still in the server's pg_wal. */
  private taken: string[] = []
  private next: string | undefined
  private orders = 0

  constructor(parts: FeedParts, folder: string) {
    this.parts = parts
    this.folder = folder
    const { plan, from, threads } = parts
    this.next = segmentName(from.timeline, segmentStart(from.lsn, plan.walSegmentBytes), plan.walSegmentBytes)
    threads.onFetched = (fetched) => void this.receive(fetched).catch((error) => this.fail(error))
    threads.died.catch((error: unknown) => this.fail(this.dead(messageOf(error))))
    this.running = this.run().catch((error: unknown) => this.fail(error))
  }

  private dead(why: string): Error {
    return errors.walUnavailable({ segment: this.next ?? 'the rest', why })
  }

  private fail(error: unknown): void {
    if (this.ended.signal.aborted || this.failure.signal.aborted) return
    this.failure.abort(error)
    void this.sayFailed()
  }

  /** For the script that waits. */
  private async sayFailed(): Promise<void> {
    await writeFile(join(this.folder, 'failed'), '', { mode: 0o644 }).catch(() => {})
  }

  private async run(): Promise<void> {
    const { clock, signal } = this.parts
    const until = AbortSignal.any([signal, this.ended.signal, this.failure.signal])
    for (; !until.aborted; await clock.sleep(POLL_MS, until).catch(() => {})) {
      await this.look()
      this.order()
    }
  }

  private async look(): Promise<void> {
    // What is laid down while we look is not missing.
    const known = [...this.laid]
    const there = new Set(await readdir(this.folder))
    for (const name of known) {
      if (there.has(name)) continue
      this.laid.delete(name)
      await this.forgetBefore(name)
    }
    if (!there.has('want')) return
    const wanted = await this.takeWish()
    if (wanted === undefined) return
    if (this.failed.has(wanted)) throw this.failed.get(wanted)
    const isComing = [...this.coming.values()].includes(wanted) || (wanted === this.next && this.laid.size === 0)
    if (isComing || this.laid.has(wanted) || there.has(`${wanted}.none`)) return
    // The server goes somewhere else: what was fetched for where it seemed to go comes again when it gets there.
    this.coming.clear()
    for (const name of this.laid) await rm(join(this.folder, name), { force: true })
    this.laid.clear()
    this.next = wanted
  }

  /** Undefined: it has been granted since the folder was listed. The script withdraws a wish before it takes the segment. */
  private async takeWish(): Promise<string | undefined> {
    const path = join(this.folder, 'want')
    const wish = await readFile(path, 'utf8').catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
      return undefined
    })
    await rm(path, { force: true })
    return wish?.trim()
  }

  private order(): void {
    const { plan, threads } = this.parts
    const window = feedWindow(plan.walSegmentBytes)
    while (this.next !== undefined && this.coming.size < threads.count && this.coming.size + this.laid.size < window) {
      const segment = this.next
      const path = join(this.folder, `.${segment}.${this.orders++}`)
      this.coming.set(path, segment)
      threads.order({ segment, path })
      this.next = segmentToFetch(segment, plan)
    }
  }

  private async receive({ path, there, error }: Fetched): Promise<void> {
    const segment = this.coming.get(path)
    // Not wanted any more.
    if (segment === undefined) return await rm(path, { force: true })
    if (error) {
      this.failed.set(segment, error)
      this.coming.delete(path)
      this.next = undefined
      return
    }
    if (there) await rename(path, join(this.folder, segment))
    else await writeOwned(join(this.folder, `${segment}.none`), '', this.parts.owner)
    // Meanwhile the server may have gone somewhere else: it is there all the same, and taken when it is its turn.
    if (there) this.laid.add(segment)
    else if (this.coming.has(path)) this.next = undefined
    this.coming.delete(path)
    this.order()
  }

  /** Replay reads on within the segment that it took last, and may still be in the one before. */
  private async forgetBefore(name: string): Promise<void> {
    const { plan, root, forgets } = this.parts
    if (!forgets) return
    const startOf = (one: string): Lsn => {
      const parsed = parseWalFileName(one, plan.walSegmentBytes)
      return parsed?.kind === 'segment' ? parsed.startLsn : 0n
    }
    const least = startOf(name) - BigInt(plan.walSegmentBytes)
    const passed = this.taken.filter((one) => startOf(one) < least)
    this.taken = [...this.taken.filter((one) => startOf(one) >= least), name]
    for (const one of passed) await rm(join(root, 'pg_wal', one), { force: true })
  }

  async end(): Promise<void> {
    if (this.ended.signal.aborted) return
    this.ended.abort()
    await this.parts.threads[Symbol.asyncDispose]()
    await this.running
    await rm(this.folder, { recursive: true, force: true }).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOTEMPTY') throw error
    })
  }
}
