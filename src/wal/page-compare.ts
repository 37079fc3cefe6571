// Whether two images of one page differ in more than what PostgreSQL changes without WAL: hint bits, hints of dead index entries and the like. What counts
// as such is what PostgreSQL itself masks for wal_consistency_checking (bufmask.c and the mask functions of the access methods, versions 15–18), as far as a
// running server changes it in place; bits that only replay sets otherwise are compared.
import { BLOCK_BYTES } from './contract.ts'
import { pageLsn } from './data-page.ts'

/** `unsure`: a page of an access method that is not known here, with the same LSN and other bytes. */
export type PageComparison = 'same' | 'hints' | 'differs' | 'unsure'

export type PageKind = 'heap' | 'btree' | 'hash' | 'gist' | 'gin' | 'spgist' | 'brin' | 'sequence' | 'bloom' | 'unknown'

const HEADER_BYTES = 24
/** The last two bytes of the special area: put there by PostgreSQL so that tools can tell pages apart. B-tree cycle ids stay below. */
const pageIds: Readonly<Record<number, PageKind>> = {
  0xff80: 'hash',
  0xff81: 'gist',
  0xff82: 'spgist',
  0xff83: 'bloom',
  0xf091: 'brin',
  0xf092: 'brin',
  0xf093: 'brin',
}
const SEQUENCE_MAGIC = 0x1717

/** PD_HAS_FREE_LINES, PD_PAGE_FULL, PD_ALL_VISIBLE. */
const HINT_FLAGS = 0x7
/** HEAP_XMIN_COMMITTED, _INVALID, HEAP_XMAX_COMMITTED, _INVALID. */
const HEAP_HINTS = 0x0f00
const HEAP_XMIN_FROZEN = 0x0300
const BTP_HINTS = 0x40 | 0x20 // HAS_GARBAGE, SPLIT_END
const LH_DEAD_TUPLES = 0x80
const GIST_GARBAGE = 0x10
const BRIN_EVACUATE = 0x1
/** Line pointers of indexes turn from normal (1) to dead (3) without WAL. */
const LP_FLAGS = 0x18000

export function pageKind(page: Uint8Array): PageKind {
  const special = u16(page, 16)
  const bytes = BLOCK_BYTES - special
  if (bytes === 0) return 'heap'
  const byId = pageIds[u16(page, BLOCK_BYTES - 2)]
  if (bytes === 16) return byId === 'hash' || byId === 'gist' ? byId : 'btree'
  if (bytes !== 8) return 'unknown'
  if (u16(page, special) === SEQUENCE_MAGIC && u16(page, special + 2) === 0) return 'sequence'
  return byId === 'spgist' || byId === 'bloom' || byId === 'brin' ? byId : 'gin'
}

/** Both are pages of BLOCK_BYTES. A page of zeros equals only zeros. */
export function comparePages(one: Uint8Array, other: Uint8Array): PageComparison {
  if (Buffer.compare(one, other) === 0) return 'same'
  const kind = pageKind(one)
  if (u16(one, 14) === 0 || u16(other, 14) === 0 || kind !== pageKind(other)) return 'differs'
  const [masked, otherMasked] = [mask(one, kind), mask(other, kind)]
  if (masked.equals(otherMasked)) return 'hints'
  if (kind === 'unknown' && pageLsn(one, 0) === pageLsn(other, 0)) return 'unsure'
  return 'differs'
}

/** A copy with everything zero that may change without WAL. */
function mask(page: Uint8Array, kind: PageKind): Buffer {
  const copy = Buffer.from(page)
  copy.fill(0, 0, 10) // pd_lsn, pd_checksum
  copy.writeUInt16LE(copy.readUInt16LE(10) & ~HINT_FLAGS, 10)
  copy.fill(0, 20, HEADER_BYTES) // pd_prune_xid
  maskers[kind]?.(copy, copy.readUInt16LE(16))
  return copy
}

const maskers: Partial<Record<PageKind, (page: Buffer, special: number) => void>> = {
  heap: (page) => {
    for (const { at, flags } of items(page)) if (flags === 1) maskTuple(page, at)
  },
  btree: (page, special) => {
    clearBits(page, special + 12, BTP_HINTS)
    page.writeUInt16LE(0, special + 14) // btpo_cycleid
    maskPointers(page)
  },
  hash: (page, special) => {
    clearBits(page, special + 12, LH_DEAD_TUPLES)
    maskPointers(page)
  },
  gist: (page, special) => {
    clearBits(page, special + 12, GIST_GARBAGE)
    maskPointers(page)
  },
  brin: (page, special) => clearBits(page, special + 4, BRIN_EVACUATE),
}

function maskTuple(page: Buffer, at: number): void {
  if (at + 22 > BLOCK_BYTES) return
  const infomask = page.readUInt16LE(at + 20)
  // Freezing is in WAL: only a tuple that is not frozen has hints about its inserter.
  const frozen = (infomask & HEAP_XMIN_FROZEN) === HEAP_XMIN_FROZEN
  page.writeUInt16LE(infomask & ~(frozen ? HEAP_HINTS & ~HEAP_XMIN_FROZEN : HEAP_HINTS), at + 20)
}

function maskPointers(page: Buffer): void {
  for (const { pointer, flags } of items(page)) {
    if (flags !== 0) page.writeUInt32LE((page.readUInt32LE(pointer) & ~LP_FLAGS) >>> 0, pointer)
  }
}

function clearBits(page: Buffer, at: number, bits: number): void {
  page.writeUInt16LE(page.readUInt16LE(at) & ~bits, at)
}

/** Line pointers: place of each, its item's offset and its flags (1 normal, 3 dead). */
function* items(page: Buffer): Generator<{ pointer: number; at: number; flags: number }> {
  const end = Math.min(page.readUInt16LE(12), BLOCK_BYTES)
  for (let pointer = HEADER_BYTES; pointer + 4 <= end; pointer += 4) {
    const word = page.readUInt32LE(pointer)
    yield { pointer, at: word & 0x7fff, flags: (word >>> 15) & 3 }
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}
