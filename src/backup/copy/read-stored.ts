// A stored image of a segment, read back from the repository: verified, and in an audit compared with what is on disk.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { ExtentReader, ExtentRead } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { pageLsn, verifyPage } from '../../wal/data-page.ts'
import { comparePages } from '../../wal/page-compare.ts'
import { BlockFile } from './block-file.ts'
import type { CopyTools } from './copy-segment.ts'
import type { CopyResult, StoredItem, StoredRead } from './messages.ts'

/** Before a page that differs is read again: a torn read is over long before. */
const REREAD_PAUSES_MS = [0, 20, 100] as const

export interface StoredTools extends CopyTools {
  reader(): Promise<ExtentReader>
  readonly onAudited: (bytes: number) => void
}

type Found = { -readonly [Key in 'differing' | 'rotten']: number[] } & { unsure: number; comparedBlocks: number }

/** Damage in the repository is an answer; failures to reach it are errors. */
export async function readStored(item: StoredItem, tools: StoredTools): Promise<CopyResult> {
  const found: Found = { differing: [], rotten: [], unsure: 0, comparedBlocks: 0 }
  using opened = item.compare ? tools.source.open(item.path) : undefined
  const file = opened && new BlockFile(opened, tools.onAudited)
  const answer = (damaged?: string): StoredRead => ({ kind: 'stored', path: item.path, ...found, damaged })
  // Dropped meanwhile: WAL knows.
  if (item.compare && file === undefined) return answer()
  try {
    for (const [pack, extents] of byPack(item)) {
      const wanted = extents.map((number) => ({ ref: item.extents[number]!, file: item.path }))
      let at = 0
      for await (const read of (await tools.reader()).read(pack, wanted, never)) {
        tools.throwIfStopped()
        const wrong = checkBlocks(item, { extent: extents[at]!, read })
        const bad = wrong ?? (item.verifyPages ? badPage(item, { extent: extents[at]!, read }, tools) : undefined)
        if (bad !== undefined) return answer(bad)
        if (file) await compareExtent({ item, file, extent: extents[at]!, read, found, tools })
        at++
      }
    }
    return answer()
  } catch (error) {
    const gone = isWharfError(error, 'repository.object-missing')
    if (isWharfError(error) && (error.exit === 'damaged' || gone)) return answer(messageOf(error))
    throw error
  }
}

const never = new AbortController().signal

/** Numbers of extents that any run uses, by pack, in the order in which they lie there. */
function byPack(item: StoredItem): Map<string, number[]> {
  const packs = new Map<string, number[]>()
  for (const number of new Set(item.runs.map((run) => run.extent))) {
    const { pack } = item.extents[number]!
    const known = packs.get(pack)
    if (known) known.push(number)
    else packs.set(pack, [number])
  }
  for (const numbers of packs.values())
    numbers.sort((one, other) => item.extents[one]!.offset - item.extents[other]!.offset)
  return packs
}

/** The extent itself must say that it holds what the map names. */
function checkBlocks(item: StoredItem, of: { extent: number; read: ExtentRead }): string | undefined {
  for (const run of item.runs) {
    if (run.extent !== of.extent) continue
    for (let at = 0; at < run.count; at++) {
      if (of.read.blocks[run.place + at] === run.block + at) continue
      return `extent ${of.read.wanted.ref.number} of pack ${of.read.wanted.ref.pack} does not hold block ${run.block + at} of ${item.path}`
    }
  }
  return undefined
}

/**
 * Of those that are used. A page that was bad at the source is stored as it was, and one that could not be read as zeros: a page of zeros may be either, and
 * what was noted of it died with the run that read it.
 */
function badPage(
  item: StoredItem,
  of: { extent: number; read: ExtentRead },
  { checksums }: StoredTools,
): string | undefined {
  for (const run of item.runs) {
    if (run.extent !== of.extent) continue
    for (let at = 0; at < run.count; at++) {
      const block = run.block + at
      const page = { block: item.firstBlock + block, checksums }
      const verdict = verifyPage(of.read.plain, (run.place + at) * BLOCK_BYTES, page)
      if (verdict === 'zero') return `block ${block} is empty, or could not be read then`
      if (verdict !== 'good') return `block ${block} is bad (${verdict})`
    }
  }
  return undefined
}

interface Comparing {
  readonly item: StoredItem
  readonly file: BlockFile
  readonly extent: number
  readonly read: ExtentRead
  readonly found: Found
  readonly tools: StoredTools
}

async function compareExtent(work: Comparing): Promise<void> {
  const { item, file, read } = work
  for (const run of item.runs) {
    if (run.extent !== work.extent) continue
    const blocks = Uint32Array.from({ length: run.count }, (_, at) => run.block + at)
    const buffer = work.tools.nextBuffer().subarray(0, run.count * BLOCK_BYTES)
    await work.tools.pace(buffer.length)
    const got = await file.readGroup(blocks, buffer)
    const unreadable = new Set(got?.unreadable)
    for (let at = 0; at < (got?.blocks ?? 0); at++) {
      work.found.comparedBlocks++
      if (unreadable.has(at)) {
        work.found.rotten.push(run.block + at)
        continue
      }
      const place = (run.place + at) * BLOCK_BYTES
      const stored = read.plain.subarray(place, place + BLOCK_BYTES)
      await comparePage(work, {
        block: run.block + at,
        stored,
        disk: buffer.subarray(at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES),
      })
    }
  }
}

async function comparePage(work: Comparing, page: { block: number; stored: Buffer; disk: Buffer }): Promise<void> {
  const { item, file, found, tools } = work
  for (const pause of REREAD_PAUSES_MS) {
    if (pause > 0) {
      await tools.clock.sleep(pause)
      if (!(await file.readBlock(page.block, page.disk))) return
    }
    const comparison = comparePages(page.disk, page.stored)
    if (comparison === 'same' || comparison === 'hints') return
    // Changed since this backup's start: replay brings it.
    const verdict = verifyPage(page.disk, 0, { block: item.firstBlock + page.block, checksums: tools.checksums })
    if (verdict === 'good' && pageLsn(page.disk, 0) >= item.mapEndLsn) return
    if (pause !== REREAD_PAUSES_MS.at(-1)) continue
    if (verdict === 'checksum' || verdict === 'header') found.rotten.push(page.block)
    else if (comparison === 'unsure') found.unsure++
    else found.differing.push(page.block)
  }
}
