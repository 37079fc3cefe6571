// Labels of extents: the file, and which of its blocks. Authenticated with the extent.
import { ByteReader, ByteWriter } from '../../base/bytes.ts'

/** `blocks` must rise. Empty for pieces of plain files. */
export function encodeExtentLabel(file: string, blocks: Uint32Array): Buffer {
  const runs = new ByteWriter(64)
  let count = 0
  let end = 0
  for (let at = 0; at < blocks.length;) {
    const first = blocks[at]!
    let next = at + 1
    while (next < blocks.length && blocks[next] === first + (next - at)) next++
    if (first < end) throw new RangeError(`blocks of an extent of ${file} must rise: ${first} after ${end - 1}`)
    runs.varint(first - end).varint(next - at)
    end = first + (next - at)
    at = next
    count++
  }
  return Buffer.from(new ByteWriter(file.length + runs.length + 16).text(file).varint(count).bytes(runs.done()).done())
}

export function decodeExtentLabel(label: Buffer, what: string): { file: string; blocks: Uint32Array } {
  const reader = new ByteReader(label, what)
  const file = reader.text()
  const blocks: number[] = []
  let end = 0
  for (let runs = reader.varint(); runs > 0; runs--) {
    const first = end + reader.varint()
    const count = reader.varint()
    if (count > 65_536 || first + count > 0xffff_ffff)
      throw new RangeError(`${what} names ${count} blocks from ${first} on`)
    for (let at = 0; at < count; at++) blocks.push(first + at)
    end = first + count
  }
  if (reader.remaining > 0) throw new RangeError(`${what} is longer than it should be`)
  return { file, blocks: Uint32Array.from(blocks) }
}
