// START_REPLICATION PHYSICAL over a pg client: WAL in order, back-pressure, keepalives, end of timeline.
//
// pg's own parser splits the protocol into messages; we are its active query from CopyBothResponse to ReadyForQuery. (pg-copy-streams' both()
// was read: it throws inside pg when the server refuses the command, and drops the result set that names the next timeline.)
import type { Client } from 'pg'

import type { Clock } from '../../base/clock.ts'
import { codeOf, messageOf } from '../../base/errors.ts'
import { formatLsn, parseLsn, type Lsn } from '../../wal/lsn.ts'
import { whereOf, type ConnectionTarget } from '../connection.ts'
import type { WalStreamSource } from '../contract.ts'
import { warehouseErrors } from '../errors.ts'
import { explainQuery } from '../session/failures.ts'
import { wireOf, type WireConnection } from '../session/wire.ts'
import { decodeMessage, encodeStatus } from './messages.ts'

/** The socket is paused above this many bytes that nobody has taken yet, and read again below half of it. */
const queueLimitBytes = 8 * 1024 * 1024
/** Without anything to report, the server still hears from us this often: wal_sender_timeout is a minute by default. */
const statusIntervalMs = 10_000
const slabBytes = 1024 * 1024
/** A message of this size says that the server has more: then nothing is gained by waiting. */
const fullMessageBytes = 8 * 1024

export interface StreamOptions {
  readonly slot: string | undefined
  readonly timeline: number
  readonly startLsn: Lsn
  readonly signal: AbortSignal
  /** See ReplicationSession.stream(). */
  readonly gatherMs?: number | undefined
}

interface Piece {
  readonly startLsn: Lsn
  readonly bytes: Buffer
  readonly serverLsn: Lsn
  readonly slab: Slab
}

/** Memory that pieces share; used again when the last of them was taken. */
interface Slab {
  readonly memory: Buffer
  used: number
  pieces: number
}

type RowFields = { readonly fields: readonly (string | null)[] }

export class PhysicalStream implements WalStreamSource {
  private readonly client: Client
  private readonly wire: WireConnection
  private readonly target: ConnectionTarget
  private readonly clock: Clock
  private readonly options: StreamOptions
  private readonly queue: Piece[] = []
  private queuedBytes = 0
  private paused = false
  private expected: Lsn
  private positions: { writtenLsn: Lsn; flushedLsn: Lsn }
  private lastHeard: number
  private started = false
  private streaming = false
  private ended = false
  /** The server said that it is done and is about to close the connection. */
  private shutDown = false
  private failure: Error | undefined
  private following: { timeline: number; startLsn: Lsn } | undefined
  private wakeReader: (() => void) | undefined
  private readonly over = new AbortController()

  constructor(client: Client, parts: { target: ConnectionTarget; clock: Clock; options: StreamOptions }) {
    this.client = client
    this.wire = wireOf(client)
    this.target = parts.target
    this.clock = parts.clock
    this.options = parts.options
    this.expected = parts.options.startLsn
    // Zero means "nothing yet": the slot stays where it is until the caller reports what is durable.
    this.positions = { writtenLsn: 0n, flushedLsn: 0n }
    this.lastHeard = parts.clock.monotonic()
  }

  // ---------------------------------------------------------------- for the caller

  async *messages(): AsyncGenerator<Piece> {
    this.start()
    try {
      for (;;) {
        const piece = this.queue.shift()
        if (piece) {
          this.take(piece)
          yield piece
          this.giveBack(piece)
          continue
        }
        if (this.options.signal.aborted) throw this.options.signal.reason
        if (this.failure) throw this.failure
        if (this.ended) return
        await new Promise<void>((resolve) => (this.wakeReader = resolve))
      }
    } finally {
      this.stop()
    }
  }

  report(positions: { writtenLsn: Lsn; flushedLsn: Lsn }): void {
    this.positions = positions
    this.sendStatus()
  }

