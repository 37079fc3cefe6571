// Reading and writing files of a data directory past the page cache where that pays. Runs in a restoring thread; calls are synchronous.
//
// What is restored must be on the disk before anything else happens, so its way through the cache costs twice: memory that is new to the kernel has to be
// zeroed (some 10 µs a page on a virtual machine), and then fsync waits for all of it at once. Measured on ext4, durable: 242 MB/s through the cache, 800 MB/s past it.
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'

import { codeOf } from '../../base/errors.ts'
import { KIB, MIB } from '../../base/units.ts'

/** Below this the cost of a call to the disk is more than what the cache costs. */
const LEAST_DIRECT_BYTES = 64 * KIB
/** What every disk takes; blocks of PostgreSQL are multiples of it. */
const ALIGNMENT = 4 * KIB
const PIECE_BYTES = MIB
/** Of WebAssembly. */
const PAGE_BYTES = 64 * KIB

/** Whether a thread goes past the cache. Turned off for good by the first file system that does not have it (tmpfs, some network file systems). */
export interface DirectMode {
  on: boolean
}

/** As wanted, where the system has such a thing at all. */
export function directMode(wanted: boolean): DirectMode {
  return { on: wanted && typeof constants.O_DIRECT === 'number' }
}

/** The types of Node do not name it. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => {
    readonly buffer: ArrayBuffer
  }
}

interface Aligned {
  readonly forWriting: Buffer
  readonly forReading: Buffer
}
let memory: Aligned | undefined

/** Memory that begins at a page, which buffers do not: that of WebAssembly does. Its second half is read into. */
function aligned(): Aligned {
  if (memory) return memory
  const pages = (2 * PIECE_BYTES) / PAGE_BYTES
  const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
  memory = {
    forWriting: Buffer.from(buffer, 0, PIECE_BYTES),
    forReading: Buffer.from(buffer, PIECE_BYTES, PIECE_BYTES),
  }
  return memory
}

const isAligned = (length: number, position: number): boolean =>
  length >= LEAST_DIRECT_BYTES && length % ALIGNMENT === 0 && position % ALIGNMENT === 0

export class OpenFile {
  private readonly path: string
  private readonly mode: DirectMode
  private cached: number | undefined
  private direct: number | undefined

  constructor(path: string, mode: DirectMode) {
    this.path = path
    this.mode = mode
  }

  /** A write may be cut short (a signal, a nearly full disk): goes on until all is written or it fails. */
  write(bytes: Buffer, position: number): void {
    let done = 0
    while (this.mode.on && isAligned(bytes.length - done, position + done)) {
      const length = Math.min(PIECE_BYTES, bytes.length - done)
      const piece = aligned().forWriting
      bytes.copy(piece, 0, done, done + length)
      const written = this.directly((descriptor) => writeSync(descriptor, piece, 0, length, position + done))
      if (written === undefined) break
      done += written
    }
    while (done < bytes.length) done += writeSync(this.descriptor(), bytes, done, bytes.length - done, position + done)
  }

  /** What is there, which may be less than asked for: what the disk cannot read counts as missing. Good until the next call in this thread. */
  read(length: number, position: number): Buffer {
    try {
      if (this.mode.on && length <= PIECE_BYTES && isAligned(length, position)) {
        const into = aligned().forReading
        const count = this.directly((descriptor) => readSync(descriptor, into, 0, length, position))
        if (count !== undefined) return into.subarray(0, count)
      }
      return this.readCached(length, position)
    } catch (error) {
      if (codeOf(error) !== 'EIO') throw error
      return Buffer.alloc(0)
    }
  }

  private readCached(length: number, position: number): Buffer {
    if (there.length < length) there = Buffer.allocUnsafeSlow(length)
    let done = 0
    while (done < length) {
      const count = readSync(this.descriptor(), there, done, length - done, position + done)
      if (count === 0) break
      done += count
    }
    return there.subarray(0, done)
  }

  /** Undefined where the file system cannot. */
  private directly(call: (descriptor: number) => number): number | undefined {
    try {
      this.direct ??= openSync(this.path, constants.O_RDWR | constants.O_DIRECT)
      return call(this.direct)
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

  close(): void {
    for (const descriptor of [this.cached, this.direct]) if (descriptor !== undefined) closeSync(descriptor)
  }
}

let there: Buffer = Buffer.alloc(0)

/** Open files of one thread, the least recently used closed first. */
export class OpenFiles implements Disposable {
  private readonly open = new Map<string, OpenFile>()
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
      file.close()
    }
    const file = new OpenFile(path, this.mode)
    this.open.set(path, file)
    return file
  }

  [Symbol.dispose](): void {
    for (const file of this.open.values()) file.close()
    this.open.clear()
  }
}
