// Stores sealed chunks in every repository that keeps up, in order, while the next ones are received. Bounded: who would put in too much waits.
// A repository that fails while another one works is left behind: it is caught up from the others (laggard.ts), but what it must hold and does not
// hold yet is not reported as durable.
import type { Repository, WalChunk, WalChunkInfo } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { SealedChunk, WalShape } from './chunk-cutter.ts'
import { isStoreTrouble } from './members.ts'
import type { WalPosition } from './resume.ts'

/** Chunks that wait or are being stored. Each has at most 16 MB. */
const MOST_QUEUED = 3

export interface StoreTarget {
  readonly repository: Repository
  /** End of what it holds already: nothing before is stored again. Undefined: nothing. */
  readonly from: WalPosition | undefined
}

/** A chunk without what takes memory. */
export type ChunkFacts = Pick<SealedChunk, 'timeline' | 'startLsn' | 'endLsn' | 'problem' | 'firstByteAt'>

export interface StoreQueueParts {
  readonly targets: readonly StoreTarget[]
  /** Required repositories that are away from the start, with what is known of what they hold. */
  readonly behind?: ReadonlyMap<string, WalPosition | undefined>
  readonly shape: WalShape
  readonly signal: AbortSignal
  readonly onStored: (chunk: ChunkFacts, repository: Repository, info: WalChunkInfo | undefined) => void
  /** Every required repository holds it. */
  readonly onDurable: (chunk: ChunkFacts) => void
  /** A required repository failed while another one took the chunk. */
  readonly onBehind?: (target: StoreTarget, error: unknown) => void
}

export class StoreQueue {
  private readonly parts: StoreQueueParts
  private live: readonly StoreTarget[]
  private readonly behind: Map<string, WalPosition | undefined>
  private tail: Promise<void> = Promise.resolve()
  private waiting: SealedChunk[] = []
  /** Stored somewhere, but not in every required repository yet. */
  private readonly unconfirmed: ChunkFacts[] = []
  private lastStored: WalPosition | undefined
  private failure: { readonly error: unknown } | undefined
  private roomMade: (() => void) | undefined

  constructor(parts: StoreQueueParts) {
    this.parts = parts
    this.live = parts.targets
    this.behind = new Map(parts.behind)
  }

  get hasRoom(): boolean {
    return this.waiting.length < MOST_QUEUED
  }

  /** Those that keep up: what the others are caught up from. */
  get sources(): readonly Repository[] {
    return this.live.map(({ repository }) => repository)
  }

  /** When the first byte came that is not durable yet (monotonic clock); undefined where all is. */
  get oldestByteAt(): number | undefined {
    return (this.unconfirmed[0] ?? this.waiting[0])?.firstByteAt
  }

  /** Resolves when another chunk may be put in; rejects once storing has failed. */
  async room(): Promise<void> {
    while (!this.hasRoom) {
      this.throwIfFailed()
      await new Promise<void>((resolve) => (this.roomMade = resolve))
    }
    this.throwIfFailed()
  }

  get hasFailed(): boolean {
    return this.failure !== undefined
  }

  throwIfFailed(): void {
    if (this.failure) throw this.failure.error
  }

  add(chunk: SealedChunk): void {
    this.waiting.push(chunk)
    this.tail = this.tail.then(() => this.store(chunk))
  }

  /** Resolves when everything put in is stored; rejects if storing failed. */
  async drained(): Promise<void> {
    await this.tail
    this.throwIfFailed()
  }

  /** A required repository that was behind holds everything before `position` now. */
  caughtUp(name: string, position: WalPosition): void {
    if (!this.behind.has(name)) return
    this.behind.set(name, position)
    this.confirm()
  }

  /** Takes a repository in again that holds all that was stored. False where more has been stored meanwhile. */
  rejoin(repository: Repository, position: WalPosition): Promise<boolean> {
    const joined = this.tail.then(() => {
      if (this.failure || (this.lastStored && !has(position, this.lastStored.timeline, this.lastStored.lsn)))
        return false
      this.live = [...this.live.filter((one) => one.repository !== repository), { repository, from: position }]
      this.behind.delete(repository.name)
      this.confirm()
      return true
    })
    this.tail = joined.then(() => {})
    return joined
  }

  private async store(chunk: SealedChunk): Promise<void> {
    try {
      if (this.failure) return
      const targets = this.live
      const done = await Promise.allSettled(targets.map((target) => this.put(target, chunk)))
      this.leaveBehind(targets, done)
      this.waiting.shift()
      chunk.release()
      const { timeline, startLsn, endLsn, problem, firstByteAt } = chunk
      this.lastStored = { timeline, lsn: endLsn }
      this.unconfirmed.push({ timeline, startLsn, endLsn, problem, firstByteAt })
      this.confirm()
    } catch (error) {
      this.failure = { error }
    } finally {
      this.roomMade?.()
      this.roomMade = undefined
    }
  }

  /** Throws where no repository took it, or where one refused it for another reason than trouble of its store. */
  private leaveBehind(targets: readonly StoreTarget[], done: readonly PromiseSettledResult<void>[]): void {
    const failed = targets.flatMap((target, at) => {
      const one = done[at]!
      return one.status === 'rejected' ? [{ target, error: one.reason as unknown }] : []
    })
    const fatal = failed.find(({ error }) => failed.length === targets.length || !isStoreTrouble(error))
    if (fatal) throw fatal.error
    this.live = targets.filter((target) => !failed.some((one) => one.target === target))
    for (const { target, error } of failed) {
      this.behind.set(target.repository.name, target.from)
      this.parts.onBehind?.(target, error)
    }
  }

  private confirm(): void {
    for (let first = this.unconfirmed[0]; first !== undefined; first = this.unconfirmed[0]) {
      const { timeline, endLsn } = first
      if ([...this.behind.values()].some((position) => !has(position, timeline, endLsn))) return
      this.unconfirmed.shift()
      this.parts.onDurable(first)
    }
  }

  private async put(target: StoreTarget, chunk: SealedChunk): Promise<void> {
    const known = has(target.from, chunk.timeline, chunk.endLsn)
    const info = known ? undefined : await target.repository.wal.put(this.asStored(chunk), this.parts.signal)
    this.parts.onStored(chunk, target.repository, info)
  }

  private asStored(chunk: SealedChunk): WalChunk {
    const { systemIdentifier, segmentBytes, postgresVersion } = this.parts.shape
    const { timeline, startLsn, bytes, changeMap, contents, commits, problem } = chunk
    return {
      systemIdentifier,
      timeline,
      startLsn,
      walSegmentBytes: segmentBytes,
      postgresVersion,
      bytes,
      changeMap,
      contents,
      commits,
      problem,
    }
  }
}

export function has(held: WalPosition | undefined, timeline: number, endLsn: Lsn): boolean {
  if (held === undefined) return false
  return held.timeline > timeline || (held.timeline === timeline && held.lsn >= endLsn)
}
