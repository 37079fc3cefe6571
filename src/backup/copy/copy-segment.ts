// One part of a relation segment file: read, verified, sealed into extents.
import type { Clock } from '../../base/clock.ts'
import type { CorruptBlock, PackWriter } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { verifyPage } from '../../wal/data-page.ts'
import { BLOCKS_PER_EXTENT, groupBlocks, type FreshExtent } from '../plan/overlay.ts'
import type { Reading } from '../source/reading.ts'
import { BlockFile } from './block-file.ts'
import type { CopyResult, SegmentPart } from './messages.ts'

export interface CopyTools {
  readonly source: Reading
  readonly checksums: boolean
  readonly writer: PackWriter
  readonly clock: Clock
  /** Room for one extent: in turn one of a few, since the pack writer may still be writing the one before. */
  nextBuffer(): Buffer
  readonly onRead: (bytes: number) => void
  /** Waits until so many bytes may be read. */
  readonly pace: (bytes: number) => Promise<void>
  /** Throws once everything must stop. */
  readonly throwIfStopped: () => void
}

/**
 * Pauses before a bad page is read again, milliseconds: the first at once (a torn write is over in microseconds), together more than a second,
 * in which a server that is busy with this page has long finished.
 */
const REREAD_PAUSES_MS = [0, 50, 150, 250, 300, 350] as const

export async function copySegment(part: SegmentPart, tools: CopyTools): Promise<CopyResult> {
  using opened = tools.source.open(part.path)
  if (opened === undefined) return { kind: 'vanished', path: part.path }
  const file = new BlockFile(opened, tools.onRead)
  const fresh: FreshExtent[] = []
  const corrupt: CorruptBlock[] = []
  let storedBlocks = 0
  for (const group of groupsOf(part)) {
    tools.throwIfStopped()
    const buffer = tools.nextBuffer()
    await tools.pace(group.length * BLOCK_BYTES)
    const read = await file.readGroup(group, buffer)
    if (read === undefined) return { kind: 'vanished', path: part.path }
    const judged = await judge({ part, file, group, buffer, read, tools, corrupt })
    if (judged.blocks > 0) {
      const blocks = group.slice(0, judged.blocks)
      const plain = buffer.subarray(0, judged.blocks * BLOCK_BYTES)
      fresh.push({ ref: await tools.writer.append({ file: part.path, blocks, plain }), blocks })
      storedBlocks += judged.blocks
    }
    if (judged.endedAt !== undefined) {
      return { kind: 'segment', path: part.path, fresh, endedAt: judged.endedAt, corrupt, storedBlocks }
    }
  }
  return { kind: 'segment', path: part.path, fresh, endedAt: undefined, corrupt, storedBlocks }
}

function* groupsOf(part: SegmentPart): Generator<Uint32Array> {
  if (part.blocks instanceof Uint32Array) {
    yield* groupBlocks(part.blocks)
    return
  }
  const end = part.blocks.from + part.blocks.count
  for (let from = part.blocks.from; from < end; from += BLOCKS_PER_EXTENT) {
    yield Uint32Array.from({ length: Math.min(BLOCKS_PER_EXTENT, end - from) }, (_, place) => from + place)
  }
}

interface Group {
  readonly part: SegmentPart
  readonly file: BlockFile
  readonly group: Uint32Array
  readonly buffer: Buffer
  readonly read: {
    readonly blocks: number
    readonly endedAt: number | undefined
    readonly unreadable: readonly number[]
  }
  readonly tools: CopyTools
  readonly corrupt: CorruptBlock[]
}

/** Verifies what was read; bad pages are read again. What stays bad is noted and kept as it is. */
async function judge(work: Group): Promise<{ blocks: number; endedAt: number | undefined }> {
  const { group, read, tools, part } = work
  const unreadable = new Set(read.unreadable)
  for (const place of unreadable) work.corrupt.push({ file: part.path, block: group[place]!, reason: 'unreadable' })
  for (let place = 0; place < read.blocks; place++) {
    if (unreadable.has(place)) continue
    const verdict = verdictOf(work, place)
    if (verdict === 'good') continue
    const settled = await readAgain(work, place, verdict)
    // The file was cut below this block meanwhile: replay knows.
    if (settled === 'gone') return { blocks: place, endedAt: group[place]! }
    if (settled !== 'good') work.corrupt.push({ file: part.path, block: group[place]!, reason: settled })
    tools.throwIfStopped()
  }
  return { blocks: read.blocks, endedAt: read.endedAt }
}

type Verdict = 'good' | 'checksum' | 'header'

function verdictOf({ part, group, buffer, tools }: Group, place: number): Verdict {
  const verdict = verifyPage(buffer, place * BLOCK_BYTES, {
    block: part.firstBlock + group[place]!,
    checksums: tools.checksums,
  })
  return verdict === 'zero' ? 'good' : verdict
}

/** Several times over more than a second. The last bytes read stay in the buffer. */
async function readAgain(work: Group, place: number, first: Verdict): Promise<Verdict | 'gone'> {
  const { file, group, tools } = work
  const page = work.buffer.subarray(place * BLOCK_BYTES, (place + 1) * BLOCK_BYTES)
  let verdict = first
  for (const pause of REREAD_PAUSES_MS) {
    if (pause > 0) await tools.clock.sleep(pause)
    if (!(await file.readBlock(group[place]!, page))) return 'gone'
    verdict = verdictOf(work, place)
    if (verdict === 'good') return 'good'
  }
  return verdict
}
