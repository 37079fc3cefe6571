// The checksum that the POSIX program `cksum` prints: what is spooled here is checked by a shell that has nothing else everywhere.
import { crc32 } from 'node:zlib'

/** Small enough to stay in the processor's cache between turning and summing. */
const PIECE_BYTES = 64 * 1024

/**
 * The CRC of `cksum`: polynomial 0x04C11DB7 from the highest bit down, begun with 0, over the bytes and then their number. zlib's begins at the lowest
 * bit: with the bits of every byte turned around it is the same.
 */
export function posixCksum(bytes: Uint8Array): number {
  const piece = new Uint32Array(PIECE_BYTES / 4)
  const turned = new Uint8Array(piece.buffer)
  let crc = 0xffff_ffff
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const part = bytes.subarray(at, at + PIECE_BYTES)
    turned.set(part)
    turnWords(piece)
    crc = crc32(turned.subarray(0, part.length), crc)
  }
  const length: number[] = []
  for (let left = bytes.length; left > 0; left = Math.floor(left / 256)) length.push(turnByte(left % 256))
  return turnAll(crc32(Uint8Array.from(length), crc))
}

/** In each byte the lowest bit becomes the highest; four at a time. */
function turnWords(words: Uint32Array): void {
  for (let at = 0; at < words.length; at++) {
    let word = words[at]!
    word = ((word >>> 1) & 0x5555_5555) | ((word & 0x5555_5555) << 1)
    word = ((word >>> 2) & 0x3333_3333) | ((word & 0x3333_3333) << 2)
    words[at] = ((word >>> 4) & 0x0f0f_0f0f) | ((word & 0x0f0f_0f0f) << 4)
  }
}

function turnByte(byte: number): number {
  return turnAll(byte) >>> 24
}

function turnAll(value: number): number {
  let turned = 0
  for (let bit = 0; bit < 32; bit++) if ((value >>> bit) & 1) turned |= 1 << (31 - bit)
  return turned >>> 0
}
