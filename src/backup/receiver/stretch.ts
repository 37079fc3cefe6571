// One connection's worth of receiving: from the first byte until the server ends the timeline, the connection breaks or we are told to stop.
import type { Clock } from '../../base/clock.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { WalStreamSource } from '../../warehouse/contract.ts'
import type { ChunkCutter } from './chunk-cutter.ts'
import type { StoreQueue } from './store-queue.ts'

/** How often ages and silence are looked at. */
const TICK_MS = 100
/** A stream that is refused is refused at once; one that lasts this long stands, even if the server has nothing to send. */
const ALIVE_MS = 500

export interface StretchParts {
  readonly source: WalStreamSource
  readonly cutter: ChunkCutter
  readonly queue: StoreQueue
  readonly clock: Clock
  readonly sealAfterMs: number
  /** The connection counts as dead after this long without a word. */
  readonly aliveAfterMs: number
  /** Whether somebody waits for WAL up to here: then it is sealed at once. */
  readonly wantedLsn: () => Lsn | undefined
  /** Each message as it comes, before anything else is done with it. */
  readonly onMessage: (bytes: Buffer) => void
  readonly onBytes: (at: { endLsn: Lsn; serverLsn: Lsn }) => void
  /** The stream stands: the server took the command and nothing has failed since. */
  readonly onAlive: () => void
  readonly onSilent: () => void
  readonly onQueueFailed: () => void
}

export class Stretch {
  private readonly parts: StretchParts
  private readonly over = new AbortController()

  constructor(parts: StretchParts) {
    this.parts = parts
  }

  /** Resolves when the server ended the stream. What was received is sealed and in the queue by then, also when it rejects. */
  async run(): Promise<void> {
    const { source, cutter, queue, clock } = this.parts
    const ticking = this.tick()
    try {
      for await (const message of source.messages()) {
        this.parts.onMessage(message.bytes)
        if (!queue.hasRoom) await queue.room()
        for (const chunk of cutter.push(message.bytes, clock.monotonic())) queue.add(chunk)
        this.parts.onBytes({ endLsn: cutter.endLsn, serverLsn: message.serverLsn })
        if (this.isWanted()) this.seal()
      }
    } finally {
      this.over.abort()
      await ticking
      const last = cutter.seal()
      if (last) queue.add(last)
    }
    queue.throwIfFailed()
  }

  private async tick(): Promise<void> {
    const { source, clock, aliveAfterMs, queue } = this.parts
    const startedAt = clock.monotonic()
    let alive = false
    while (!this.over.signal.aborted) {
      await clock.sleep(TICK_MS, this.over.signal).catch(() => {})
      if (this.over.signal.aborted) return
      if (!alive && clock.monotonic() - startedAt > ALIVE_MS) {
        alive = true
        this.parts.onAlive()
      }
      if (queue.hasFailed) this.parts.onQueueFailed()
      this.sealIfDue()
      if (source.silentForMs() > aliveAfterMs) this.parts.onSilent()
    }
  }

  private sealIfDue(): void {
    const { cutter, clock, sealAfterMs } = this.parts
    if (cutter.firstByteAt === undefined) return
    if (clock.monotonic() - cutter.firstByteAt >= sealAfterMs || this.isWanted()) this.seal()
  }

  private isWanted(): boolean {
    const wanted = this.parts.wantedLsn()
    const { startLsn, endLsn } = this.parts.cutter
    return wanted !== undefined && wanted > startLsn && wanted <= endLsn
  }

  private seal(): void {
    const { cutter, queue } = this.parts
    const chunk = queue.hasRoom ? cutter.seal() : undefined
    if (chunk) queue.add(chunk)
  }
}
