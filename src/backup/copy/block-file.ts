// Reads blocks of one relation segment file in a copying thread: neighbours in one stretch, exactly the blocks asked for, nothing between them.
import { codeOf } from '../../base/errors.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { neighbours } from '../plan/overlay.ts'
import { readError } from '../source/disk.ts'
import type { OpenFile, Stretch } from '../source/reading.ts'

/** What came of reading a group of blocks. */
export interface GroupRead {
  /** How many of the group, from its start, are in the buffer. */
  readonly blocks: number
  /** First block at or after which the file has no more; undefined if all were there. */
  readonly endedAt: number | undefined
  /** Places in the group of blocks that the disk refused to give; they are zero in the buffer. */
  readonly unreadable: readonly number[]
}

export class BlockFile {
  private readonly file: OpenFile
  private readonly onRead: (bytes: number) => void

  constructor(file: OpenFile, onRead: (bytes: number) => void) {
    this.file = file
    this.onRead = onRead
  }

  /** Fills `into` with the blocks of the sorted list `blocks`, one after the other. Undefined where the file does not exist any more. */
  async readGroup(blocks: Uint32Array, into: Buffer): Promise<GroupRead | undefined> {
    const parts = [...neighbours(blocks)]
    const stretches = parts.map(({ block, count, from }) => ({
      offset: block * BLOCK_BYTES,
      into: into.subarray(from * BLOCK_BYTES, (from + count) * BLOCK_BYTES),
    }))
    let got
    try {
      got = await this.file.read(stretches)
    } catch (error) {
      if (codeOf(error) !== 'EIO') throw error
      return await this.readOneByOne(blocks, into)
    }
    if (got === undefined) return undefined
    for (const [index, { block, count, from }] of parts.entries()) {
      this.onRead(got[index]!)
      const whole = Math.floor(got[index]! / BLOCK_BYTES)
      if (whole < count) return { blocks: from + whole, endedAt: block + whole, unreadable: [] }
    }
    return { blocks: blocks.length, endedAt: undefined, unreadable: [] }
  }

  /** One block again. False where the file has become too short for it, or is gone. */
  async readBlock(block: number, into: Buffer): Promise<boolean> {
    try {
      return (await this.readInto({ offset: block * BLOCK_BYTES, into })) === BLOCK_BYTES
    } catch (error) {
      throw codeOf(error) === 'EIO' ? readError(error, this.file.path) : error
    }
  }

  /** Where the disk refuses a stretch, block by block. */
  private async readOneByOne(blocks: Uint32Array, into: Buffer): Promise<GroupRead> {
    const unreadable: number[] = []
    for (const [place, block] of blocks.entries()) {
      const one = into.subarray(place * BLOCK_BYTES, (place + 1) * BLOCK_BYTES)
      try {
        if ((await this.readInto({ offset: block * BLOCK_BYTES, into: one })) < BLOCK_BYTES)
          return { blocks: place, endedAt: block, unreadable }
      } catch (error) {
        if (codeOf(error) !== 'EIO') throw error
        one.fill(0)
        unreadable.push(place)
      }
    }
    return { blocks: blocks.length, endedAt: undefined, unreadable }
  }

  private async readInto(stretch: Stretch): Promise<number> {
    const got = (await this.file.read([stretch]))?.[0] ?? 0
    this.onRead(got)
    return got
  }
}
