// Records out of a stream of WAL bytes that comes in pieces of any size, checked as PostgreSQL checks them.
import { recordCrc } from './crc32c.ts'
import { errors } from './errors.ts'
import {
  KNOWN_PAGE_FLAGS,
  LONG_HEADER_BYTES,
  pageFlags,
  pageMagics,
  RECORD_HEADER_BYTES,
  rmgr,
  SHORT_HEADER_BYTES,
  WAL_PAGE_BYTES,
  xlogInfo,
} from './layouts.ts'
import { formatLsn, type Lsn } from './lsn.ts'
import { WalRecord, type RecordSink } from './record.ts'

export interface RecordStreamOptions {
  /** Where the first byte pushed stands. */
  readonly startLsn: Lsn
  readonly majorVersion: number
  readonly segmentBytes: number
  /** Checked against long page headers where given. */
  readonly systemIdentifier?: bigint
  /** `startLsn` is known to be the start of a record (a redo point, the end of another record). Default: search from the next page on. */
  readonly atRecord?: boolean
  /** `startLsn` is known to lie in the void behind a switch record, or at the end of the segment that it ended. */
  readonly afterSwitch?: boolean
  /** Default true. Readers of segments that were verified before can leave it out. */
  readonly checkCrc?: boolean
}

/** Something in the bytes that is not WAL as it should be. The stream goes on at the next page where a record starts. */
export interface StreamProblem {
  readonly lsn: Lsn
  readonly message: string
}

const modes = { searching: 0, header: 1, boundary: 2, assembling: 3, skipping: 4 } as const

/**
 * Incremental parser of one timeline's WAL. push() may be given any slices, in order; every record that is complete by then has been
 * handed to the sink when it returns. After a fault it searches the next record start by itself; `problems` tells.
 */
export class RecordStream {
  readonly baseLsn: Lsn
  readonly problems: StreamProblem[] = []
  /** How many records were handed out. */
  recordCount = 0

  private readonly sink: RecordSink
  private readonly record = new WalRecord()
  private readonly magic: number
  private readonly segmentBytes: number
  private readonly systemIdentifier: bigint | undefined
  private readonly checkCrc: boolean

  /** Next byte to consume, from baseLsn. */
  private position = 0
  /** Low 32 and high 21 bits of the absolute position of the page that is being read. */
  private pageLow = 0
  private pageHigh = 0
  private inPage = 0
  private mode: number = modes.header
  /** True until the first record was found, and after a fault until the next. */
  private lost: boolean
  private readonly head = Buffer.alloc(LONG_HEADER_BYTES)
  private readonly headView = new DataView(this.head.buffer, this.head.byteOffset, LONG_HEADER_BYTES)
  private headFill = 0
  /** Bytes to pass over: padding, the rest of a segment after a switch, a continuation whose start is unknown. */
  private skip = 0
  /** Skipping to the segment's end after a switch record: page headers are zeros there. */
  private skipPages = false

  private scratch = Buffer.allocUnsafeSlow(16_384)
  private scratchView = new DataView(this.scratch.buffer)
  private scratchFill = 0
  private total = 0
  private recordStart = 0
  private recordLow = 0
  private recordHigh = 0
  /** Start of the record before; known = −1 in `previousHigh` if not. */
  private previousLow = 0
  private previousHigh = -1

  constructor(options: RecordStreamOptions, sink: RecordSink) {
    const magic = pageMagics[options.majorVersion]
    if (magic === undefined) throw errors.unsupportedVersion(options.majorVersion)
    this.magic = magic
    this.sink = sink
    this.baseLsn = options.startLsn
    this.segmentBytes = options.segmentBytes
    this.systemIdentifier = options.systemIdentifier
    this.checkCrc = options.checkCrc ?? true
    this.inPage = Number(options.startLsn % BigInt(WAL_PAGE_BYTES))
    this.setPage(options.startLsn - BigInt(this.inPage))
    this.lost = options.atRecord !== true && options.afterSwitch !== true
    const within = Number(options.startLsn % BigInt(this.segmentBytes))
    if (options.afterSwitch === true && within > 0) this.skipTo(this.segmentBytes - within)
    else if (this.inPage === 0) this.mode = modes.header
    else if (this.lost) this.mode = modes.searching
    else this.mode = modes.boundary
  }

