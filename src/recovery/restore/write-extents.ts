// Puts the blocks of extents where they belong. Runs in a restoring thread.
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { OpenFile, OpenFiles, ReadPiece } from './file-io.ts'
import type { ExtentItem, OpenTarget } from './messages.ts'
import { writeError } from './write-error.ts'

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

/**
 * Writes one extent. Blocks of zeros are left as holes: the file was made with its final length. `ahead`: what was read of the file where the extent goes.
 * What it begins is written when `files.settled()` has resolved; `plain` may be freed when this has.
 */
export async function writeExtent(
  files: OpenFiles,
  target: OpenTarget,
  parts: ExtentParts & { readonly ahead?: ReadPiece | undefined },
): Promise<WriteCounts> {
  const { item, plain } = parts
  checkExtent(target, parts)
  try {
    const file = files.get(target.path)
    const counts: WriteCounts = { written: 0, holes: 0, same: 0 }
    if (item.runs) await writeRuns(file, item.runs, { ...parts, over: target.over === true, counts })
    else if (target.over) await writeDifferences(file, plain, { position: item.offset, counts, ahead: parts.ahead })
    else {
      await file.write(plain, item.offset)
      counts.written += plain.length
    }
    return counts
  } catch (error) {
    throw writeError(error, target.path)
  }
}

/** The one stretch of a file where an extent goes: a length and a position. Undefined where it goes to several. */
export function stretchOf(item: ExtentItem): { readonly length: number; readonly position: number } | undefined {
  if (!item.runs) return { length: item.ref.plainBytes, position: item.offset }
  if (item.runs.length !== 3) return undefined
  return { length: item.runs[1]! * BLOCK_BYTES, position: item.runs[2]! * BLOCK_BYTES }
}

interface Place {
  /** In the file. */
  readonly position: number
  readonly counts: WriteCounts
  readonly ahead?: ReadPiece | undefined
}

async function writeRuns(
  file: OpenFile,
  runs: readonly number[],
  { plain, over, ...rest }: Omit<Place, 'position'> & { plain: Buffer; over: boolean },
): Promise<void> {
  for (let at = 0; at < runs.length; at += 3) {
    const [place, count, block] = [runs[at]!, runs[at + 1]!, runs[at + 2]!]
    const bytes = plain.subarray(place * BLOCK_BYTES, (place + count) * BLOCK_BYTES)
    const where = { ...rest, position: block * BLOCK_BYTES }
    await (over ? writeDifferences(file, bytes, where) : writeRun(file, bytes, where))
  }
}

/** Blocks of zeros are left as holes. */
async function writeRun(file: OpenFile, bytes: Buffer, at: Place): Promise<void> {
  let from = 0
  const flush = async (to: number): Promise<void> => {
    if (to > from) await file.write(bytes.subarray(from, to), at.position + from)
    at.counts.written += to - from
  }
  for (let offset = 0; offset < bytes.length; offset += BLOCK_BYTES) {
    if (bytes.compare(zeroBlock, 0, BLOCK_BYTES, offset, offset + BLOCK_BYTES) !== 0) continue
    await flush(offset)
    at.counts.holes += BLOCK_BYTES
    from = offset + BLOCK_BYTES
  }
  await flush(bytes.length)
}

/** Writes the blocks that the file does not hold as they should be. Content alone counts: times, sizes, LSNs and checksums of pages prove nothing. */
async function writeDifferences(file: OpenFile, bytes: Buffer, place: Place): Promise<void> {
  const piece = place.ahead ?? (await file.read(bytes.length, place.position))
  const different = differences(bytes, piece.bytes)
  if (!place.ahead) piece.give()
  for (const { from, to } of different)
    await file.write(bytes.subarray(from, to), place.position + from, { over: true })
  const written = different.reduce((sum, { from, to }) => sum + to - from, 0)
  place.counts.written += written
  place.counts.same += bytes.length - written
}

/** Stretches of whole blocks in which `there` is not as `bytes`. */
function differences(bytes: Buffer, there: Buffer): { readonly from: number; to: number }[] {
  if (bytes.equals(there)) return []
  const found: { readonly from: number; to: number }[] = []
  for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
    const to = Math.min(from + BLOCK_BYTES, bytes.length)
    if (to <= there.length && bytes.compare(there, from, to, from, to) === 0) continue
    const last = found.at(-1)
    if (last?.to === from) last.to = to
    else found.push({ from, to })
  }
  return found
}
