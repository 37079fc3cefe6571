// From records to change map and commit index: what each kind of record means for them.
import { messageOf } from '../base/errors.ts'
import { ChangeMapBuilder } from './change-map.ts'
import { BLOCK_BYTES, forks, type ChangeMap, type CommitEntry, type WalContents } from './contract.ts'
import {
  blockFlags,
  dbaseInfo,
  POSTGRES_EPOCH_US,
  prepareOffsets,
  resourceManagers,
  rmgr,
  smgrInfo,
  truncateFlags,
  xactInfo,
  xlogInfo,
} from './layouts.ts'
import { formatLsn, type Lsn } from './lsn.ts'
import { minimalDoubt } from './minimal.ts'
import { RecentPages } from './recent-pages.ts'
import type { RecordSink, WalRecord } from './record.ts'
import { transactionEnd } from './transaction-end.ts'

/** Prefix of the logical message by which a load marks its own transaction. */
export const LOAD_PREFIX = 'wharf.load'
/** Marks whose transaction has not ended yet that are remembered, so that a crashed loader cannot fill memory. */
const MOST_OPEN_MARKS = 10_000
/** A load mark carries no time: 1970 stands for none. */
const UNKNOWN_TIME = -Number(POSTGRES_EPOCH_US)
/** Heap blocks per page of the visibility map: two bits each in a page without its header. */
const HEAP_BLOCKS_PER_VM_PAGE = (BLOCK_BYTES - 24) * 4

/** The page is in the record, or begun anew. */
const comesAlong = blockFlags.hasImage | blockFlags.willInit

/** Sink of a RecordStream that keeps map and index of the stretch since the last cut(). */
export class WalIndexer implements RecordSink {
  private readonly majorVersion: number
  private map: ChangeMapBuilder
  private commits = new EntryColumns()
  private records = 0
  private imageBytes = 0
  private reads = 0
  private readonly recent = new RecentPages()
  private voidBytes = 0
  /** Behind the last switch: it may reach beyond the next cut. */
  private readonly passedOver = { fromLsn: 0n, toLsn: 0n }
  /** Load marks by the transaction (or subtransaction) that wrote them. */
  private readonly openMarks = new Map<number, string>()

  constructor(majorVersion: number, startLsn: Lsn) {
    this.majorVersion = majorVersion
    this.map = new ChangeMapBuilder(startLsn)
  }

  /** Ends the stretch at `endLsn` and starts the next there. Records that end later belong to the next. */
  cut(endLsn: Lsn): { changeMap: ChangeMap; commits: readonly CommitEntry[]; contents: WalContents } {
    const { records, imageBytes, reads } = this
    const contents = { records, imageBytes, voidBytes: this.voidUntil(endLsn), reads }
    const made = { changeMap: this.map.finish(endLsn), commits: this.commits.entries(), contents }
    this.map = new ChangeMapBuilder(endLsn)
    this.commits = new EntryColumns()
    this.records = this.imageBytes = this.voidBytes = this.reads = 0
    return made
  }

  record(record: WalRecord, stream: { readonly baseLsn: Lsn }): void {
    try {
      this.understand(record, stream)
    } catch (error) {
      // Its checksum was good, so its layout is not the one that we know: the bytes are kept, the map is not trusted.
      this.map.doubt(
        `the record at ${formatLsn(stream.baseLsn + BigInt(record.start))} was not understood: ${messageOf(error)}`,
      )
    }
    this.records++
    for (let n = 0; n < record.blockCount; n++) {
      this.imageBytes += record.imageLength[n]!
      const isAtHand = this.recent.name(record.relfilenode[n]!, record.fork[n]!, record.block[n]!)
      if (!isAtHand && (record.flags[n]! & comesAlong) === 0) this.reads++
      const fork = record.fork[n]!
      if (fork > 3) this.map.doubt(`WAL has a block of fork ${fork}, which is not known`)
      else this.map.fork(record.tablespace[n]!, record.database[n]!, record.relfilenode[n]!, fork).add(record.block[n]!)
    }
  }

