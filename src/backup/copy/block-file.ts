// Reads blocks of one relation segment file in a copying thread: neighbours in one call, exactly the blocks asked for, nothing between them.
import { closeSync, openSync, readSync } from 'node:fs'

import { codeOf } from '../../base/errors.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { neighbours } from '../plan/overlay.ts'
import { missing, readError } from '../source/disk.ts'

/** What came of reading a group of blocks. */
export interface GroupRead {
  /** How many of the group, from its start, are in the buffer. */
  readonly blocks: number
  /** First block at or after which the file has no more; undefined if all were there. */
  readonly endedAt: number | undefined
  /** Places in the group of blocks that the disk refused to give; they are zero in the buffer. */
  readonly unreadable: readonly number[]
}

export class BlockFile implements Disposable {
  private readonly path: string
  private readonly descriptor: number
  private readonly onRead: (bytes: number) => void

  private constructor(path: string, descriptor: number, onRead: (bytes: number) => void) {
    this.path = path
    this.descriptor = descriptor
    this.onRead = onRead
  }

  /** Undefined where the file does not exist (any more). */
  static open(path: string, onRead: (bytes: number) => void): BlockFile | undefined {
    try {
      return new BlockFile(path, openSync(path, 'r'), onRead)
    } catch (error) {
      return missing(error, path)
    }
  }

  /** Fills `into` with the blocks of the sorted list `blocks`, one after the other. */
  readGroup(blocks: Uint32Array, into: Buffer): GroupRead {
    const unreadable: number[] = []
    for (const { block, count, from } of neighbours(blocks)) {
      const got = this.readStretch(block, into.subarray(from * BLOCK_BYTES, (from + count) * BLOCK_BYTES), (place) =>
        unreadable.push(from + place),
      )
      if (got < count) return { blocks: from + got, endedAt: block + got, unreadable }
    }
    return { blocks: blocks.length, endedAt: undefined, unreadable }
  }

  /** One block again. False where the file has become too short for it. */
  readBlock(block: number, into: Buffer): boolean {
    return this.fill(block * BLOCK_BYTES, into) === BLOCK_BYTES
  }

  /** Whole blocks read. A stretch that the disk refuses is tried block by block. */
  private readStretch(block: number, into: Buffer, onUnreadable: (place: number) => void): number {
    try {
      return Math.floor(this.fill(block * BLOCK_BYTES, into) / BLOCK_BYTES)
    } catch (error) {
      if (codeOf(error) !== 'EIO') throw readError(error, this.path)
    }
    const count = into.length / BLOCK_BYTES
    for (let place = 0; place < count; place++) {
      const one = into.subarray(place * BLOCK_BYTES, (place + 1) * BLOCK_BYTES)
      try {
        if (this.fill((block + place) * BLOCK_BYTES, one) < BLOCK_BYTES) return place
      } catch (error) {
        if (codeOf(error) !== 'EIO') throw readError(error, this.path)
        one.fill(0)
        onUnreadable(place)
      }
    }
    return count
  }

  private fill(offset: number, into: Buffer): number {
    let filled = 0
    while (filled < into.length) {
      const got = readSync(this.descriptor, into, filled, into.length - filled, offset + filled)
      if (got === 0) break
      filled += got
      this.onRead(got)
    }
    return filled
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor)
  }
}
