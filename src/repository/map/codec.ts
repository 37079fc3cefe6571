// Segment maps as bytes (doc/design/repository-format.md section 4).
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { ExtentRef, MapRun, SegmentMap } from '../contract.ts'

/** Thrown for a map that is not complete or not consistent, on writing and on reading. */
export class MapError extends Error {}

export function encodeMap(map: SegmentMap): Buffer {
  checkMap(map)
  const writer = new ByteWriter(map.file.length + map.extents.length * 12 + map.runs.length * 4 + 32)
  writer.text(map.file).varint(map.blockCount)
  const packs = new Map<string, number>()
  for (const extent of map.extents) if (!packs.has(extent.pack)) packs.set(extent.pack, packs.size)
  writer.varint(packs.size)
  for (const pack of packs.keys()) writer.bytes(Buffer.from(pack, 'hex'))
  writer.varint(map.extents.length)
  for (const { pack, number, offset, storedBytes, plainBytes } of map.extents) {
    writer.varint(packs.get(pack)!).varint(number).varint(offset).varint(storedBytes).varint(plainBytes)
  }
  writer.varint(map.runs.length)
  for (const { count, extent, place } of map.runs) writer.varint(count).varint(extent).varint(place)
  return Buffer.from(writer.done())
}

/** `what` names the map in errors. Rejects by MapError or `bytes.past-end`. */
export function decodeMap(bytes: Buffer, what: string): SegmentMap {
  const reader = new ByteReader(bytes, what)
  const file = reader.text()
  const blockCount = reader.varint()
  const packs = list(reader, () => reader.bytes(16).toString('hex'))
  const extents = list(reader, (): ExtentRef => {
    const pack = packs[reader.varint()]
    if (pack === undefined) throw new MapError(`${what} names a pack that it does not list`)
    return {
      pack,
      number: reader.varint(),
      offset: reader.varint(),
      storedBytes: reader.varint(),
      plainBytes: reader.varint(),
    }
  })
  let block = 0
  const runs = list(reader, (): MapRun => {
    const run = { block, count: reader.varint(), extent: reader.varint(), place: reader.varint() }
    block += run.count
    return run
  })
  if (reader.remaining > 0) throw new MapError(`${what} is longer than it should be`)
  const map: SegmentMap = { file, blockCount, extents, runs }
  checkMap(map)
  return map
}

/** A count, then that many items. Grows as it reads, so that a wrong count ends at the end of the bytes and not of memory. */
function list<T>(reader: ByteReader, read: () => T): T[] {
  const items: T[] = []
  for (let left = reader.varint(); left > 0; left--) items.push(read())
  return items
}

/** Complete for its segment: runs cover 0 … blockCount − 1 in order without holes, within their extents. */
function checkMap(map: SegmentMap): void {
  let block = 0
  for (const run of map.runs) {
    if (run.block !== block) throw new MapError(`the map of ${map.file} has a hole or an overlap at block ${block}`)
    if (run.count < 1) throw new MapError(`the map of ${map.file} has an empty run at block ${block}`)
    const extent = map.extents[run.extent]
    if (extent === undefined)
      throw new MapError(`the map of ${map.file} names extent ${run.extent} of ${map.extents.length}`)
    if (run.place < 0 || run.place + run.count > extent.plainBytes)
      throw new MapError(`the map of ${map.file} leaves extent ${run.extent}`)
    block += run.count
  }
  if (block !== map.blockCount) throw new MapError(`the map of ${map.file} covers ${block} of ${map.blockCount} blocks`)
}
