// Receives the WAL of one warehouse into its repositories, for ever: connects, streams, stores, reports, and comes back after every failure.
import { isWharfError, messageOf, type WharfError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { Repository } from '../../repository/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { segmentStart } from '../../wal/segments.ts'
import { timelineAt } from '../../wal/timelines.ts'
import type { ReplicationSession, Warehouse, WalStreamSource } from '../../warehouse/contract.ts'
import type { WalStatus } from '../contract.ts'
import { ChunkCutter, freshParser, type PrimedParser } from './chunk-cutter.ts'
import { receiverErrors } from './errors.ts'
import { Laggard } from './laggard.ts'
import { openedMember, type Member } from './members.ts'
import { open, type Opening, type WalHole } from './opening.ts'
import { primeParser } from './prime.ts'
import type { WalPosition } from './resume.ts'
import { ReceiverState } from './state.ts'
import { completeSpool, removeSpool } from './spool/complete.ts'
import { Spool } from './spool/spool.ts'
import { StoreQueue, type ChunkFacts } from './store-queue.ts'
import { Stretch } from './stretch.ts'
import { synchronousWarnings } from './synchronous.ts'

const FIRST_DELAY_MS = 200
const LONGEST_DELAY_MS = 15_000
/** How long the chunks in hand may take to become durable after we are told to stop. */
const DRAIN_MS = 20_000
/** WAL is stored after seconds; that it is read some milliseconds later costs nothing and saves most of the cost of short transactions. */
const GATHER_MS = 10

export interface ReceiverOptions {
  readonly warehouse: Warehouse
  /** Those that are open already, all required. */
  readonly repositories?: readonly Repository[]
  /** Those that are opened when they can be. */
  readonly members?: readonly Member[]
  readonly slot: string
  /** Folder of the synchronous spool. Undefined: the server is told of WAL when every repository has it. */
  readonly spool?: string | undefined
  readonly sealAfterMs: number
  readonly aliveAfterMs: number
  readonly clock: Clock
  readonly log: Log
  /** Best effort: an operator should know. */
  readonly alert: (data: Readonly<Record<string, unknown>>) => Promise<void>
  /** Called now and then, when positions or state have changed. */
  readonly onStatus?: (status: readonly WalStatus[]) => void
}

export class Receiver {
  private readonly options: ReceiverOptions
  private readonly state: ReceiverState
  private readonly members: readonly Member[]
  private readonly laggards = new Map<string, Laggard>()
  private stores: StoreQueue | undefined

  constructor(options: ReceiverOptions) {
    this.options = options
    this.members = [...(options.repositories ?? []).map(openedMember), ...(options.members ?? [])]
    this.state = new ReceiverState({ ...options, members: this.members })
    if (options.spool !== undefined)
      this.state.synchronous = { spool: options.spool, flushedLsn: undefined, warnings: [] }
  }

  status(): readonly WalStatus[] {
    return this.state.status()
  }

  /**
   * Resolves once everything before `lsn` is durable in every required repository, or in the one that is named. Rejects when receiving has failed for
   * a minute.
   */
  waitDurable(lsn: Lsn, signal: AbortSignal, repository?: string): Promise<void> {
    return this.state.waitDurable(lsn, signal, repository)
  }

  /** Returns when `signal` aborts, after storing what was received. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, warehouse } = this.options
    for (let tries = 0; !signal.aborted; tries++) {
      const before = this.state.durable
      try {
        await this.connect(signal)
        tries = -1
        continue
      } catch (error) {
        if (signal.aborted) break
        if (this.state.durable !== before) tries = 0
        this.state.failed(error)
        const delayMs =
          Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** tries) * (0.5 + systemRandom.integer(500) / 1000)
        log.warn(
          {
            warehouse: warehouse.declaration.name,
            code: isWharfError(error) ? error.code : undefined,
            retryInMs: Math.round(delayMs),
          },
          messageOf(error),
        )
        await clock.sleep(delayMs, signal).catch(() => {})
      }
    }
    await Promise.all([...this.laggards.values()].map((one) => one.end()))
    this.laggards.clear()
    this.state.stopped()
  }

  /** One connection. Returns when the server ended a timeline: then the next goes on. */
  private async connect(signal: AbortSignal): Promise<void> {
    const { warehouse, slot } = this.options
    this.state.connecting()
    const members = this.members.filter((one) => one.required)
    // What was acknowledged comes first, whether the server is there or not.
    if (this.options.spool !== undefined) this.completed = await completeSpool(this.options.spool, members, signal)
    await using session = await this.session(signal)
    const opening = await open(session, { warehouse, members, slot, signal })
    await this.checkSynchronous(signal)
    await this.follow(opening)
    try {
      await this.receive(session, opening, {
        signal,
        start: opening.start,
        parser: await this.primed(opening, opening.start, signal),
      })
    } catch (error) {
      if (isWharfError(error, 'warehouse.slot-lost')) await this.renewSlot(signal)
      if (!isWharfError(error, 'warehouse.wal-gone'))
        throw slotInUse(error, { warehouse: warehouse.declaration.name, slot })
      await this.goOnBehindHole(opening, signal)
    }
  }

  /**
   * Whichever repository has WAL that leads to `start` will do: all hold the same bytes. That none was asked to go on exactly here says nothing: with a
   * second, empty repository the same WAL is received again from the start of a segment, where a record goes on that began in the one before.
   */
  private async primed(opening: Opening, start: WalPosition, signal: AbortSignal): Promise<PrimedParser> {
    // The first segment of a timeline goes on from its parent's WAL.
    const before = start.lsn > 0n ? timelineAt(opening.spans, start.lsn - 1n) : start.timeline
    for (const { repository } of opening.targets) {
      for (const timeline of new Set([start.timeline, before])) {
        const parser = await primeParser(repository.wal, { ...start, timeline }, opening.shape, signal)
        if (parser) return parser
      }
    }
    return freshParser(opening.shape, start.lsn)
  }

  /** Repositories that are not stored into as WAL comes are followed up, for as long as the receiver runs. */
  private async follow(opening: Opening): Promise<void> {
    for (const { repository } of opening.targets) {
      await this.laggards.get(repository.name)?.end()
      this.laggards.delete(repository.name)
      this.state.trouble(repository.name, undefined)
    }
    for (const { member, error } of opening.away) this.leaveBehind(member, opening, error)
    for (const member of this.members) if (!member.required) this.leaveBehind(member, opening)
  }

  private leaveBehind(member: Member, opening: Opening, error?: unknown): void {
    const { name } = member
    if (error !== undefined) this.tellBehind(member, error)
    if (this.laggards.has(name)) return
    const { warehouse, clock, log } = this.options
    const laggard = new Laggard({
      member,
      warehouse: warehouse.declaration.name,
      systemIdentifier: opening.shape.systemIdentifier,
      clock,
      log,
      sources: () => this.stores?.sources ?? [],
      onPosition: (position) => {
        this.state.holds(name, position.lsn)
        this.stores?.caughtUp(name, position)
      },
      onTrouble: (why) => (why === undefined ? this.state.trouble(name, undefined) : this.tellBehind(member, why)),
      onCaughtUp: async (repository, position) => {
        if (!member.required || !(await this.stores?.rejoin(repository, position))) return false
        this.laggards.delete(name)
        this.state.trouble(name, undefined)
        return true
      },
    })
    this.laggards.set(name, laggard)
  }

  /** Once for each time that it begins to fail. */
  private tellBehind({ name, required }: Member, error: unknown): void {
    if (!this.state.trouble(name, error)) return
    void this.options.alert({ reason: 'repository-behind', repository: name, required, message: messageOf(error) })
  }

  /** Spool files that all repositories have: they go as soon as the slot is ours. */
  private completed: readonly string[] = []

  /** A synchronous receiver goes by the name of its slot in synchronous_standby_names. */
  private session(signal: AbortSignal): Promise<ReplicationSession> {
    const { warehouse, slot, spool } = this.options
    return warehouse.connectReplication({
      purpose: 'receive',
      applicationName: spool === undefined ? undefined : slot,
      signal,
    })
  }

  private async checkSynchronous(signal: AbortSignal): Promise<void> {
    const { warehouse, slot, log } = this.options
    const { synchronous } = this.state
    if (!synchronous) return
    const warnings = await synchronousWarnings(warehouse, slot, signal)
    for (const warning of warnings)
      if (!synchronous.warnings.includes(warning)) log.warn({ warehouse: warehouse.declaration.name }, warning)
    synchronous.warnings = warnings
  }

  private async renewSlot(signal: AbortSignal): Promise<void> {
    await using session = await this.session(signal)
    await session.dropSlot(this.options.slot)
    await session.ensureSlot(this.options.slot)
  }

  /** The server has removed WAL that no repository holds: says which, and goes on from what is there. */
  private async goOnBehindHole(opening: Opening, signal: AbortSignal): Promise<void> {
    const { slot } = this.options
    await using session = await this.session(signal)
    const { timeline, flushLsn } = await session.identify()
    const { restartLsn } = await session.ensureSlot(slot)
    const start = { timeline, lsn: segmentStart(restartLsn ?? flushLsn, opening.shape.segmentBytes) }
    const hole: WalHole = { timeline: opening.start.timeline, fromLsn: opening.start.lsn, toLsn: start.lsn }
    await this.tellHole(hole)
    await this.receive(session, opening, { signal, start, parser: await this.primed(opening, start, signal) })
  }

  private async tellHole(hole: WalHole): Promise<void> {
    const what = { timeline: hole.timeline, fromLsn: formatLsn(hole.fromLsn), toLsn: formatLsn(hole.toLsn) }
    this.options.log.error(
      { warehouse: this.options.warehouse.declaration.name, ...what },
      'WAL is lost: the server no longer has it',
    )
    await this.options.alert({ reason: 'wal-hole', ...what })
  }

  // ------------------------------------------------------------ streaming

  private async receive(
    session: ReplicationSession,
    opening: Opening,
    from: { signal: AbortSignal; start: WalPosition; parser: PrimedParser },
  ): Promise<void> {
    const { clock, slot, sealAfterMs, aliveAfterMs } = this.options
    const stop = new AbortController()
    const storing = new AbortController()
    const onAbort = (): void => stop.abort(from.signal.reason)
    from.signal.addEventListener('abort', onAbort, { once: true })
    const source = session.stream({
      slot,
      timeline: from.start.timeline,
      startLsn: from.start.lsn,
      signal: stop.signal,
      // Somebody waits for each commit of a synchronous one.
      ...(this.options.spool === undefined ? { gatherMs: GATHER_MS } : {}),
    })
    const cutter = new ChunkCutter({ ...from.start, shape: opening.shape, parser: from.parser })
    await using spool = this.openSpool(opening, { start: from.start, source, cutter, stop })
    const queue = this.queue(opening, { source, cutter, spool, signal: storing.signal })
    this.stores = queue
    const targets = opening.targets.map(({ repository }) => repository.name)
    this.state.streaming(from.start, { cutter, queue }, targets)
    // Where a required repository is away nothing new may be called durable: the position stays what it was.
    if (opening.away.length === 0) {
      this.state.durableUpTo(from.start.lsn)
      source.report({ writtenLsn: from.start.lsn, flushedLsn: from.start.lsn })
    }
    const stretch = new Stretch({
      source,
      cutter,
      queue,
      clock,
      sealAfterMs,
      aliveAfterMs,
      wantedLsn: () => this.state.wantedLsn(),
      onMessage: (bytes) => spool?.add(bytes),
      onBytes: (at) => this.state.received(at),
      onAlive: () => this.state.alive(),
      onSilent: () => stop.abort(this.silent()),
      onQueueFailed: () => stop.abort(new Error('storing failed')),
    })
    try {
      await stretch.run()
    } catch (error) {
      await this.drain(queue, storing)
      // The failure of the store is the cause; the end of the stream is only what it led to.
      queue.throwIfFailed()
      throw error
    } finally {
      from.signal.removeEventListener('abort', onAbort)
    }
    await queue.drained()
    if (source.next() === undefined)
      throw receiverErrors.serverEnded({ warehouse: this.options.warehouse.declaration.name })
  }

  private openSpool(
    opening: Opening,
    at: { start: WalPosition; source: WalStreamSource; cutter: ChunkCutter; stop: AbortController },
  ): Spool | undefined {
    const { spool: folder } = this.options
    if (folder === undefined) return undefined
    return new Spool({
      folder,
      shape: opening.shape,
      timeline: at.start.timeline,
      startLsn: at.start.lsn,
      onFlushed: (lsn) => {
        // WAL came, so the slot is ours and nobody else's spool.
        const old = this.completed
        this.completed = []
        void removeSpool(old).catch(() => {})
        if (this.state.synchronous) this.state.synchronous.flushedLsn = lsn
        at.source.report({ writtenLsn: at.cutter.endLsn, flushedLsn: lsn })
      },
      onFailed: (error) => at.stop.abort(error),
    })
  }

  private queue(
    opening: Opening,
    at: { source: WalStreamSource; cutter: ChunkCutter; spool: Spool | undefined; signal: AbortSignal },
  ): StoreQueue {
    const { spool } = at
    return new StoreQueue({
      targets: opening.targets,
      behind: new Map(opening.away.map(({ member }) => [member.name, undefined])),
      shape: opening.shape,
      signal: at.signal,
      onStored: (chunk, repository, info) => {
        this.state.holds(repository.name, chunk.endLsn)
        if (info) for (const laggard of this.laggards.values()) laggard.tell(info)
      },
      onBehind: ({ repository }, error) => this.leaveBehind(openedMember(repository), opening, error),
      onDurable: (chunk) => {
        const flushedLsn = spool && spool.flushedLsn > chunk.endLsn ? spool.flushedLsn : chunk.endLsn
        at.source.report({ writtenLsn: at.cutter.endLsn, flushedLsn })
        this.state.durableUpTo(chunk.endLsn)
        void spool?.release(chunk.endLsn).catch(() => {})
        if (chunk.problem !== undefined) void this.tellProblem(chunk)
      },
    })
  }

  private async tellProblem(chunk: ChunkFacts): Promise<void> {
    const what = { fromLsn: formatLsn(chunk.startLsn), toLsn: formatLsn(chunk.endLsn), problem: chunk.problem }
    this.options.log.error(
      { warehouse: this.options.warehouse.declaration.name, ...what },
      'WAL was kept but could not be read',
    )
    await this.options.alert({ reason: 'wal-unreadable', timeline: chunk.timeline, ...what })
  }

  /** What was received becomes durable even though the stream has ended, as long as that does not take too long. */
  private async drain(queue: StoreQueue, storing: AbortController): Promise<void> {
    const patience = new AbortController()
    const late = this.options.clock.sleep(DRAIN_MS, patience.signal).then(
      () => storing.abort(),
      () => {},
    )
    await queue.drained().catch(() => {})
    patience.abort()
    await late
  }

  private silent(): WharfError {
    const { warehouse, aliveAfterMs } = this.options
    return receiverErrors.serverSilent({
      warehouse: warehouse.declaration.name,
      seconds: Math.round(aliveAfterMs / 1000),
    })
  }
}

function slotInUse(error: unknown, at: { warehouse: string; slot: string }): unknown {
  return /is active for PID/.test(messageOf(error)) ? receiverErrors.slotInUse(at, { cause: error }) : error
}