  /** Everything before this LSN was consumed. */
  get endLsn(): Lsn {
    return this.baseLsn + BigInt(this.position)
  }

  /** Whether the stream knows where records start: false before the first record was found and after a fault. */
  get synced(): boolean {
    return !this.lost
  }

  /** Start of the record that is begun and not complete; undefined at a boundary. */
  get openRecordLsn(): Lsn | undefined {
    return this.mode === modes.assembling || (this.mode === modes.header && this.scratchFill > 0)
      ? this.baseLsn + BigInt(this.recordStart)
      : undefined
  }

  push(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    while (at < bytes.length) {
      switch (this.mode) {
        case modes.header:
          at = this.readHeader(bytes, at)
          break
        case modes.boundary:
          at = this.readRecords(bytes, view, at)
          break
        case modes.assembling:
          at = this.assemble(bytes, at)
          break
        case modes.skipping:
          at = this.pass(bytes, at)
          break
        default:
          at = this.advance(at, Math.min(bytes.length - at, WAL_PAGE_BYTES - this.inPage))
      }
    }
  }

  // ------------------------------------------------------------ positions

  private setPage(lsn: Lsn): void {
    this.pageLow = Number(lsn & 0xffff_ffffn)
    this.pageHigh = Number(lsn >> 32n)
  }

  /** Consumes `count` bytes that lie within the page; at its end the next header is due. */
  private advance(at: number, count: number): number {
    this.position += count
    this.inPage += count
    if (this.inPage === WAL_PAGE_BYTES) {
      this.inPage = 0
      this.pageLow += WAL_PAGE_BYTES
      if (this.pageLow === 0x1_0000_0000) {
        this.pageLow = 0
        this.pageHigh++
      }
      this.headFill = 0
      if (!this.skipPages) this.mode = modes.header
    }
    return at + count
  }

  private lsnAt(position: number): Lsn {
    return this.baseLsn + BigInt(position)
  }

  private fault(position: number, message: string): void {
    if (this.problems.length < 100) this.problems.push({ lsn: this.lsnAt(position), message })
    this.lose()
  }

  private lose(): void {
    this.lost = true
    this.scratchFill = 0
    this.total = 0
    this.skip = 0
    this.skipPages = false
    this.previousHigh = -1
    this.mode = this.inPage === 0 ? modes.header : modes.searching
  }

  // ------------------------------------------------------------ page headers

  private readHeader(bytes: Uint8Array, from: number): number {
    let at = from
    // The rest of a segment that was switched has no headers: advance() leaves the mode alone there.
    while (this.headFill < SHORT_HEADER_BYTES || (this.headFill < LONG_HEADER_BYTES && this.isLong())) {
      if (at === bytes.length) return at
      const wanted = this.headFill < SHORT_HEADER_BYTES ? SHORT_HEADER_BYTES : LONG_HEADER_BYTES
      const count = Math.min(wanted - this.headFill, bytes.length - at)
      this.head.set(bytes.subarray(at, at + count), this.headFill)
      this.headFill += count
      this.position += count
      this.inPage += count
      at += count
    }
    const fault = this.checkHeader()
    if (fault === undefined) this.enterPage()
    else this.fault(this.position - this.inPage, fault)
    return at
  }

  private isLong(): boolean {
    return (this.headView.getUint16(2, true) & pageFlags.longHeader) !== 0
  }

