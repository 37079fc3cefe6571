// What is known of one receiver: positions, ages, who waits.
import type { Clock } from '../../base/clock.ts'
import { formatTime } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import type { WalStatus } from '../contract.ts'
import type { ChunkCutter } from './chunk-cutter.ts'
import { receiverErrors } from './errors.ts'
import type { Member } from './members.ts'
import type { WalPosition } from './resume.ts'
import type { StoreQueue } from './store-queue.ts'

/** Whoever waits for WAL is told after receiving has failed for this long without a break. */
const PATIENCE_MS = 60_000
/** Status is passed on at most this often. */
const STATUS_EVERY_MS = 1000

interface Waiter {
  readonly lsn: Lsn
  /** Undefined: every required one. */
  readonly repository: string | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class ReceiverState {
  private readonly warehouse: Warehouse
  private readonly members: readonly Member[]
  private readonly clock: Clock
  private readonly onStatus: ((status: readonly WalStatus[]) => void) | undefined
  private phase: WalStatus['state'] = 'connecting'
  private timeline: number | undefined
  private readonly storedLsn = new Map<string, Lsn>()
  /** Why a repository is behind, while others go on. */
  private readonly troubles = new Map<string, unknown>()
  private serverLsn: Lsn | undefined
  private lastMessageMs: number | undefined
  /** Monotonic: when we last knew that nothing was missing. */
  private completeAt: number | undefined
  private failure: { readonly error: unknown; readonly since: number } | undefined
  private flow: { readonly cutter: ChunkCutter; readonly queue: StoreQueue } | undefined
  private readonly waiters = new Set<Waiter>()
  private told = -Infinity
  /** Set by a receiver that is synchronous. */
  synchronous: { readonly spool: string; flushedLsn: Lsn | undefined; warnings: readonly string[] } | undefined
  /** End of what is durable in every required repository; undefined before the first chunk of this run. */
  durable: Lsn | undefined

  constructor(parts: {
    warehouse: Warehouse
    members: readonly Member[]
    clock: Clock
    onStatus?: (status: readonly WalStatus[]) => void
  }) {
    this.warehouse = parts.warehouse
    this.members = parts.members
    this.clock = parts.clock
    this.onStatus = parts.onStatus
  }

  // ------------------------------------------------------------ what happens

  connecting(): void {
    if (this.phase !== 'failing') this.phase = 'connecting'
    this.tell(true)
  }

  /** `targets` hold everything before the start. */
  streaming(start: WalPosition, flow: { cutter: ChunkCutter; queue: StoreQueue }, targets: readonly string[]): void {
    this.timeline = start.timeline
    this.flow = flow
    for (const name of targets) this.storedLsn.set(name, start.lsn)
    this.completeAt ??= this.clock.monotonic()
  }

  alive(): void {
    this.phase = 'streaming'
    this.failure = undefined
    this.tell(true)
  }

  received(at: { endLsn: Lsn; serverLsn: Lsn }): void {
    if (this.phase !== 'streaming') this.alive()
    this.serverLsn = at.serverLsn
    this.lastMessageMs = this.clock.now()
    this.tell()
  }

  holds(repository: string, lsn: Lsn): void {
    this.storedLsn.set(repository, lsn)
    for (const waiter of this.waiters) if (waiter.repository === repository && waiter.lsn <= lsn) this.release(waiter)
  }

  /** Undefined: it works again. True where that is news. */
  trouble(repository: string, error: unknown): boolean {
    const isNews = this.troubles.has(repository) !== (error !== undefined)
    if (error === undefined) this.troubles.delete(repository)
    else this.troubles.set(repository, error)
    if (isNews) this.tell(true)
    return isNews
  }

  durableUpTo(lsn: Lsn): void {
    this.durable = lsn
    for (const waiter of this.waiters) if (waiter.repository === undefined && waiter.lsn <= lsn) this.release(waiter)
    this.tell()
  }

  failed(error: unknown): void {
    const now = this.clock.monotonic()
    this.phase = 'failing'
    this.flow = undefined
    this.failure = { error, since: this.failure?.since ?? now }
    if (now - this.failure.since > PATIENCE_MS) {
      for (const waiter of this.waiters) {
        this.waiters.delete(waiter)
        const { name: warehouse } = this.warehouse.declaration
        waiter.reject(
          receiverErrors.noWalYet({ warehouse, lsn: formatLsn(waiter.lsn), why: messageOf(error) }, { cause: error }),
        )
      }
    }
    this.tell(true)
  }

  stopped(): void {
    this.phase = 'stopped'
    this.flow = undefined
    this.tell(true)
  }

  // ------------------------------------------------------------ who waits

  /** The nearest position that somebody waits for. */
  wantedLsn(): Lsn | undefined {
    let nearest: Lsn | undefined
    for (const { lsn } of this.waiters) if (nearest === undefined || lsn < nearest) nearest = lsn
    return nearest
  }

  async waitDurable(lsn: Lsn, signal: AbortSignal, repository?: string): Promise<void> {
    signal.throwIfAborted()
    const held = repository === undefined ? this.durable : this.storedLsn.get(repository)
    if (held !== undefined && held >= lsn) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter = { lsn, repository, resolve, reject }
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.waiters.add(waiter)
    this.hurry(lsn)
    try {
      await promise
    } finally {
      this.waiters.delete(waiter)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** What is in hand already is sealed without waiting for the next look at it. */
  private hurry(lsn: Lsn): void {
    if (!this.flow?.queue.hasRoom || lsn <= this.flow.cutter.startLsn || lsn > this.flow.cutter.endLsn) return
    const chunk = this.flow.cutter.seal()
    if (chunk) this.flow.queue.add(chunk)
  }

  private release(waiter: Waiter): void {
    this.waiters.delete(waiter)
    waiter.resolve()
  }

  // ------------------------------------------------------------ what others see

  status(): readonly WalStatus[] {
    const lagMs = this.lagMs()
    return this.members.map(({ name, required }): WalStatus => {
      const stored = this.storedLsn.get(name)
      const trouble = this.troubles.get(name)
      const failure = this.failure?.error ?? trouble
      const lag = stored !== undefined && this.serverLsn !== undefined ? Number(this.serverLsn - stored) : undefined
      // The age of what is missing is known of those only that WAL counts as durable by.
      const ownLagMs = trouble === undefined && (required || lag === 0) ? lagMs : undefined
      return {
        warehouse: this.warehouse.declaration.name,
        repository: name,
        required,
        state: trouble === undefined ? this.phase : 'failing',
        timeline: this.timeline,
        durableLsn: stored === undefined ? undefined : formatLsn(stored),
        serverLsn: this.serverLsn === undefined ? undefined : formatLsn(this.serverLsn),
        lagBytes: lag === undefined ? undefined : Math.max(0, lag),
        lagMs: ownLagMs,
        lastMessageAt: this.lastMessageMs === undefined ? undefined : formatTime(this.lastMessageMs),
        error: failure === undefined ? undefined : describe(failure),
        ...(this.synchronous === undefined ? {} : { synchronous: synchronousOf(this.synchronous) }),
      }
    })
  }

  /** While a stream is open: the age of the oldest byte in hand, 0 without one. Else the time since nothing was missing. */
  private lagMs(): number | undefined {
    const now = this.clock.monotonic()
    if (this.flow) {
      const oldest = this.flow.queue.oldestByteAt ?? this.flow.cutter.firstByteAt
      if (oldest !== undefined) return Math.round(now - oldest)
      this.completeAt = now
      return 0
    }
    return this.completeAt === undefined ? undefined : Math.round(now - this.completeAt)
  }

  private tell(atOnce = false): void {
    const now = this.clock.monotonic()
    if (!this.onStatus || (!atOnce && now - this.told < STATUS_EVERY_MS)) return
    this.told = now
    this.onStatus(this.status())
  }
}

function synchronousOf(of: NonNullable<ReceiverState['synchronous']>): WalStatus['synchronous'] {
  const { spool, flushedLsn, warnings } = of
  return { spool, flushedLsn: flushedLsn === undefined ? undefined : formatLsn(flushedLsn), warnings }
}

function describe(error: unknown): WalStatus['error'] {
  const hint = isWharfError(error) ? error.hint : undefined
  return {
    code: isWharfError(error) ? error.code : 'backup.defect',
    message: messageOf(error),
    ...(hint === undefined ? {} : { hint }),
  }
}
