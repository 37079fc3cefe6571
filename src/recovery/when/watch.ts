// Watches one relation (with its partitions) through WAL: counts what transactions do to its rows, follows its files from rewrite to rewrite, and tells at
// each commit what happened.
import { heapInfo, heapRmgr, rowChange } from '../../wal/heap-records.ts'
import { dbaseInfo, rmgr, smgrInfo, standbyInfo } from '../../wal/layouts.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { WalRecord } from '../../wal/record.ts'
import { fileAt, transactionEnd, type TransactionEnd } from '../../wal/transaction-end.ts'
import type { BackupCatalog } from './backup-catalog.ts'
import { CatalogChanges } from './catalog-changes.ts'
import type { CommittedCatalog } from './committed-catalog.ts'
import type { FoundEvent, RowCounts } from './event.ts'
import { eventsOf } from './judge.ts'
import { OpenTransactions, type Doings } from './transactions.ts'

export interface EndAt {
  readonly startLsn: Lsn
  readonly endLsn: Lsn
}

export class RelationWatch {
  readonly events: FoundEvent[] = []
  readonly committed: CommittedCatalog
  private readonly catalog: BackupCatalog
  /** Undefined where the catalogs are not followed: none of the files that are watched is dropped. */
  private readonly changes: CatalogChanges | undefined
  private readonly open = new OpenTransactions()
  /** Transactions that ran already when the first record was read; undefined until WAL has told. */
  private openAtStart: Set<number> | undefined

  constructor(catalog: BackupCatalog, committed: CommittedCatalog, follow: boolean) {
    this.catalog = catalog
    this.committed = committed
    this.changes = follow ? new CatalogChanges(catalog, this.open) : undefined
  }

  get isCatalogLost(): boolean {
    return this.changes?.isLost ?? false
  }

  get knowsStart(): boolean {
    return this.openAtStart !== undefined
  }

  /** Whether something is known of transactions whose ends must still be found. */
  get isWaiting(): boolean {
    return this.open.size > 0
  }

  /** An end of a transaction that is known from the commit index: of one that has none but its own id, or nothing of it is known. */
  mayConcern(xid: number): boolean {
    return this.open.has(xid)
  }

  record(record: WalRecord, at: EndAt): void {
    switch (record.rmgr) {
      case rmgr.xact:
        this.ended(transactionEnd(record, this.catalog.majorVersion), at)
        return
      case rmgr.standby:
        if (record.kind === standbyInfo.runningXacts) this.running(record)
        return
      case rmgr.smgr:
        if (record.kind === smgrInfo.create) this.created(record)
        return
      case rmgr.dbase:
        if (record.kind === dbaseInfo.drop && record.view.getUint32(record.dataAt, true) === this.catalog.database.oid)
          this.open.of(record.xid).databaseDropped = true
        return
    }
    if (this.changes?.record(record)) return
    if (record.rmgr === heapRmgr.heap && (record.info & heapInfo.mask) === heapInfo.truncate) this.truncated(record)
    else if (record.rmgr === heapRmgr.heap || record.rmgr === heapRmgr.heap2) this.rows(record)
  }

  /** The end of a transaction without subtransactions and without dropped files, from the commit index alone. */
  endedByIndex(end: { xid: number; committed: boolean; timeUs: bigint }, at: EndAt): void {
    this.ended({ ...end, subtransactions: [], dropped: [] }, at)
  }

  private rows(record: WalRecord): void {
    if (record.blockCount === 0 || record.fork[0] !== 0 || record.database[0] !== this.catalog.database.oid) return
    const relfilenode = record.relfilenode[0]!
    if (!this.committed.isWatched(relfilenode) && !this.open.created(record.xid, relfilenode)) return
    const found = rowChange(record)
    if (found) this.open.count(record.xid, relfilenode, found)
  }

  private created({ view, dataAt, xid }: WalRecord): void {
    const file = fileAt(view, dataAt)
    if (file.database === this.catalog.database.oid && view.getInt32(dataAt + 12, true) === 0)
      this.open.of(xid).created.add(file.relfilenode)
  }

  /** xl_heap_truncate: database, count, flags, oids. */
  private truncated({ view, dataAt, xid }: WalRecord): void {
    if (view.getUint32(dataAt, true) !== this.catalog.database.oid) return
    const count = view.getUint32(dataAt + 4, true)
    for (let n = 0; n < count; n++) this.open.of(xid).truncated.add(view.getUint32(dataAt + 12 + n * 4, true))
  }

  /** xl_running_xacts: counts of transactions and subtransactions, overflow, next, oldest running, latest completed, ids. */
  private running({ view, dataAt }: WalRecord): void {
    this.open.forgetBefore(view.getUint32(dataAt + 16, true))
    if (this.openAtStart) return
    const count = view.getInt32(dataAt, true)
    this.openAtStart = new Set(Array.from({ length: count }, (_, n) => view.getUint32(dataAt + 24 + n * 4, true)))
  }

  private ended(end: TransactionEnd | undefined, at: EndAt): void {
    if (!end) return
    const doings = this.open.end([end.xid, ...end.subtransactions])
    if (!end.committed) return
    const gone = this.committed.watchedAmong(end.dropped)
    if (!doings && gone.length === 0) return
    const before = this.committed.labels()
    const told = this.committed.apply(doings, gone)
    const about = {
      xid: end.xid,
      timeUs: end.timeUs,
      ...at,
      isAtLeast: this.openAtStart === undefined || this.openAtStart.has(end.xid),
    }
    this.events.push(...eventsOf({ about, told, counts: this.countsOf(doings, before) }))
  }

  /** Of files that were watched before the commit, and of those that are since. */
  private countsOf(
    doings: Doings | undefined,
    before: ReadonlyMap<number, string>,
  ): readonly { relation: string; counts: RowCounts; isNew: boolean }[] {
    const after = this.committed.labels()
    return [...(doings?.rows ?? [])].flatMap(([relfilenode, counts]) => {
      const relation = before.get(relfilenode) ?? after.get(relfilenode)
      return relation === undefined ? [] : [{ relation, counts, isNew: !before.has(relfilenode) }]
    })
  }
}
