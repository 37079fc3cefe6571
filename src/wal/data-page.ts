// Data pages of relations: PostgreSQL's checksum, and whether a header makes sense.

import { BLOCK_BYTES } from './contract.ts'

/** `zero` is a page that was added to the file but never used: it is valid. */
export type PageVerdict = 'good' | 'zero' | 'checksum' | 'header'

// Seeds of the 32 parallel sums (PostgreSQL's checksum_impl.h): part of the on-disk format.
const SEEDS = Int32Array.of(
  0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
  0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
  0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
  0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756,
) // prettier-ignore
const PRIME = 16_777_619
const WORDS = BLOCK_BYTES / 4
/** Index of the word that holds pd_checksum (low half) and pd_flags (high half). */
const CHECKSUM_WORD = 2

function step(sum: number, word: number): number {
  const mixed = sum ^ word
  return Math.imul(mixed, PRIME) ^ (mixed >>> 17)
}

/** Four of the 32 columns at a time: four independent chains keep the multiplier busy. */
function columns(words: Int32Array, from: number, column: number): number {
  let a = SEEDS[column]!
  let b = SEEDS[column + 1]!
  let c = SEEDS[column + 2]!
  let d = SEEDS[column + 3]!
  for (let at = from + column, end = from + WORDS; at < end; at += 32) {
    a = step(a, words[at]!)
    b = step(b, words[at + 1]!)
    c = step(c, words[at + 2]!)
    d = step(d, words[at + 3]!)
  }
  return step(step(a, 0), 0) ^ step(step(b, 0), 0) ^ step(step(c, 0), 0) ^ step(step(d, 0), 0)
}

const scratch = new Int32Array(WORDS)
const scratchBytes = new Uint8Array(scratch.buffer)

/**
 * The checksum that PostgreSQL would store in the page of 8192 bytes at `offset` of `bytes`. `block` is the number within the
 * whole fork: number in the segment file + segment × 131072.
 */
export function pageChecksum(bytes: Uint8Array, offset: number, block: number): number {
  // The page is copied: pd_checksum counts as zero, and the source may lie at an odd address. 8 kB in cache cost little.
  scratchBytes.set(bytes.subarray(offset, offset + BLOCK_BYTES))
  scratch[CHECKSUM_WORD]! &= ~0xffff
  let sum = 0
  for (let column = 0; column < 32; column += 4) sum ^= columns(scratch, 0, column)
  return (((sum ^ block) >>> 0) % 65_535) + 1
}

/** pd_lsn: end of the last WAL record that changed the page. */
export function pageLsn(bytes: Uint8Array, offset: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 8)
  return (BigInt(view.getUint32(0, true)) << 32n) | BigInt(view.getUint32(4, true))
}

function isZero(bytes: Uint8Array, offset: number): boolean {
  for (let at = offset, end = offset + BLOCK_BYTES; at < end; at++) if (bytes[at] !== 0) return false
  return true
}

function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

/** The header tests of PostgreSQL's PageIsVerified(). */
function headerMakesSense(bytes: Uint8Array, at: number): boolean {
  const flags = u16(bytes, at + 10)
  const lower = u16(bytes, at + 12)
  const upper = u16(bytes, at + 14)
  const special = u16(bytes, at + 16)
  return (flags & ~7) === 0 && lower <= upper && upper <= special && special <= BLOCK_BYTES && special % 8 === 0
}

/** Judges the page at `offset`. `checksums`: whether the cluster has them on. */
export function verifyPage(
  bytes: Uint8Array,
  offset: number,
  options: { block: number; checksums: boolean },
): PageVerdict {
  if (u16(bytes, offset + 14) === 0) return isZero(bytes, offset) ? 'zero' : 'header'
  if (options.checksums && u16(bytes, offset + 8) !== pageChecksum(bytes, offset, options.block)) return 'checksum'
  return headerMakesSense(bytes, offset) ? 'good' : 'header'
}