  next(): { timeline: number; startLsn: Lsn } | undefined {
    return this.following
  }

  silentForMs(): number {
    // While we hold the socket, silence is ours.
    return this.paused ? 0 : this.clock.monotonic() - this.lastHeard
  }

  // ---------------------------------------------------------------- start and stop

  private start(): void {
    if (this.started) throw new Error('a WAL stream can be read only once')
    this.started = true
    this.options.signal.throwIfAborted()
    this.options.signal.addEventListener('abort', this.onAbort, { once: true })
    this.wire.on('replicationStart', this.onStart)
    this.wire.on('copyDone', this.onCopyDone)
    this.client.query(this as never)
    void this.keepTalking()
  }

  private stop(): void {
    this.options.signal.removeEventListener('abort', this.onAbort)
    this.wire.off('replicationStart', this.onStart)
    this.wire.off('copyDone', this.onCopyDone)
    this.over.abort()
    // Someone who stops reading in the middle cannot use this connection for anything else.
    if (!this.ended && !this.failure) this.wire.stream.destroy()
    this.queue.length = 0
  }

  private readonly onAbort = (): void => this.wake()

  private async keepTalking(): Promise<void> {
    while (!this.over.signal.aborted) {
      await this.clock.sleep(statusIntervalMs, this.over.signal).catch(() => {})
      if (!this.over.signal.aborted) this.sendStatus()
    }
  }

  private sendStatus(): void {
    if (!this.streaming || this.wire.stream.destroyed) return
    // A server with wal_sender_timeout = 0 says nothing while nothing happens: ask, so that silence means something.
    const wantsReply = this.silentForMs() > statusIntervalMs / 2
    this.wire.sendCopyFromChunk(encodeStatus(this.positions, { nowMs: this.clock.now(), wantsReply }))
  }

  private wake(): void {
    this.wakeReader?.()
    this.wakeReader = undefined
  }

  private take(piece: Piece): void {
    this.queuedBytes -= piece.bytes.length
    if (this.paused && this.queuedBytes < queueLimitBytes / 2) {
      this.paused = false
      this.lastHeard = this.clock.monotonic()
      if (!this.gathering) this.wire.stream.resume()
    }
  }

  private fail(error: Error): void {
    this.failure ??= error
    this.streaming = false
    this.wake()
  }

  // ---------------------------------------------------------------- what pg calls on its active query

  submit(connection: WireConnection): void {
    const slot = this.options.slot === undefined ? '' : `SLOT ${quoteSlot(this.options.slot)} `
    connection.query(
      `START_REPLICATION ${slot}PHYSICAL ${formatLsn(this.options.startLsn)} TIMELINE ${this.options.timeline}`,
    )
  }

  private readonly onStart = (): void => {
    this.streaming = true
    this.lastHeard = this.clock.monotonic()
  }

  handleCopyData(message: { chunk: Buffer }): void {
    this.lastHeard = this.clock.monotonic()
    const decoded = decodeMessage(message.chunk)
    if (decoded?.kind === 'wal') this.accept(decoded)
    else if (decoded?.kind === 'keepalive') {
      if (decoded.wantsReply) this.sendStatus()
    } else this.refuse(`a message of kind ${message.chunk[0]} with ${message.chunk.length} bytes`)
  }

  private accept(wal: { startLsn: Lsn; serverLsn: Lsn; bytes: Buffer }): void {
    if (this.failure) return
    if (wal.startLsn !== this.expected) {
      this.refuse(`WAL from ${formatLsn(wal.startLsn)} came where ${formatLsn(this.expected)} was expected`)
      return
    }
    this.expected += BigInt(wal.bytes.length)
    this.queue.push({ startLsn: wal.startLsn, serverLsn: wal.serverLsn, ...this.copy(wal.bytes) })
    this.queuedBytes += wal.bytes.length
    if (!this.paused && this.queuedBytes > queueLimitBytes) {
      this.paused = true
      this.wire.stream.pause()
    } else if (wal.bytes.length < fullMessageBytes) this.gather()
    this.wake()
  }

