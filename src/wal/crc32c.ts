// CRC-32C as PostgreSQL uses it for WAL records and pg_control.
import { crc32c as native } from '@node-rs/crc32'

/** CRC-32C of `bytes`, going on from `before` (0 to start). */
export function crc32c(bytes: Uint8Array, before = 0): number {
  return native(bytes, before)
}

// A call into the native library costs about as much as 256 bytes in plain code do (bench/wal-parse.ts), and most WAL records are
// smaller than that: they are summed here, eight bytes at a time by eight tables.
const NATIVE_FROM_BYTES = 256
const POLYNOMIAL = 0x82f6_3b78

const tables = makeTables()
const [T0, T1, T2, T3, T4, T5, T6, T7] = tables

function makeTables(): [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
] {
  const made = Array.from({ length: 8 }, () => new Int32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    made[0]![byte] = crc
  }
  for (let table = 1; table < 8; table++) {
    for (let byte = 0; byte < 256; byte++) {
      const crc = made[table - 1]![byte]!
      made[table]![byte] = made[0]![crc & 0xff]! ^ (crc >>> 8)
    }
  }
  return made as never
}

/** The running register (not inverted) over view[from, to). */
function run(view: DataView, from: number, to: number, register: number): number {
  let crc = register
  let at = from
  for (const last = to - 7; at < last; at += 8) {
    const low = crc ^ view.getInt32(at, true)
    const high = view.getInt32(at + 4, true)
    crc =
      T7[low & 0xff]! ^
      T6[(low >>> 8) & 0xff]! ^
      T5[(low >>> 16) & 0xff]! ^
      T4[low >>> 24]! ^
      T3[high & 0xff]! ^
      T2[(high >>> 8) & 0xff]! ^
      T1[(high >>> 16) & 0xff]! ^
      T0[high >>> 24]!
  }
  for (; at < to; at++) crc = T0[(crc ^ view.getUint8(at)) & 0xff]! ^ (crc >>> 8)
  return crc
}

/** CRC of the WAL record that lies whole at `at` (its bytes after the header first, then the header up to its CRC), as an int32. */
export function recordCrc(bytes: Uint8Array, view: DataView, at: number, totalLength: number): number {
  const register =
    totalLength < NATIVE_FROM_BYTES
      ? run(view, at + 24, at + totalLength, -1)
      : ~native(bytes.subarray(at + 24, at + totalLength))
  return ~run(view, at, at + 20, register)
}

// The register of a sum is linear: what two sums of equally long data differ in depends on nothing but what the data differ in. So the sum of a record of which a few bytes
// change is found without reading the rest.

/** One byte more. Starting from 0, of differences. */
export function crcStep(register: number, byte: number): number {
  return T0[(register ^ byte) & 0xff]! ^ (register >>> 8)
}

/** `zeros[k]`: what 2^k bytes of zero make of each byte of the register, four times 256. */
const zeros: Int32Array[] = []

function zerosOf(power: number): Int32Array {
  for (let k = zeros.length; k <= power; k++) {
    const before = zeros[k - 1]
    const made = new Int32Array(1024)
    for (let n = 0; n < 1024; n++) {
      const register = (n & 0xff) << (8 * (n >>> 8))
      made[n] = before ? through(before, through(before, register)) : crcStep(register, 0)
    }
    zeros.push(made)
  }
  return zeros[power]!
}

function through(table: Int32Array, register: number): number {
  return (
    table[register & 0xff]! ^
    table[256 + ((register >>> 8) & 0xff)]! ^
    table[512 + ((register >>> 16) & 0xff)]! ^
    table[768 + (register >>> 24)]!
  )
}

/** `count` bytes of zero more. */
export function crcOverZeros(register: number, count: number): number {
  let crc = register
  for (let rest = count, power = 0; rest > 0; rest >>>= 1, power++) if (rest & 1) crc = through(zerosOf(power), crc)
  return crc
}