  private understand(record: WalRecord, stream: { readonly baseLsn: Lsn }): void {
    switch (record.rmgr) {
      case rmgr.xact:
        this.transaction(record, stream.baseLsn)
        break
      case rmgr.xlog:
        this.xlog(record, stream.baseLsn)
        break
      case rmgr.smgr:
        this.storage(record)
        break
      case rmgr.dbase:
        this.database(record)
        break
      case rmgr.logicalMessage:
        this.message(record, stream.baseLsn)
        break
      default:
        if (record.rmgr >= resourceManagers.length)
          this.map.doubt(`WAL has records of the resource manager ${record.rmgr}, which is not known`)
    }
  }

  // ------------------------------------------------------------ XLOG

  private xlog(record: WalRecord, base: Lsn): void {
    const { view, dataAt } = record
    if (record.kind === xlogInfo.restorePoint) {
      const name = cString(record.bytes, dataAt + 8, record.dataAt + record.mainLength)
      this.push(record, base, { kind: 'restore-point', xid: 0, time: timeAt(view, dataAt), name })
    } else if (record.kind === xlogInfo.parameterChange) {
      // xl_parameter_change: five ints, then wal_level.
      if (view.getInt32(dataAt + 20, true) !== 0) return
      const at = { startLsn: base + BigInt(record.start), endLsn: base + BigInt(record.end) }
      this.map.doubt(minimalDoubt(at))
    } else if (record.kind === xlogInfo.switch) {
      // Its end is the segment's.
      this.voidBytes = this.voidUntil(this.passedOver.toLsn)
      this.passedOver.fromLsn = base + BigInt(record.start + record.totalLength)
      this.passedOver.toLsn = base + BigInt(record.end)
    }
  }

  /** What was passed over up to there, since the last cut. */
  private voidUntil(lsn: Lsn): number {
    const { passedOver, voidBytes } = this
    const toLsn = lsn < passedOver.toLsn ? lsn : passedOver.toLsn
    if (toLsn <= passedOver.fromLsn) return voidBytes
    const more = Number(toLsn - passedOver.fromLsn)
    passedOver.fromLsn = toLsn
    return voidBytes + more
  }

  // ------------------------------------------------------------ transactions

  private transaction(record: WalRecord, base: Lsn): void {
    const { view, dataAt } = record
    if ((record.info & xactInfo.mask) === xactInfo.prepare) {
      const xid = view.getUint32(dataAt + prepareOffsets.xid, true)
      this.push(record, base, { kind: 'prepare', xid, time: timeAt(view, dataAt + prepareOffsets.preparedAt) })
      return
    }
    const end = transactionEnd(record, this.majorVersion)
    if (!end) return
    const time = timeAt(view, dataAt)
    for (const { tablespace, database, relfilenode } of end.dropped)
      for (const fork of Object.values(forks)) this.map.fork(tablespace, database, relfilenode, fork).cut(0)
    for (const sub of end.subtransactions) this.markOfSubtransaction(record, base, { sub, xid: end.xid, time })
    this.openMarks.delete(end.xid)
    this.push(record, base, { kind: end.committed ? 'commit' : 'abort', xid: end.xid, time })
  }

  // ------------------------------------------------------------ files

  private storage(record: WalRecord): void {
    const { view, dataAt } = record
    if (record.kind === smgrInfo.create) {
      const fork = view.getInt32(dataAt + 12, true)
      this.map
        .fork(view.getUint32(dataAt, true), view.getUint32(dataAt + 4, true), view.getUint32(dataAt + 8, true), fork)
        .cut(0)
    } else if (record.kind === smgrInfo.truncate) {
      const blocks = view.getUint32(dataAt, true)
      const flags = view.getInt32(dataAt + 16, true)
      const cut = (fork: number, length: number): void =>
        this.map
          .fork(
            view.getUint32(dataAt + 4, true),
            view.getUint32(dataAt + 8, true),
            view.getUint32(dataAt + 12, true),
            fork,
          )
          .cut(length)
      if (flags & truncateFlags.heap) cut(forks.main, blocks)
      // The page of the map where the cut falls is changed without a record of its own: it counts as cut too.
      if (flags & truncateFlags.vm) cut(forks.vm, Math.floor(blocks / HEAP_BLOCKS_PER_VM_PAGE))
      // The free space map is a tree whose upper pages change as well; it is read whole in any case.
      if (flags & truncateFlags.fsm) cut(forks.fsm, 0)
    }
  }

