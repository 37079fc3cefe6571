// Full-page images of WAL records: with their hole, and in each of the compressions that PostgreSQL writes (wal_compression).
import { zstdDecompressSync } from 'node:zlib'

import { BLOCK_BYTES } from './contract.ts'
import { blockFlags, imageFlags } from './layouts.ts'
import type { WalRecord } from './record.ts'

/** Whether replay takes the page from the image: only then is it what the page is after the record. */
export function appliesImage(record: WalRecord, n: number): boolean {
  return (record.flags[n]! & blockFlags.hasImage) !== 0 && (record.imageInfo[n]! & imageFlags.apply) !== 0
}

/** The page of the `n`-th block reference, a copy; undefined without an image. Throws a RangeError where its bytes make no page. */
export function pageImage(record: WalRecord, n: number): Buffer | undefined {
  if ((record.flags[n]! & blockFlags.hasImage) === 0) return undefined
  const at = record.dataAt - laterBytes(record, n) - record.dataLength[n]! - record.imageLength[n]!
  const stored = record.bytes.subarray(at, at + record.imageLength[n]!)
  const hole = record.holeLength[n]!
  const plain = decompress(stored, record.imageInfo[n]!, BLOCK_BYTES - hole)
  if (plain.length !== BLOCK_BYTES - hole)
    throw new RangeError(`image has ${plain.length} bytes beside its hole of ${hole}`)
  const page = Buffer.alloc(BLOCK_BYTES)
  const before = hole > 0 ? record.holeOffset[n]! : BLOCK_BYTES
  page.set(plain.subarray(0, before), 0)
  page.set(plain.subarray(before), before + hole)
  return page
}

/** The data that belongs to the `n`-th block reference: its place in `record.bytes`. */
export function blockData(record: WalRecord, n: number): { readonly from: number; readonly to: number } {
  const to = record.dataAt - laterBytes(record, n)
  return { from: to - record.dataLength[n]!, to }
}

/** Images and data of the references behind it: they follow each other in that order, main data last. */
function laterBytes(record: WalRecord, n: number): number {
  let sum = 0
  for (let later = n + 1; later < record.blockCount; later++)
    sum += record.dataLength[later]! + record.imageLength[later]!
  return sum
}

function decompress(bytes: Uint8Array, info: number, plainBytes: number): Uint8Array {
  if (info & imageFlags.pglz) return unpackPglz(bytes, plainBytes)
  if (info & imageFlags.lz4) return unpackLz4(bytes, plainBytes)
  if (info & imageFlags.zstd) return zstdDecompressSync(bytes)
  return bytes
}

/** PostgreSQL's own: a control byte tells of eight items whether each is a byte or a reference back. */
export function unpackPglz(bytes: Uint8Array, plainBytes: number): Uint8Array {
  const out = new Uint8Array(plainBytes)
  let from = 0
  let to = 0
  while (from < bytes.length && to < plainBytes) {
    const control = bytes[from++]!
    for (let bit = 0; bit < 8 && from < bytes.length && to < plainBytes; bit++) {
      if ((control & (1 << bit)) === 0) {
        out[to++] = bytes[from++]!
        continue
      }
      let length = (bytes[from]! & 0x0f) + 3
      const back = ((bytes[from]! & 0xf0) << 4) | bytes[from + 1]!
      from += 2
      if (length === 18) length += bytes[from++]!
      to = copyBack(out, { to, back, length })
    }
  }
  return out.subarray(0, to)
}

/** The block format of LZ4. */
export function unpackLz4(bytes: Uint8Array, plainBytes: number): Uint8Array {
  const out = new Uint8Array(plainBytes)
  let from = 0
  let to = 0
  const more = (start: number): number => {
    let sum = start
    if (start === 15) for (let byte = 255; byte === 255; sum += byte) byte = bytes[from++] ?? 0
    return sum
  }
  while (from < bytes.length) {
    const token = bytes[from++]!
    const literals = more(token >> 4)
    if (to + literals > plainBytes) throw new RangeError('image of a page is longer than a page')
    out.set(bytes.subarray(from, from + literals), to)
    from += literals
    to += literals
    if (from >= bytes.length) break
    const back = bytes[from]! | (bytes[from + 1]! << 8)
    from += 2
    to = copyBack(out, { to, back, length: more(token & 15) + 4 })
  }
  return out.subarray(0, to)
}

/** Source and target may overlap: the bytes repeat. */
function copyBack(out: Uint8Array, { to, back, length }: { to: number; back: number; length: number }): number {
  if (back === 0 || back > to) throw new RangeError('image of a page refers to bytes before it')
  const end = Math.min(to + length, out.length)
  for (let at = to; at < end; at++) out[at] = out[at - back]!
  return end
}
