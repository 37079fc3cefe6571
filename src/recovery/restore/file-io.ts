// Reading and writing files of a data directory past the page cache where that pays. Runs in a restoring thread.
//
// What is restored must be on the disk before anything else happens, so its way through the cache costs twice: memory that is new to the kernel has to be
// zeroed (some 10 µs a page on a virtual machine), and then fsync waits for all of it at once. Measured on ext4, durable: 242 MB/s through the cache, 800 MB/s past it.
// A thousand small files: 20 ms to write and 540 ms to fsync through the cache, which gives each of them its place on the disk only then; past it 100 and 135 ms.
// Transfers past the cache are begun and not waited for, so that the thread decompresses meanwhile.
import { closeSync, constants, fstatSync, openSync, read, readSync, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'

import { ALIGNMENT, AlignedPieces } from '../../base/aligned-memory.ts'
import { codeOf } from '../../base/errors.ts'
import { KIB, MIB } from '../../base/units.ts'
import { writeError } from './write-error.ts'

/** Below this the cost of a write to the disk is more than what the cache costs, and the kernel brings scattered writes into a better order. */
const LEAST_DIRECT_BYTES = 64 * KIB
/** Files up to this size are written past the cache in whatever pieces. */
const SMALL_FILE_BYTES = 512 * KIB
const PIECE_BYTES = MIB
/** Pieces of single blocks. */
const SMALL_PIECE_BYTES = 64 * KIB
/** Under way at a time, for each thread. Reads ahead: of the task in hand and of the one behind it (AHEAD of read-ahead.ts). */
const WRITES = 4
const SMALL_WRITES = 16
const READS_AHEAD = 8

/** Whether a thread goes past the cache. Turned off for good by the first file system that does not have it (tmpfs, some network file systems). */
export interface DirectMode {
  on: boolean
}

/** As wanted, where the system has such a thing at all. */
export function directMode(wanted: boolean): DirectMode {
  return { on: wanted && typeof constants.O_DIRECT === 'number' }
}

let forWriting: AlignedPieces | undefined
let forSmallWrites: AlignedPieces | undefined
let forReading: AlignedPieces | undefined
let forReadingAhead: AlignedPieces | undefined

const isAligned = (length: number, position: number): boolean =>
  length > 0 && length % ALIGNMENT === 0 && position % ALIGNMENT === 0

function piecesFor(length: number): AlignedPieces {
  if (length > SMALL_PIECE_BYTES) return (forWriting ??= new AlignedPieces(WRITES, PIECE_BYTES))
  return (forSmallWrites ??= new AlignedPieces(SMALL_WRITES, SMALL_PIECE_BYTES))
}

/** What was read, in memory that must be given back. */
export interface ReadPiece {
  readonly bytes: Buffer
  give(): void
}

const ignore = (): void => {}
const nothing: ReadPiece = { bytes: Buffer.alloc(0), give: ignore }

export class OpenFile {
  private readonly path: string
  private readonly mode: DirectMode
  private cached: number | undefined
  private direct: number | undefined
  private small: boolean | undefined
  /** Writes, and reads ahead. Writes that failed stay, for settled(). */
  private readonly underWay = new Set<Promise<void>>()

  constructor(path: string, mode: DirectMode) {
    this.path = path
    this.mode = mode
  }

  /**
   * `bytes` are the caller's again when it resolves. They are written, and a failure is known, when settled() has resolved. `over`: blocks that the disk has a place
   * for, of a file that is read meanwhile. A write through the cache waits until nobody reads the file, and then whoever reads waits for it (ext4, XFS): 0.8 ms for
   * each block beside reads ahead, which go on beside a write past the cache.
   */
  async write(bytes: Buffer, position: number, { over = false } = {}): Promise<void> {
    let done = 0
    while (this.canWriteDirectly(bytes.length - done, { position: position + done, over })) {
      const length = Math.min(PIECE_BYTES, bytes.length - done)
      const pieces = piecesFor(length)
      const piece = await pieces.take()
      bytes.copy(piece, 0, done, done + length)
      this.begin(this.writePiece(piece.subarray(0, length), position + done).finally(() => pieces.give(piece)))
      done += length
    }
    this.writeCached(bytes.subarray(done), position + done)
  }

  private canWriteDirectly(length: number, { position, over }: { position: number; over: boolean }): boolean {
    return this.mode.on && isAligned(length, position) && (over || length >= LEAST_DIRECT_BYTES || this.isSmall())
  }

  private isSmall(): boolean {
    this.small ??= fstatSync(this.descriptor()).size <= SMALL_FILE_BYTES
    return this.small
  }

  private begin(writing: Promise<void>): void {
    const failed = (error: unknown): never => {
      throw writeError(error, this.path)
    }
    this.track(writing.catch(failed))
  }

  private track(transfer: Promise<void>): void {
    this.underWay.add(transfer)
    transfer.then(
      () => this.underWay.delete(transfer),
      () => undefined,
    )
  }

  /** A write may be cut short (a signal, a nearly full disk): goes on until all is written or it fails. */
  private async writePiece(bytes: Buffer, position: number): Promise<void> {
    let done = 0
    while (done < bytes.length && isAligned(bytes.length - done, position + done)) {
      const count = await this.directly((descriptor) => written(descriptor, bytes.subarray(done), position + done))
      if (count === undefined) break
      done += count
    }
    this.writeCached(bytes.subarray(done), position + done)
  }

  private writeCached(bytes: Buffer, position: number): void {
    let done = 0
    while (done < bytes.length) done += writeSync(this.descriptor(), bytes, done, bytes.length - done, position + done)
  }

  /**
   * What is there, which may be less than asked for: what the disk cannot read counts as missing. The next one can be had when this one was given back. Past the
   * cache however little it is: a page whose writing failed may be right there and wrong on the disk.
   */
  async read(length: number, position: number): Promise<ReadPiece> {
    const whole = Math.ceil(length / ALIGNMENT) * ALIGNMENT
    if (!this.mode.on || whole > PIECE_BYTES || !isAligned(whole, position))
      return { bytes: this.readCached(length, position), give: ignore }
    forReading ??= new AlignedPieces(1, PIECE_BYTES)
    const piece = await this.readInto(forReading, await forReading.take(), { length: whole, position })
    return { bytes: piece.bytes.subarray(0, length), give: () => piece.give() }
  }

  /** The same, begun before it is needed, however little it is. Undefined where that cannot be done, or all memory for it is in use. */
  readAhead(length: number, position: number): Promise<ReadPiece> | undefined {
    if (!this.mode.on || length > PIECE_BYTES || !isAligned(length, position)) return undefined
    forReadingAhead ??= new AlignedPieces(READS_AHEAD, PIECE_BYTES)
    const piece = forReadingAhead.takeNow()
    if (!piece) return undefined
    const reading = this.readInto(forReadingAhead, piece, { length, position })
    this.track(reading.then(ignore, ignore))
    return reading
  }

  private async readInto(
    pieces: AlignedPieces,
    piece: Buffer,
    { length, position }: { length: number; position: number },
  ): Promise<ReadPiece> {
    const give = (): void => pieces.give(piece)
    try {
      const count = await this.directly((descriptor) => filled(descriptor, piece.subarray(0, length), position))
      if (count !== undefined) return { bytes: piece.subarray(0, count), give }
      const bytes = this.readCached(length, position)
      bytes.copy(piece)
      return { bytes: piece.subarray(0, bytes.length), give }
    } catch (error) {
      give()
      if (codeOf(error) !== 'EIO') throw error
      return nothing
    }
  }

  private readCached(length: number, position: number): Buffer {
    if (there.length < length) there = Buffer.allocUnsafeSlow(length)
    try {
      let done = 0
      while (done < length) {
        const count = readSync(this.descriptor(), there, done, length - done, position + done)
        if (count === 0) break
        done += count
      }
      return there.subarray(0, done)
    } catch (error) {
      if (codeOf(error) !== 'EIO') throw error
      return Buffer.alloc(0)
    }
  }

  /** Undefined where the file system cannot. */
  private async directly(call: (descriptor: number) => Promise<number>): Promise<number | undefined> {
    try {
      this.direct ??= openSync(this.path, constants.O_RDWR | constants.O_DIRECT)
      return await call(this.direct)
    } catch (error) {
      if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')) throw error
      this.mode.on = false
      return undefined
    }
  }

  private descriptor(): number {
    this.cached ??= openSync(this.path, 'r+')
    return this.cached
  }

  /** Resolves when nothing is under way; rejects with what failed. */
  async settled(): Promise<void> {
    await Promise.all(this.underWay)
  }

  /** When nothing is under way any more: the number of a file may be another's as soon as it is closed. Rejects as settled() does. */
  async close(): Promise<void> {
    await Promise.allSettled(this.underWay)
    for (const descriptor of [this.cached, this.direct]) if (descriptor !== undefined) closeSync(descriptor)
    await this.settled()
  }
}

const readAsync = promisify(read)
const writeAsync = promisify(write)

async function filled(descriptor: number, bytes: Buffer, position: number): Promise<number> {
  return (await readAsync(descriptor, bytes, 0, bytes.length, position)).bytesRead
}

async function written(descriptor: number, bytes: Buffer, position: number): Promise<number> {
  return (await writeAsync(descriptor, bytes, 0, bytes.length, position)).bytesWritten
}

let there: Buffer = Buffer.alloc(0)

/** Open files of one task, the least recently used closed first. */
export class OpenFiles implements AsyncDisposable {
  private readonly open = new Map<string, OpenFile>()
  private readonly closing = new Set<Promise<void>>()
  private readonly mode: DirectMode
  private readonly most: number

  constructor(mode: DirectMode = { on: false }, most = 64) {
    this.mode = mode
    this.most = most
  }

  get(path: string): OpenFile {
    const known = this.open.get(path)
    if (known !== undefined) {
      this.open.delete(path)
      this.open.set(path, known)
      return known
    }
    if (this.open.size >= this.most) {
      const [oldest, file] = this.open.entries().next().value!
      this.open.delete(oldest)
      this.close(file)
    }
    const file = new OpenFile(path, this.mode)
    this.open.set(path, file)
    return file
  }

  private close(file: OpenFile): void {
    const closing = file.close()
    this.closing.add(closing)
    closing.then(
      () => this.closing.delete(closing),
      () => undefined,
    )
  }

  /** Resolves when all that was begun is written; rejects with what failed. */
  async settled(): Promise<void> {
    await Promise.all([...this.closing, ...[...this.open.values()].map((file) => file.settled())])
  }

  /** Says nothing of failures: that is what settled() is for. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.open.values()) this.close(file)
    this.open.clear()
    await Promise.allSettled(this.closing)
  }
}
