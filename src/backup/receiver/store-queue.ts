// Stores sealed chunks in every repository, in order, while the next ones are received. Bounded: who would put in too much waits.
import type { Repository, WalChunk } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { SealedChunk, WalShape } from './chunk-cutter.ts'
import type { WalPosition } from './resume.ts'

/** Chunks that wait or are being stored. Each has at most 16 MB. */
const MOST_QUEUED = 3

export interface StoreTarget {
  readonly repository: Repository
  /** End of what it holds already: nothing before is stored again. Undefined: nothing. */
  readonly from: WalPosition | undefined
}

export class StoreQueue {
  private readonly targets: readonly StoreTarget[]
  private readonly shape: WalShape
  private readonly signal: AbortSignal
  private readonly onStored: (chunk: SealedChunk, repository: Repository) => void
  private readonly onDurable: (chunk: SealedChunk) => void
  private tail: Promise<void> = Promise.resolve()
  private waiting: SealedChunk[] = []
  private failure: { readonly error: unknown } | undefined
  private roomMade: (() => void) | undefined

  constructor(parts: {
    targets: readonly StoreTarget[]
    shape: WalShape
    signal: AbortSignal
    onStored: (chunk: SealedChunk, repository: Repository) => void
    onDurable: (chunk: SealedChunk) => void
  }) {
    this.targets = parts.targets
    this.shape = parts.shape
    this.signal = parts.signal
    this.onStored = parts.onStored
    this.onDurable = parts.onDurable
  }

  get hasRoom(): boolean {
    return this.waiting.length < MOST_QUEUED
  }

  /** When the first byte came that is not durable yet (monotonic clock); undefined where all is. */
  get oldestByteAt(): number | undefined {
    return this.waiting[0]?.firstByteAt
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

  /** Resolves when everything put in is durable; rejects if storing failed. */
  async drained(): Promise<void> {
    await this.tail
    this.throwIfFailed()
  }

  private async store(chunk: SealedChunk): Promise<void> {
    try {
      if (this.failure) return
      await Promise.all(this.targets.map((target) => this.put(target, chunk)))
      this.waiting.shift()
      chunk.release()
      this.onDurable(chunk)
    } catch (error) {
      this.failure = { error }
    } finally {
      this.roomMade?.()
      this.roomMade = undefined
    }
  }

  private async put(target: StoreTarget, chunk: SealedChunk): Promise<void> {
    if (!has(target.from, chunk.timeline, chunk.endLsn)) {
      await target.repository.wal.put(this.asStored(chunk), this.signal)
    }
    this.onStored(chunk, target.repository)
  }

  private asStored(chunk: SealedChunk): WalChunk {
    const { systemIdentifier, segmentBytes, postgresVersion } = this.shape
    const { timeline, startLsn, bytes, changeMap, commits, problem } = chunk
    return {
      systemIdentifier,
      timeline,
      startLsn,
      walSegmentBytes: segmentBytes,
      postgresVersion,
      bytes,
      changeMap,
      commits,
      problem,
    }
  }
}

function has(held: WalPosition | undefined, timeline: number, endLsn: Lsn): boolean {
  if (held === undefined) return false
  return held.timeline > timeline || (held.timeline === timeline && held.lsn >= endLsn)
}
