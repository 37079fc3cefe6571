// Change maps as bytes, and as a plain immutable value when read back (doc/design/repository-format.md section 6).
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import { forks, type ChangeMap, type ForkChange, type ForkName, type RelationFile } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'

const forkNames = Object.keys(forks) as ForkName[]

export function encodeChangeMap(map: ChangeMap): Buffer {
  const writer = new ByteWriter(4096)
  writer.u64(map.startLsn).u64(map.endLsn)
  writer.varint(map.doubts.length)
  for (const doubt of map.doubts) writer.text(doubt)
  const databases = [...map.doubtfulDatabases()]
  writer.varint(databases.length)
  for (const { tablespace, database } of databases) writer.varint(tablespace).varint(database)
  const entries = [...map.entries()]
  writer.varint(entries.length)
  for (const { file, fork, change } of entries) {
    writer.varint(file.tablespace).varint(file.database).varint(file.relfilenode).u8(forks[fork])
    writer.varint(change.cut === undefined ? 0 : change.cut + 1)
    writeRuns(writer, change.blocks)
  }
  return Buffer.from(writer.done())
}

function writeRuns(writer: ByteWriter, blocks: Uint32Array): void {
  const runs = new ByteWriter(64)
  let count = 0
  let end = 0
  for (let at = 0; at < blocks.length;) {
    const first = blocks[at]!
    let next = at + 1
    while (next < blocks.length && blocks[next] === first + (next - at)) next++
    if (first < end) throw new RangeError(`blocks of a change map must rise: ${first} after ${end - 1}`)
    runs.varint(first - end).varint(next - at)
    end = first + (next - at)
    at = next
    count++
  }
  writer.varint(count).bytes(runs.done())
}

function readRuns(reader: ByteReader): Uint32Array {
  const runs: [number, number][] = []
  let end = 0
  let total = 0
  for (let left = reader.varint(); left > 0; left--) {
    const first = end + reader.varint()
    const count = reader.varint()
    end = first + count
    total += count
    if (end > 0x1_0000_0000 || total > 0x400_0000)
      throw new RangeError(`${reader.what} has a run of ${count} blocks from ${first} on`)
    runs.push([first, count])
  }
  const blocks = new Uint32Array(total)
  let at = 0
  for (const [first, count] of runs) for (let add = 0; add < count; add++) blocks[at++] = first + add
  return blocks
}

/** Rejects by RangeError or `bytes.past-end`. */
export function decodeChangeMap(bytes: Buffer, what: string): ChangeMap {
  const reader = new ByteReader(bytes, what)
  const map = new StoredChangeMap(reader.u64(), reader.u64())
  for (let left = reader.varint(); left > 0; left--) map.doubts.push(reader.text())
  for (let left = reader.varint(); left > 0; left--) map.addDatabase(reader.varint(), reader.varint())
  for (let left = reader.varint(); left > 0; left--) {
    const file = { tablespace: reader.varint(), database: reader.varint(), relfilenode: reader.varint() }
    const number = reader.u8()
    const fork = forkNames.find((name) => forks[name] === number)
    if (fork === undefined) throw new RangeError(`${what} has fork ${number}`)
    const cut = reader.varint()
    map.addFork(file, fork, { blocks: readRuns(reader), cut: cut === 0 ? undefined : cut - 1 })
  }
  if (reader.remaining > 0) throw new RangeError(`${what} is longer than it should be`)
  return map
}

interface Entry {
  readonly file: RelationFile
  readonly fork: ForkName
  readonly change: ForkChange
}

class StoredChangeMap implements ChangeMap {
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  readonly doubts: string[] = []
  private readonly forks = new Map<string, Entry>()
  private readonly databases = new Map<string, { tablespace: number; database: number }>()

  constructor(startLsn: Lsn, endLsn: Lsn) {
    this.startLsn = startLsn
    this.endLsn = endLsn
  }

  addDatabase(tablespace: number, database: number): void {
    this.databases.set(`${tablespace}/${database}`, { tablespace, database })
  }

  addFork(file: RelationFile, fork: ForkName, change: ForkChange): void {
    this.forks.set(keyOf(file, fork), { file, fork, change })
  }

  fork(file: RelationFile, fork: ForkName): ForkChange | undefined {
    return this.forks.get(keyOf(file, fork))?.change
  }

  isDatabaseDoubtful(tablespace: number, database: number): boolean {
    return this.databases.has(`${tablespace}/${database}`)
  }

  entries(): Iterable<Entry> {
    return this.forks.values()
  }

  doubtfulDatabases(): Iterable<{ tablespace: number; database: number }> {
    return this.databases.values()
  }
}

function keyOf(file: RelationFile, fork: ForkName): string {
  return `${file.tablespace}/${file.database}/${file.relfilenode}/${fork}`
}