  private database(record: WalRecord): void {
    const { view, dataAt } = record
    const database = view.getUint32(dataAt, true)
    if (record.kind === dbaseInfo.drop) {
      const count = view.getInt32(dataAt + 4, true)
      for (let n = 0; n < count; n++) this.map.doubtDatabase(view.getUint32(dataAt + 8 + n * 4, true), database)
    } else if (record.kind === dbaseInfo.createFileCopy || record.kind === dbaseInfo.createWalLog) {
      this.map.doubtDatabase(view.getUint32(dataAt + 4, true), database)
    } else this.map.doubt(`WAL has a database record of kind ${record.kind}, which is not known`)
  }

  // ------------------------------------------------------------ loads

  /** xl_logical_message: database, transactional, length of prefix and of message (8 bytes each), prefix with a NUL, message. */
  private message(record: WalRecord, base: Lsn): void {
    const { view, dataAt, bytes } = record
    const prefixBytes = view.getUint32(dataAt + 8, true)
    if (prefixBytes !== LOAD_PREFIX.length + 1 || view.getUint8(dataAt + 4) === 0) return
    if (cString(bytes, dataAt + 24, dataAt + 24 + prefixBytes) !== LOAD_PREFIX) return
    const from = dataAt + 24 + prefixBytes
    const name = Buffer.from(bytes.subarray(from, from + view.getUint32(dataAt + 16, true))).toString('utf8')
    if (this.openMarks.size < MOST_OPEN_MARKS) this.openMarks.set(record.xid, name)
    this.push(record, base, { kind: 'load', xid: record.topXid || record.xid, time: UNKNOWN_TIME, name })
  }

  /** A mark written within a subtransaction is named again, under the transaction's own id, where that ends. */
  private markOfSubtransaction(record: WalRecord, base: Lsn, found: { sub: number; xid: number; time: number }): void {
    const name = this.openMarks.get(found.sub)
    if (name === undefined) return
    this.openMarks.delete(found.sub)
    this.push(record, base, { kind: 'load', xid: found.xid, time: found.time, name })
  }

  private push(record: WalRecord, base: Lsn, entry: Entry): void {
    this.commits.add(record, base, entry)
  }
}

interface Entry {
  readonly kind: CommitEntry['kind']
  readonly xid: number
  /** Microseconds since 2000 UTC: safe as a number until 2285. */
  readonly time: number
  readonly name?: string
}

/** Entries as columns of plain numbers: objects would live until the chunk is cut, and keep the garbage collector busy. */
class EntryColumns {
  private base: Lsn = 0n
  private readonly kinds: CommitEntry['kind'][] = []
  private readonly starts: number[] = []
  private readonly ends: number[] = []
  private readonly xids: number[] = []
  private readonly times: number[] = []
  private readonly names = new Map<number, string>()

  add(record: WalRecord, base: Lsn, entry: Entry): void {
    this.base = base
    if (entry.name !== undefined) this.names.set(this.kinds.length, entry.name)
    this.kinds.push(entry.kind)
    this.starts.push(record.start)
    this.ends.push(record.end)
    this.xids.push(entry.xid)
    this.times.push(entry.time)
  }

  entries(): readonly CommitEntry[] {
    return this.kinds.map((kind, at) => {
      const entry = {
        kind,
        xid: this.xids[at]!,
        timeUs: BigInt(this.times[at]!) + POSTGRES_EPOCH_US,
        startLsn: this.base + BigInt(this.starts[at]!),
        endLsn: this.base + BigInt(this.ends[at]!),
      }
      const name = this.names.get(at)
      return name === undefined ? entry : { ...entry, name }
    })
  }
}

/** TimestampTz: microseconds since 2000 UTC. */
function timeAt(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
}

function cString(bytes: Uint8Array, from: number, to: number): string {
  const end = bytes.indexOf(0, from)
  return Buffer.from(bytes.subarray(from, end < 0 || end > to ? to : end)).toString('utf8')
}
