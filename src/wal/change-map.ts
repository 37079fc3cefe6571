// Which blocks WAL changed, fork by fork: built record by record or map by map, then immutable.
import { forks, type ChangeMap, type ForkChange, type ForkName, type RelationFile } from './contract.ts'
import { errors } from './errors.ts'
import { formatLsn, type Lsn } from './lsn.ts'

const forkNames: readonly ForkName[] = ['main', 'fsm', 'vm', 'init']
export function forkName(fork: number): ForkName | undefined {
  return forkNames[fork]
}

/** Blocks per container, and how many a container lists one by one before it becomes a bitmap of 4 kB. */
const CONTAINER_BITS = 15
const LISTED = 512

/** Blocks of 32768 neighbours: a short list, or a bitmap. */
class Container {
  private list: Uint16Array | undefined = new Uint16Array(8)
  private listed = 0
  private bitmap: Uint32Array | undefined

  add(low: number): void {
    if (this.bitmap) {
      this.bitmap[low >>> 5]! |= 1 << (low & 31)
      return
    }
    if (this.listed > 0 && this.list![this.listed - 1] === low) return
    if (this.listed === this.list!.length) this.grow()
    if (this.bitmap) this.add(low)
    else this.list![this.listed++] = low
  }

  private grow(): void {
    const list = this.list!
    if (list.length < LISTED) {
      this.list = new Uint16Array(list.length * 4)
      this.list.set(list)
      return
    }
    const distinct = [...new Set(list)]
    if (distinct.length < LISTED / 2) {
      list.set(distinct)
      this.listed = distinct.length
      return
    }
    this.bitmap = new Uint32Array(1 << (CONTAINER_BITS - 5))
    this.list = undefined
    for (const low of distinct) this.add(low)
  }

  /** Keeps only what is below `low`. */
  cut(low: number): void {
    const kept = this.sorted().filter((one) => one < low)
    this.list = new Uint16Array(8)
    this.listed = 0
    this.bitmap = undefined
    for (const one of kept) this.add(one)
  }

  sorted(): number[] {
    if (!this.bitmap) return [...new Set(this.list!.subarray(0, this.listed))].sort((a, b) => a - b)
    const found: number[] = []
    for (const [index, word] of this.bitmap.entries()) {
      for (let rest = word; rest !== 0; rest &= rest - 1) found.push(index * 32 + 31 - Math.clz32(rest & -rest))
    }
    return found
  }
}

/** What is known so far of one fork. */
export class ForkBuilder {
  readonly tablespace: number
  readonly database: number
  readonly relfilenode: number
  readonly fork: number
  /** Another fork with the same number of relfilenode and fork, elsewhere. */
  next: ForkBuilder | undefined
  private cutAt: number | undefined
  private readonly containers = new Map<number, Container>()
  private last: Container | undefined
  private lastKey = -1
  private lastBlock = -1

  constructor(file: RelationFile, fork: number) {
    this.tablespace = file.tablespace
    this.database = file.database
    this.relfilenode = file.relfilenode
    this.fork = fork
  }

  add(block: number): void {
    if (block === this.lastBlock) return
    this.lastBlock = block
    const key = block >>> CONTAINER_BITS
    if (key !== this.lastKey) {
      let container = this.containers.get(key)
      if (!container) this.containers.set(key, (container = new Container()))
      this.last = container
      this.lastKey = key
    }
    this.last!.add(block & 0x7fff)
  }

  /** The fork was cut to `blocks`: what it had above is gone, and whatever is there later is new. */
  cut(blocks: number): void {
    this.cutAt = Math.min(this.cutAt ?? blocks, blocks)
    this.lastBlock = -1
    this.lastKey = -1
    const border = blocks >>> CONTAINER_BITS
    for (const [key, container] of this.containers) {
      if (key > border) this.containers.delete(key)
      else if (key === border) container.cut(blocks & 0x7fff)
    }
  }

  finish(): ForkChange {
    const parts = [...this.containers]
      .sort((a, b) => a[0] - b[0])
      .map(([key, container]) => ({ key, lows: container.sorted() }))
    const blocks = new Uint32Array(parts.reduce((sum, part) => sum + part.lows.length, 0))
    let at = 0
    for (const part of parts) for (const low of part.lows) blocks[at++] = part.key * 0x8000 + low
    return { blocks, cut: this.cutAt }
  }
}

export interface ForkEntry {
  readonly file: RelationFile
  readonly fork: ForkName
  readonly change: ForkChange
}

/** The parts of a change map, as the decoder has them. Entries are sorted by tablespace, database, relfilenode, fork. */
export interface ChangeMapParts {
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  readonly doubts: readonly string[]
  readonly databases: readonly { readonly tablespace: number; readonly database: number }[]
  readonly entries: readonly ForkEntry[]
}

class SoundChangeMap implements ChangeMap {
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  readonly doubts: readonly string[]
  private readonly parts: ChangeMapParts
  private readonly byNumber = new Map<number, ForkEntry[]>()