  private checkHeader(): string | undefined {
    const head = this.headView
    const magic = head.getUint16(0, true)
    if (magic !== this.magic)
      return `page magic is ${magic.toString(16).toUpperCase()}, ${this.magic.toString(16).toUpperCase()} expected`
    const info = head.getUint16(2, true)
    if ((info & ~KNOWN_PAGE_FLAGS) !== 0) return `page flags ${info.toString(16)} are not known`
    if (head.getUint32(8, true) !== this.pageLow || head.getUint32(12, true) !== this.pageHigh) {
      return `page says it is at ${formatLsn(this.head.readBigUInt64LE(8))}`
    }
    const atSegment = this.pageLow % this.segmentBytes === 0
    if (atSegment !== this.isLong())
      return atSegment ? 'first page of a segment has a short header' : 'long page header within a segment'
    if (!atSegment) return undefined
    if (head.getUint32(32, true) !== this.segmentBytes)
      return `page says that segments have ${head.getUint32(32, true)} bytes`
    if (head.getUint32(36, true) !== WAL_PAGE_BYTES)
      return `page says that WAL pages have ${head.getUint32(36, true)} bytes`
    const identifier = this.head.readBigUInt64LE(24)
    if (this.systemIdentifier !== undefined && identifier !== this.systemIdentifier)
      return `page belongs to the cluster ${identifier}`
    return undefined
  }

  /** The header is good: decides how the page goes on. */
  private enterPage(): void {
    const info = this.headView.getUint16(2, true)
    const remaining = info & pageFlags.continuation ? this.headView.getUint32(16, true) : 0
    if (info & pageFlags.overwritesContinuation) this.abandonRecord()
    if (this.scratchFill > 0) {
      if (remaining === 0 || (this.total > 0 && remaining !== this.total - this.scratchFill)) {
        this.fault(this.position, `record at ${formatLsn(this.lsnAt(this.recordStart))} is not continued here`)
      } else this.mode = modes.assembling
      return
    }
    if (remaining > 0) {
      if (this.lost) this.skipContinuation(remaining)
      else this.fault(this.position, 'page continues a record that did not begin')
      return
    }
    this.mode = modes.boundary
  }

  /** The server crashed within a record and wrote on behind it: what was begun never happened. */
  private abandonRecord(): void {
    this.scratchFill = 0
    this.total = 0
  }

  private skipContinuation(remaining: number): void {
    const room = WAL_PAGE_BYTES - this.inPage
    const padded = (remaining + 7) & ~7
    if (padded >= room || remaining > room) {
      this.mode = modes.searching
      return
    }
    this.skip = padded
    this.mode = modes.skipping
  }

  // ------------------------------------------------------------ records

  /** Hands out records that lie whole in this page and slice; starts to assemble the one that does not. */
  private readRecords(bytes: Uint8Array, view: DataView, from: number): number {
    let at = from
    const end = Math.min(bytes.length, from + WAL_PAGE_BYTES - this.inPage)
    for (;;) {
      const available = end - at
      if (available < RECORD_HEADER_BYTES) break
      const total = view.getUint32(at, true)
      if (total > available || total < RECORD_HEADER_BYTES) break
      this.beginRecord(total)
      this.record.bytes = bytes
      this.record.view = view
      this.record.at = at
      const padded = (total + 7) & ~7
      if (!this.finishRecord(this.position + padded)) return this.advance(at, total)
      if (padded > available) {
        at = this.advance(at, total)
        this.startSkip(padded - total)
        return at
      }
      this.position += padded
      this.inPage += padded
      at += padded
      if (this.mode !== modes.boundary) break
    }
    if (this.inPage === WAL_PAGE_BYTES) return this.advance(at, 0)
    if (this.mode !== modes.boundary || at === bytes.length) return at
    this.beginRecord(0)
    this.mode = modes.assembling
    return at
  }

  private beginRecord(total: number): void {
    this.total = total
    this.recordStart = this.position
    this.recordLow = this.pageLow + this.inPage
    this.recordHigh = this.pageHigh
  }