  private slab: Slab = { memory: Buffer.alloc(0), used: 0, pieces: 0 }
  private readonly spareSlabs: Slab[] = []
  /** A copy, since the parser uses its buffer again. Memory of its own for each would cost the garbage collector more than the copying. */
  private copy(bytes: Buffer): Pick<Piece, 'bytes' | 'slab'> {
    if (this.slab.used + bytes.length > this.slab.memory.length) {
      const spare = bytes.length <= slabBytes ? this.spareSlabs.pop() : undefined
      this.slab = spare ?? { memory: Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes.length)), used: 0, pieces: 0 }
    }
    const { slab } = this
    const at = slab.used
    slab.used += bytes.length
    slab.pieces++
    slab.memory.set(bytes, at)
    return { bytes: slab.memory.subarray(at, slab.used), slab }
  }

  /** The caller has asked for the next piece: nobody needs this one any more. */
  private giveBack({ slab }: Piece): void {
    if (--slab.pieces > 0) return
    slab.used = 0
    if (slab !== this.slab && slab.memory.length === slabBytes) this.spareSlabs.push(slab)
  }

  private gathering = false
  /** Lets small messages pile up in the socket: each read costs more than parsing what it brings. */
  private gather(): void {
    const { gatherMs } = this.options
    if (gatherMs === undefined || this.gathering || this.paused) return
    this.gathering = true
    this.wire.stream.pause()
    void this.clock.sleep(gatherMs, this.over.signal).then(
      () => {
        this.gathering = false
        if (!this.paused) this.wire.stream.resume()
      },
      () => {},
    )
  }

  private refuse(reason: string): void {
    this.fail(warehouseErrors.badStream({ what: this.target.what, where: whereOf(this.target), reason }))
    this.wire.stream.destroy()
  }

  /** The server has no more WAL on this timeline, or is shutting down: say the same, then the result set comes. */
  private readonly onCopyDone = (): void => {
    if (!this.streaming) return
    this.sendStatus()
    this.streaming = false
    this.wire.endCopyFrom()
  }

  handleRowDescription(): void {}

  handleDataRow(row: RowFields): void {
    const [timeline, startLsn] = row.fields
    if (timeline && startLsn) this.following = { timeline: Number(timeline), startLsn: parseLsn(startLsn) }
  }

  /** While WAL flows this is how a server says good-bye when it shuts down; after CopyDone it only ends the result set. */
  handleCommandComplete(): void {
    if (this.streaming) this.shutDown = true
  }

  handleReadyForQuery(): void {
    this.ended = true
    this.streaming = false
    this.wake()
  }

  handleError(error: unknown): void {
    if (this.shutDown) this.handleReadyForQuery()
    else this.fail(explainStream(error, this.target, this.options.slot))
  }
}

/** Slot names are identifiers of the replication grammar. */
export function quoteSlot(name: string): string {
  if (!/^[a-z0-9_]{1,63}$/.test(name)) throw new Error(`not a slot name: ${name}`)
  return name
}

/** SQLSTATE of a slot that somebody uses. */
const objectInUse = '55006'

/** What went wrong with a slot or a stream. */
export function explainStream(error: unknown, target: ConnectionTarget, slot: string | undefined): Error {
  const reason = messageOf(error)
  const at = { what: target.what, where: whereOf(target), reason }
  if (/has already been removed|no longer available/.test(reason)) return warehouseErrors.walGone(at, { cause: error })
  if (slot !== undefined && codeOf(error) === objectInUse)
    return warehouseErrors.slotBusy({ ...at, slot }, { cause: error })
  if (slot !== undefined && /slot|invalidated/.test(reason))
    return warehouseErrors.slotLost({ ...at, slot }, { cause: error })
  return explainQuery(error, target)
}
