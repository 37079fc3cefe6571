// Puts the blocks of extents where they belong. Runs in a restoring thread; calls are synchronous since the thread does nothing else.
import { closeSync, openSync, readSync, writeSync } from 'node:fs'

import { codeOf, messageOf } from '../../base/errors.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { ExtentItem, OpenTarget } from './messages.ts'

const zeroBlock = Buffer.alloc(BLOCK_BYTES)

/** Open files of one thread, the least recently used closed first. */
export class OpenFiles implements Disposable {
  private readonly open = new Map<string, number>()
  private readonly most: number

  constructor(most = 64) {
    this.most = most
  }

  get(path: string): number {
    const known = this.open.get(path)
    if (known !== undefined) {
      this.open.delete(path)
      this.open.set(path, known)
      return known
    }
    if (this.open.size >= this.most) {
      const [oldest, descriptor] = this.open.entries().next().value!
      this.open.delete(oldest)
      closeSync(descriptor)
    }
    const descriptor = openSync(path, 'r+')
    this.open.set(path, descriptor)
    return descriptor
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.open.values()) closeSync(descriptor)
    this.open.clear()
  }
}

export interface WriteCounts {
  written: number
  holes: number
  /** Of a file that was there before: bytes that were right already. */
  same: number
}

export interface ExtentParts {
  readonly item: ExtentItem
  readonly plain: Buffer
  /** Numbers of the blocks that the extent itself, under its seal, says it holds. */
  readonly blocks: Uint32Array
  readonly backup: string
}

/** Map and extent must agree on every block: a wrong map would put right bytes in the wrong place. */
function holdBlocks(
  runs: readonly number[],
  target: Pick<OpenTarget, 'file'>,
  { blocks, plain, backup }: ExtentParts,
): void {
  for (let at = 0; at < runs.length; at += 3) {
    const [place, count, block] = [runs[at]!, runs[at + 1]!, runs[at + 2]!]
    for (let index = 0; index < count; index++) {
      const fits = blocks[place + index] === block + index && (place + index + 1) * BLOCK_BYTES <= plain.length
      if (!fits) throw errors.damagedFile({ file: `block ${block + index} of ${target.file}`, backup })
    }
  }
}

/** Whether the extent is what the map says of it. */
export function checkExtent(target: Pick<OpenTarget, 'file'>, parts: ExtentParts): void {
  const { item, plain } = parts
  if (plain.length !== item.ref.plainBytes) throw errors.damagedFile({ file: target.file, backup: parts.backup })
  if (item.runs) holdBlocks(item.runs, target, parts)
}

/** Writes one extent. Blocks of zeros are left as holes: the file was made with its final length. */
export function writeExtent(files: OpenFiles, target: OpenTarget, parts: ExtentParts): WriteCounts {
  const { item, plain } = parts
  checkExtent(target, parts)
  try {
    const descriptor = files.get(target.path)
    const counts: WriteCounts = { written: 0, holes: 0, same: 0 }
    const write = target.over ? writeDifferences : writeRun
    if (item.runs)
      writeRuns(item.runs, plain, (bytes, block) => write(descriptor, bytes, { position: block * BLOCK_BYTES, counts }))
    else if (target.over) writeDifferences(descriptor, plain, { position: item.offset, counts })
    else {
      writeAll(descriptor, plain, item.offset)
      counts.written += plain.length
    }
    return counts
  } catch (error) {
    throw writeError(error, target.path)
  }
}

function writeRuns(runs: readonly number[], plain: Buffer, write: (bytes: Buffer, block: number) => void): void {
  for (let at = 0; at < runs.length; at += 3) {
    const [place, count, block] = [runs[at]!, runs[at + 1]!, runs[at + 2]!]
    write(plain.subarray(place * BLOCK_BYTES, (place + count) * BLOCK_BYTES), block)
  }
}

interface Place {
  /** In the file. */
  readonly position: number
  readonly counts: WriteCounts
}

/** Blocks of zeros are left as holes. */
function writeRun(descriptor: number, bytes: Buffer, at: Place): void {
  let from = 0
  const flush = (to: number): void => {
    if (to > from) writeAll(descriptor, bytes.subarray(from, to), at.position + from)
    at.counts.written += to - from
  }
  for (let offset = 0; offset < bytes.length; offset += BLOCK_BYTES) {
    if (bytes.compare(zeroBlock, 0, BLOCK_BYTES, offset, offset + BLOCK_BYTES) !== 0) continue
    flush(offset)
    at.counts.holes += BLOCK_BYTES
    from = offset + BLOCK_BYTES
  }
  flush(bytes.length)
}

let there: Buffer = Buffer.alloc(0)

/** Writes the blocks that the file does not hold as they should be. Content alone counts: times, sizes, LSNs and checksums of pages prove nothing. */
function writeDifferences(descriptor: number, bytes: Buffer, { position, counts }: Place): void {
  if (there.length < bytes.length) there = Buffer.allocUnsafeSlow(bytes.length)
  const known = readThere(descriptor, bytes.length, position)
  if (known === bytes.length && bytes.compare(there, 0, known) === 0) {
    counts.same += known
    return
  }
  let from = -1
  const flush = (to: number): void => {
    if (from === -1) return
    writeAll(descriptor, bytes.subarray(from, to), position + from)
    counts.written += to - from
    from = -1
  }
  for (let offset = 0; offset < bytes.length; offset += BLOCK_BYTES) {
    const end = Math.min(offset + BLOCK_BYTES, bytes.length)
    if (end <= known && bytes.compare(there, offset, end, offset, end) === 0) {
      flush(offset)
      counts.same += end - offset
    } else if (from === -1) from = offset
  }
  flush(bytes.length)
}

/** How many bytes could be read. What a disk cannot read is written. */
function readThere(descriptor: number, length: number, position: number): number {
  let done = 0
  try {
    while (done < length) {
      const count = readSync(descriptor, there, done, length - done, position + done)
      if (count === 0) break
      done += count
    }
  } catch (error) {
    if (codeOf(error) !== 'EIO') throw error
  }
  return done
}

/** A write may be cut short (a signal, a nearly full disk): goes on until all is written or it fails. */
function writeAll(descriptor: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done)
}

export function writeError(error: unknown, path: string): Error {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return errors.diskFull({ path }, { cause: error })
  if (error instanceof Error && 'exit' in error) return error
  return errors.writeFailed({ path, why: messageOf(error) }, { cause: error })
}
