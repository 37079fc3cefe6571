// Puts the blocks of extents where they belong. Runs in a restoring thread; calls are synchronous since the thread does nothing else.
import { codeOf, messageOf } from '../../base/errors.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { OpenFile, OpenFiles } from './file-io.ts'
import type { ExtentItem, OpenTarget } from './messages.ts'

const zeroBlock = Buffer.alloc(BLOCK_BYTES)

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
    const file = files.get(target.path)
    const counts: WriteCounts = { written: 0, holes: 0, same: 0 }
    const write = target.over ? writeDifferences : writeRun
    if (item.runs)
      writeRuns(item.runs, plain, (bytes, block) => write(file, bytes, { position: block * BLOCK_BYTES, counts }))
    else if (target.over) writeDifferences(file, plain, { position: item.offset, counts })
    else {
      file.write(plain, item.offset)
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
function writeRun(file: OpenFile, bytes: Buffer, at: Place): void {
  let from = 0
  const flush = (to: number): void => {
    if (to > from) file.write(bytes.subarray(from, to), at.position + from)
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

/** Writes the blocks that the file does not hold as they should be. Content alone counts: times, sizes, LSNs and checksums of pages prove nothing. */
function writeDifferences(file: OpenFile, bytes: Buffer, { position, counts }: Place): void {
  const there = file.read(bytes.length, position)
  const known = there.length
  if (known === bytes.length && bytes.compare(there, 0, known) === 0) {
    counts.same += known
    return
  }
  let from = -1
  const flush = (to: number): void => {
    if (from === -1) return
    file.write(bytes.subarray(from, to), position + from)
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

export function writeError(error: unknown, path: string): Error {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return errors.diskFull({ path }, { cause: error })
  if (error instanceof Error && 'exit' in error) return error
  return errors.writeFailed({ path, why: messageOf(error) }, { cause: error })
}