  constructor(parts: ChangeMapParts) {
    this.startLsn = parts.startLsn
    this.endLsn = parts.endLsn
    this.doubts = parts.doubts
    this.parts = parts
    for (const entry of parts.entries) {
      const same = this.byNumber.get(entry.file.relfilenode)
      if (same) same.push(entry)
      else this.byNumber.set(entry.file.relfilenode, [entry])
    }
  }

  fork(file: RelationFile, fork: ForkName): ForkChange | undefined {
    return this.byNumber
      .get(file.relfilenode)
      ?.find(
        (one) => one.fork === fork && one.file.database === file.database && one.file.tablespace === file.tablespace,
      )?.change
  }

  isDatabaseDoubtful(tablespace: number, database: number): boolean {
    return this.parts.databases.some((one) => one.tablespace === tablespace && one.database === database)
  }

  entries(): Iterable<ForkEntry> {
    return this.parts.entries
  }

  doubtfulDatabases(): ChangeMapParts['databases'] {
    return this.parts.databases
  }
}

export function changeMapOf(parts: ChangeMapParts): ChangeMap {
  return new SoundChangeMap(parts)
}

/** Collects changes in order of LSN. */
export class ChangeMapBuilder {
  private readonly startLsn: Lsn
  private readonly byNumber = new Map<number, ForkBuilder>()
  private readonly databases = new Map<string, { tablespace: number; database: number }>()
  private readonly doubts = new Set<string>()
  private last: ForkBuilder | undefined

  constructor(startLsn: Lsn) {
    this.startLsn = startLsn
  }

  /** The builder of one fork; made when it is asked for first. Four numbers, no object: this is called for every block reference. */
  fork(tablespace: number, database: number, relfilenode: number, fork: number): ForkBuilder {
    let found = this.last
    if (
      found?.relfilenode === relfilenode &&
      found.fork === fork &&
      found.database === database &&
      found.tablespace === tablespace
    )
      return found
    const key = relfilenode * 4 + fork
    const first = this.byNumber.get(key)
    for (found = first; found; found = found.next)
      if (found.database === database && found.tablespace === tablespace) break
    if (!found) {
      found = new ForkBuilder({ tablespace, database, relfilenode }, fork)
      found.next = first
      this.byNumber.set(key, found)
    }
    this.last = found
    return found
  }

  /** A database (in one of its tablespaces) was copied, moved or dropped whole. */
  doubtDatabase(tablespace: number, database: number): void {
    this.databases.set(`${tablespace}/${database}`, { tablespace, database })
  }

  /** Nothing in the map may be trusted. */
  doubt(reason: string): void {
    this.doubts.add(reason)
  }

  /** Adds a map of later WAL. */
  addMap(map: ChangeMap): void {
    for (const { file, fork, change } of map.entries()) {
      const builder = this.fork(file.tablespace, file.database, file.relfilenode, forks[fork])
      if (change.cut !== undefined) builder.cut(change.cut)
      for (const block of change.blocks) builder.add(block)
    }
    for (const one of map.doubtfulDatabases()) this.doubtDatabase(one.tablespace, one.database)
    for (const reason of map.doubts) this.doubt(reason)
  }

  /** The map up to `endLsn`. The builder is used up. */
  finish(endLsn: Lsn): ChangeMap {
    const builders: ForkBuilder[] = []
    for (const first of this.byNumber.values())
      for (let one: ForkBuilder | undefined = first; one; one = one.next) builders.push(one)
    builders.sort(inFileOrder)
    const entries = builders.map((one) => ({
      file: { tablespace: one.tablespace, database: one.database, relfilenode: one.relfilenode },
      fork: forkNames[one.fork]!,
      change: one.finish(),
    }))
    const databases = [...this.databases.values()].sort(
      (a, b) => a.tablespace - b.tablespace || a.database - b.database,
    )
    return changeMapOf({ startLsn: this.startLsn, endLsn, doubts: [...this.doubts].sort(), databases, entries })
  }
}

function inFileOrder(a: ForkBuilder, b: ForkBuilder): number {
  return a.tablespace - b.tablespace || a.database - b.database || a.relfilenode - b.relfilenode || a.fork - b.fork
}

/** One map of several that follow each other (they may overlap, a hole rejects with `wal.maps-not-in-order`). At least one. */
export function mergeChangeMaps(maps: readonly [ChangeMap, ...ChangeMap[]]): ChangeMap {
  const builder = new ChangeMapBuilder(maps[0].startLsn)
  let endLsn = maps[0].startLsn
  for (const map of maps) {
    if (map.startLsn > endLsn) throw errors.mapsNotInOrder({ end: formatLsn(endLsn), start: formatLsn(map.startLsn) })
    builder.addMap(map)
    if (map.endLsn > endLsn) endLsn = map.endLsn
  }
  return builder.finish(endLsn)
}