  /** Copies what belongs to the record begun, up to the page's end. */
  private assemble(bytes: Uint8Array, from: number): number {
    let at = from
    if (this.total === 0) {
      // The length lies within the first 8 bytes, which never cross a page, but the slice may end among them.
      at = this.collect(bytes, at, 4)
      if (this.scratchFill < 4) return at
      this.total = this.scratchView.getUint32(0, true)
      if (this.total < RECORD_HEADER_BYTES) {
        const zero = this.total === 0
        this.fault(
          this.recordStart,
          zero ? 'zeros stand where a record should start' : `record says it has ${this.total} bytes`,
        )
        return at
      }
    }
    at = this.collect(bytes, at, this.total)
    if (this.mode !== modes.assembling || this.scratchFill < this.total) return at
    this.record.bytes = this.scratch
    this.record.view = this.scratchView
    this.record.at = 0
    const padding = ((this.total + 7) & ~7) - this.total
    this.mode = modes.boundary
    this.scratchFill = 0
    if (!this.finishRecord(this.position + padding)) return at
    if (padding > 0) this.startSkip(padding)
    return at
  }

  private collect(bytes: Uint8Array, at: number, upTo: number): number {
    const count = Math.min(upTo - this.scratchFill, bytes.length - at, WAL_PAGE_BYTES - this.inPage)
    this.reserve(this.scratchFill + count)
    this.scratch.set(bytes.subarray(at, at + count), this.scratchFill)
    this.scratchFill += count
    const complete = this.scratchFill === upTo && this.total === upTo
    // A record that ends with the page is handed out before the next header comes.
    if (!complete) return this.advance(at, count)
    this.position += count
    this.inPage += count
    return at + count
  }

  private reserve(bytes: number): void {
    if (bytes <= this.scratch.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.scratch.length * 2))
    grown.set(this.scratch.subarray(0, this.scratchFill))
    this.scratch = grown
    this.scratchView = new DataView(grown.buffer)
  }

  /** Checks the record, hands it to the sink and moves on; false after a fault. `this.position` is anywhere within the record. */
  private finishRecord(end: number): boolean {
    const { record } = this
    const { view, at } = record
    record.totalLength = this.total
    record.start = this.recordStart
    record.end = end
    const fault = this.checkRecord(view, at)
    if (fault !== undefined) {
      this.fault(this.recordStart, fault)
      return false
    }
    if (!record.decode()) {
      this.fault(this.recordStart, 'lengths within the record contradict each other')
      return false
    }
    this.previousLow = this.recordLow
    this.previousHigh = this.recordHigh
    this.lost = false
    this.recordCount++
    if (record.rmgr === rmgr.xlog && record.kind === xlogInfo.switch) this.endSegment(record)
    this.sink.record(record, this)
    return true
  }

  private checkRecord(view: DataView, at: number): string | undefined {
    if (this.previousHigh >= 0) {
      if (view.getUint32(at + 8, true) !== this.previousLow || view.getUint32(at + 12, true) !== this.previousHigh) {
        return 'record does not point back to the one before it'
      }
    } else if (view.getUint32(at + 12, true) > this.recordHigh) return 'record points back to WAL that comes after it'
    if (this.checkCrc && recordCrc(this.record.bytes, view, at, this.total) !== view.getInt32(at + 20, true))
      return 'record has a wrong checksum'
    return undefined
  }

  /** After a switch record the rest of the segment is void. Its end, for PostgreSQL too, is the segment's end. */
  private endSegment(record: WalRecord): void {
    const lsn = this.lsnAt(record.end)
    const within = Number(lsn % BigInt(this.segmentBytes))
    const rest = within === 0 ? 0 : this.segmentBytes - within
    record.end += rest
    if (rest > 0) this.skipTo(rest)
  }

  private skipTo(rest: number): void {
    this.skip = rest
    this.skipPages = true
    this.mode = modes.skipping
  }

  private startSkip(count: number): void {
    if (this.mode === modes.searching) return
    this.skip += count
    this.mode = modes.skipping
  }

  private pass(bytes: Uint8Array, from: number): number {
    let at = from
    while (this.skip > 0 && at < bytes.length) {
      const count = Math.min(this.skip, bytes.length - at, WAL_PAGE_BYTES - this.inPage)
      this.skip -= count
      if (this.skip === 0) {
        this.skipPages = false
        this.mode = modes.boundary
      }
      at = this.advance(at, count)
    }
    return at
  }
}
