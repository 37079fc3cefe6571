// From a stream of WAL bytes to chunks: never across a segment's end, each with what its records say.
import { messageOf } from '../../base/errors.ts'
import { KIB, MIB } from '../../base/units.ts'
import type { ChangeMap, CommitEntry, WalContents } from '../../wal/contract.ts'
import { WalIndexer } from '../../wal/indexer.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { RecordStream } from '../../wal/record-stream.ts'

/** A chunk is cut at the latest when it has this many bytes: segments may have 1 GB, and a chunk lies in memory whole. */
const MOST_CHUNK_BYTES = 16 * MIB
/** Short transactions come in messages of some hundred bytes: the parser is given this much at once. */
const PARSE_BYTES = 64 * KIB
/** What a chunk starts with; one that grows gets room for the largest at once (memory that is not written to costs nothing). Buffers of stored chunks are used again. */
const FIRST_BYTES = 256 * KIB

/** What one cluster's WAL looks like. */
export interface WalShape {
  readonly systemIdentifier: bigint
  readonly majorVersion: number
  /** server_version_num. */
  readonly postgresVersion: number
  readonly segmentBytes: number
}

/** Parser and indexer at one position, with what they carry over from the WAL before it. */
export interface PrimedParser {
  readonly stream: RecordStream
  readonly indexer: WalIndexer
  /** False at the very start of an archive, or after a hole: there a record that began earlier is nobody's. */
  readonly continues: boolean
}

export interface SealedChunk {
  readonly timeline: number
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  readonly bytes: Buffer
  readonly changeMap: ChangeMap | undefined
  readonly contents: WalContents | undefined
  readonly commits: readonly CommitEntry[]
  readonly problem: string | undefined
  /** When its first byte came, on the monotonic clock. */
  readonly firstByteAt: number
  /** To be called when nobody needs `bytes` any more: their memory is used again. */
  readonly release: () => void
}

/** A parser at a place where nothing before is known. */
export function freshParser(shape: WalShape, startLsn: Lsn): PrimedParser {
  const indexer = new WalIndexer(shape.majorVersion, startLsn)
  const stream = new RecordStream(
    {
      startLsn,
      majorVersion: shape.majorVersion,
      segmentBytes: shape.segmentBytes,
      systemIdentifier: shape.systemIdentifier,
    },
    indexer,
  )
  return { stream, indexer, continues: false }
}

export class ChunkCutter {
  readonly timeline: number
  private readonly shape: WalShape
  private readonly stream: RecordStream
  private readonly indexer: WalIndexer
  private buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  private filled = 0
  private parsed = 0
  private readonly spare: Buffer[] = []
  private chunkStart: Lsn
  /** Bytes that fit in until the chunk must be cut. */
  private room: number
  private reported = 0
  /** Whether a stream that does not know where records start is a problem: not before it knew once. */
  private mustKnow: boolean
  private brokenBy: string | undefined
  /** The open chunk began although it was not known where records start, and should have been: what its first page holds was not read. */
  private blind: boolean
  /** When the first byte of the open chunk came (monotonic); undefined while it is empty. */
  firstByteAt: number | undefined

  constructor(start: { timeline: number; lsn: Lsn; shape: WalShape; parser: PrimedParser }) {
    this.timeline = start.timeline
    this.shape = start.shape
    this.stream = start.parser.stream
    this.indexer = start.parser.indexer
    this.mustKnow = start.parser.continues
    this.blind = this.mustKnow && !this.stream.synced
    this.chunkStart = start.lsn
    this.reported = this.stream.problems.length
    this.room = this.roomAt(start.lsn)
  }

  /** Start of the open chunk: what lies before is sealed. */
  get startLsn(): Lsn {
    return this.chunkStart
  }

  /** End of what was pushed. */
  get endLsn(): Lsn {
    return this.chunkStart + BigInt(this.filled)
  }

  /** Copies bytes in and returns the chunks that they filled. */
  push(bytes: Uint8Array, now: number): SealedChunk[] {
    const sealed: SealedChunk[] = []
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(bytes.length - at, this.room)
      this.firstByteAt ??= now
      this.reserve(this.filled + count)
      this.buffer.set(at === 0 && count === bytes.length ? bytes : bytes.subarray(at, at + count), this.filled)
      this.filled += count
      this.room -= count
      at += count
      if (this.filled - this.parsed >= PARSE_BYTES) this.parse()
      if (this.room === 0) sealed.push(this.seal()!)
    }
    return sealed
  }

  /** Ends the open chunk here; undefined where it is empty. */
  seal(): SealedChunk | undefined {
    if (this.firstByteAt === undefined) return undefined
    this.parse()
    const { endLsn, buffer } = this
    const problem = this.problem()
    const { changeMap, commits, contents } = this.indexer.cut(endLsn)
    const chunk: SealedChunk = {
      timeline: this.timeline,
      startLsn: this.chunkStart,
      endLsn,
      bytes: buffer.subarray(0, this.filled),
      changeMap: problem === undefined ? changeMap : undefined,
      contents: problem === undefined ? contents : undefined,
      commits,
      problem,
      firstByteAt: this.firstByteAt,
      release: () => this.spare.push(buffer),
    }
    this.buffer = this.spare.pop() ?? Buffer.allocUnsafeSlow(FIRST_BYTES)
    this.filled = 0
    this.parsed = 0
    this.chunkStart = endLsn
    this.room = this.roomAt(endLsn)
    this.blind = this.mustKnow && !this.stream.synced
    this.firstByteAt = undefined
    return chunk
  }

  private reserve(bytes: number): void {
    if (bytes <= this.buffer.length) return
    const grown = Buffer.allocUnsafeSlow(MOST_CHUNK_BYTES)
    grown.set(this.buffer.subarray(0, this.filled))
    this.buffer = grown
  }

  private roomAt(lsn: Lsn): number {
    const { segmentBytes } = this.shape
    return Math.min(MOST_CHUNK_BYTES, segmentBytes - Number(lsn % BigInt(segmentBytes)))
  }

  /** Receiving never stops because of what the bytes say. */
  private parse(): void {
    const part = this.buffer.subarray(this.parsed, this.filled)
    this.parsed = this.filled
    if (this.brokenBy !== undefined) return
    try {
      const knew = this.stream.synced
      this.stream.push(part)
      if (knew || this.stream.synced) this.mustKnow = true
    } catch (error) {
      this.brokenBy = `reading WAL failed: ${messageOf(error)}`
    }
  }

  private problem(): string | undefined {
    if (this.brokenBy !== undefined) return this.brokenBy
    const found = this.stream.problems[this.reported]
    this.reported = this.stream.problems.length
    if (found) return `at ${formatLsn(found.lsn)}: ${found.message}`
    if (this.mustKnow && !this.stream.synced) return 'the start of no record was found'
    return this.blind ? 'it begins within a record of which nothing is known' : undefined
  }
}
