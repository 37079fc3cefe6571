// A change map as bytes, for the repository. Blocks are runs: gap to the run before, length. Whatever is not exactly this is refused.
import { ByteReader, ByteWriter } from '../base/bytes.ts'
import { WharfError, messageOf } from '../base/errors.ts'
import { changeMapOf, forkName, type ForkEntry } from './change-map.ts'
import { forks, type ChangeMap, type ForkChange } from './contract.ts'
import { errors } from './errors.ts'

const MAGIC = 0x4d43_4857 // "WHCM"
const VERSION = 1
const HAS_CUT = 0x10
const MAX_BLOCK = 0xffff_fffe

export function encodeChangeMap(map: ChangeMap): Buffer {
  const out = new ByteWriter(4096).u32(MAGIC).u8(VERSION).u64(map.startLsn).u64(map.endLsn)
  out.varint(map.doubts.length)
  for (const reason of map.doubts) out.text(reason)
  const databases = [...map.doubtfulDatabases()]
  out.varint(databases.length)
  for (const one of databases) out.varint(one.tablespace).varint(one.database)
  const entries = [...map.entries()]
  out.varint(entries.length)
  for (const { file, fork, change } of entries) {
    out.varint(file.tablespace).varint(file.database).varint(file.relfilenode)
    out.u8(forks[fork] | (change.cut === undefined ? 0 : HAS_CUT))
    if (change.cut !== undefined) out.varint(change.cut)
    encodeBlocks(out, change.blocks)
  }
  return out.done()
}

function encodeBlocks(out: ByteWriter, blocks: Uint32Array): void {
  let runs = 0
  for (let at = 0; at < blocks.length; at++) if (at === 0 || blocks[at] !== blocks[at - 1]! + 1) runs++
  out.varint(runs)
  let next = 0
  for (let at = 0; at < blocks.length;) {
    const first = blocks[at]!
    let end = at + 1
    while (end < blocks.length && blocks[end] === blocks[end - 1]! + 1) end++
    out.varint(first - next).varint(end - at)
    next = first + (end - at)
    at = end
  }
}

/** Rejects with `wal.bad-change-map`. */
export function decodeChangeMap(bytes: Buffer): ChangeMap {
  const reader = new ByteReader(bytes, 'change map')
  try {
    return decode(reader)
  } catch (error) {
    if (error instanceof WharfError && error.code === 'wal.bad-change-map') throw error
    throw errors.badChangeMap(messageOf(error), { cause: error })
  }
}

function decode(reader: ByteReader): ChangeMap {
  if (reader.u32() !== MAGIC) throw errors.badChangeMap('it does not start as one')
  const version = reader.u8()
  if (version !== VERSION) throw errors.badChangeMap(`its version is ${version}, ${VERSION} is known`)
  const startLsn = reader.u64()
  const endLsn = reader.u64()
  const doubts = Array.from({ length: counted(reader) }, () => reader.text())
  const databases = Array.from({ length: counted(reader) }, () => ({ tablespace: u32(reader), database: u32(reader) }))
  const entries = Array.from({ length: counted(reader) }, () => decodeEntry(reader))
  if (reader.remaining > 0) throw errors.badChangeMap(`${reader.remaining} bytes follow its end`)
  return changeMapOf({ startLsn, endLsn, doubts, databases, entries })
}

/** A count of things that take at least one byte each: bounded by what is left, so that damage cannot ask for all memory. */
function counted(reader: ByteReader): number {
  const count = reader.varint()
  if (count > reader.remaining)
    throw errors.badChangeMap(`it announces ${count} parts where ${reader.remaining} bytes are left`)
  return count
}

function u32(reader: ByteReader): number {
  const value = reader.varint()
  if (value > 0xffff_ffff) throw errors.badChangeMap(`the number ${value} is too large`)
  return value
}

function decodeEntry(reader: ByteReader): ForkEntry {
  const file = { tablespace: u32(reader), database: u32(reader), relfilenode: u32(reader) }
  const tag = reader.u8()
  const fork = forkName(tag & ~HAS_CUT)
  if (fork === undefined) throw errors.badChangeMap(`fork ${tag} is not known`)
  const cut = tag & HAS_CUT ? u32(reader) : undefined
  return { file, fork, change: { blocks: decodeBlocks(reader), cut } satisfies ForkChange }
}

function decodeBlocks(reader: ByteReader): Uint32Array {
  const runs = counted(reader)
  const pairs: number[] = []
  let next = 0
  let total = 0
  for (let run = 0; run < runs; run++) {
    const first = next + reader.varint()
    const length = reader.varint()
    if (length === 0 || (run > 0 && first === next) || first + length - 1 > MAX_BLOCK)
      throw errors.badChangeMap('its blocks are not in order')
    pairs.push(first, length)
    total += length
    next = first + length
  }
  const blocks = new Uint32Array(total)
  let at = 0
  for (let pair = 0; pair < pairs.length; pair += 2) {
    for (let block = pairs[pair]!, end = block + pairs[pair + 1]!; block < end; block++) blocks[at++] = block
  }
  return blocks
}
