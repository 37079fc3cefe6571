// The last steps for one block, the same for a server that is stopped and for one that runs: judge, keep the bad page, tell the repositories, write, read back.
import type { Lsn } from '../../wal/lsn.ts'
import { pageLsn } from '../../wal/data-page.ts'
import { keepPage, readBlock, writeBlock } from './bad-page.ts'
import { blockErrors as errors } from './errors.ts'
import { judge } from './judge.ts'
import { beyondEnd, changedInSandbox, changedSince, notInWal, otherBytes, type BlockResult } from './result.ts'
import { keyOf, type WantedBlock } from './wanted.ts'

export interface HealParts {
  readonly dataDirectory: string
  readonly checksums: boolean
  /** By keyOf(). */
  readonly good: ReadonlyMap<string, Buffer>
  /** Up to here the good pages hold all WAL, and none that is later. */
  readonly goodToLsn: Lsn
  /** Ends of the last records, beyond what `good` holds for certain, that change a block. */
  readonly touches: ReadonlyMap<string, Lsn>
  readonly dryRun: boolean
  readonly keepIn: string
  /** ISO time. */
  readonly at: string
  /** Tells every repository that the block must be read by its next backup. Before anything is written. */
  readonly note: (block: WantedBlock) => Promise<void>
  /** Right before the write: rejects unless nobody else can touch the block. */
  readonly demandAlone: () => Promise<void>
  /** The page as the server sees it now; undefined where no server runs. */
  readonly readBack: ((block: WantedBlock) => Promise<Buffer | undefined>) | undefined
  readonly signal: AbortSignal
}

export async function healBlock(block: WantedBlock, parts: HealParts): Promise<BlockResult> {
  parts.signal.throwIfAborted()
  const key = keyOf(block)
  const refused = (why: string): BlockResult => ({ block, outcome: 'refused', why })
  const disk = await readBlock(parts.dataDirectory, block)
  if (!disk) return refused(beyondEnd)
  const good = parts.good.get(key)
  if (!good) return refused(notInWal)
  if (pageLsn(good, 0) > parts.goodToLsn) return refused(changedInSandbox)
  const touched = parts.touches.get(key)
  if (touched !== undefined && touched > pageLsn(good, 0)) return refused(changedSince)
  const found = judge({ disk, good, block: block.block, checksums: parts.checksums })
  if (found.is === 'good') return { block, outcome: 'good' }
  if (found.is === 'unproven') return refused(found.why)
  if (parts.dryRun) return { block, outcome: 'damaged', damage: found.damage }
  const kept = await keepPage(parts.keepIn, { block, page: disk, at: parts.at })
  await parts.note(block)
  parts.signal.throwIfAborted()
  await parts.demandAlone()
  if (!(await readBlock(parts.dataDirectory, block))?.equals(disk)) return refused(otherBytes)
  await writeBlock(parts.dataDirectory, block, good)
  const back = parts.readBack ? await parts.readBack(block) : await readBlock(parts.dataDirectory, block)
  if (!back?.equals(good)) throw errors.blockNotReadBack({ file: block.path, block: block.inFile, kept })
  return { block, outcome: 'healed', damage: found.damage, kept }
}
