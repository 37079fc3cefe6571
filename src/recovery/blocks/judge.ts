// Whether a page on disk is damaged, held against the page that backup and WAL give. Pure.
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { pageLsn, verifyPage } from '../../wal/data-page.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { comparePages, pageKind } from '../../wal/page-compare.ts'

/**
 * `checksum`, `header`: the page itself tells. `zeroed`: zeros where there are rows. `stale`: an older page, whose later writes were lost. `content`: of the same
 * position of WAL, and still other bytes.
 */
export type Damage = 'checksum' | 'header' | 'zeroed' | 'stale' | 'content'

export type Judgement =
  | { readonly is: 'damaged'; readonly damage: Damage }
  | { readonly is: 'good' }
  /** Nothing is written. */
  | { readonly is: 'unproven'; readonly why: string }

export interface Pages {
  readonly disk: Buffer
  /** Rolled forward from a backup. */
  readonly good: Buffer
  /** Number within the fork. */
  readonly block: number
  readonly checksums: boolean
}

export function judge({ disk, good, block, checksums }: Pages): Judgement {
  const made = verifyPage(good, 0, { block, checksums })
  if (made === 'checksum' || made === 'header')
    return { is: 'unproven', why: `what backup and WAL give is no good page either (${made})` }
  const found = verifyPage(disk, 0, { block, checksums })
  if (found === 'checksum' || found === 'header') return { is: 'damaged', damage: found }
  if (made === 'zero' || found === 'zero') {
    if (made === found) return { is: 'good' }
    return found === 'zero'
      ? { is: 'damaged', damage: 'zeroed' }
      : { is: 'unproven', why: 'by backup and WAL the block is not in use' }
  }
  const [diskLsn, goodLsn] = [pageLsn(disk, 0), pageLsn(good, 0)]
  if (diskLsn > goodLsn)
    return {
      is: 'unproven',
      why: `the page says it was changed at ${formatLsn(diskLsn)}, and no WAL tells of a change after ${formatLsn(goodLsn)}`,
    }
  if (diskLsn < goodLsn) return { is: 'damaged', damage: 'stale' }
  // With a good checksum no bit has been turned since the server wrote it, and it wrote it after the last change.
  if (checksums || areEqual(disk, good)) return { is: 'good' }
  return { is: 'damaged', damage: 'content' }
}

/**
 * But for hints, and for what replay does otherwise than the server: bytes between line pointers and items, paddings, and the number of the command within its
 * transaction, which means nothing to anybody once that has ended. As PostgreSQL masks pages for wal_consistency_checking.
 */
export function areEqual(one: Buffer, other: Buffer): boolean {
  const found = comparePages(asReplayed(one), asReplayed(other))
  return found === 'same' || found === 'hints'
}

function asReplayed(page: Buffer): Buffer {
  const lower = page.readUInt16LE(12)
  const upper = page.readUInt16LE(14)
  const kind = pageKind(page)
  // A page without line pointers, such as GIN's compressed ones, tells nothing by its lower end.
  if (kind === 'gin' || lower < 24 || upper < lower || upper > BLOCK_BYTES) return page
  const copy = Buffer.from(page).fill(0, lower, upper)
  if (kind === 'heap') maskTuples(copy, lower)
  return copy
}

/** Of t_cid in the header of a tuple. */
const COMMAND_AT = 8
const INFOMASK_AT = 20
/** The number of the command stands for two: as little worth as the number itself. */
const HEAP_COMBOCID = 0x20
const TUPLE_HEADER_BYTES = 23

function maskTuples(page: Buffer, lower: number): void {
  for (let pointer = 24; pointer + 4 <= lower; pointer += 4) {
    const word = page.readUInt32LE(pointer)
    const [at, flags, length] = [word & 0x7fff, (word >>> 15) & 3, word >>> 17]
    if (flags !== 1 || length < TUPLE_HEADER_BYTES || at + length > BLOCK_BYTES) continue
    page.fill(0, at + COMMAND_AT, at + COMMAND_AT + 4)
    page.writeUInt16LE(page.readUInt16LE(at + INFOMASK_AT) & ~HEAP_COMBOCID, at + INFOMASK_AT)
    page.fill(0, at + length, Math.min(BLOCK_BYTES, at + ((length + 7) & ~7)))
  }
}
