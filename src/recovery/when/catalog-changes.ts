// Changes of pg_class and pg_inherits, read from WAL transaction by transaction.
import type { RelationFile } from '../../wal/contract.ts'
import { rmgr } from '../../wal/layouts.ts'
import type { WalRecord } from '../../wal/record.ts'
import type { BackupCatalog, FollowedCatalog } from './backup-catalog.ts'
import { catalogOids, classRow, inheritsRow, type ClassRow, type InheritsRow } from './catalog-rows.ts'

export interface ClassChange {
  readonly before: ClassRow | undefined
  readonly after: ClassRow | undefined
}

export interface InheritsChange {
  readonly added: boolean
  readonly row: InheritsRow
}

export interface CatalogSink {
  classChanged(xid: number, change: ClassChange): void
  inheritsChanged(xid: number, change: InheritsChange): void
}

export class CatalogChanges {
  private readonly catalog: BackupCatalog
  private readonly sink: CatalogSink
  private lost = false

  constructor(catalog: BackupCatalog, sink: CatalogSink) {
    this.catalog = catalog
    this.sink = sink
  }

  /** From some record on the catalogs could not be followed: names and files that changed later are not known. */
  get isLost(): boolean {
    return this.lost || this.catalog.pgClass.follower.isDoubtful
  }

  /** True where the record was one of the catalogs' own. */
  record(record: WalRecord): boolean {
    if (record.rmgr === rmgr.relMap) this.mapped(record)
    const { pgClass, pgInherits, majorVersion } = this.catalog
    if (touchesCatalog(record, pgClass)) {
      const found = pgClass.follower.record(record)
      if (!found) return true
      const row = (tuple: typeof found.before): ClassRow | undefined => tuple && classRow(tuple, majorVersion)
      this.sink.classChanged(record.xid, { before: row(found.before), after: row(found.after) })
      return true
    }
    if (!touchesCatalog(record, pgInherits)) return false
    const found = pgInherits.follower.record(record)
    const gone = found?.change === 'insert' ? undefined : found?.before && inheritsRow(found.before)
    const added = found?.after && inheritsRow(found.after)
    if (gone) this.sink.inheritsChanged(record.xid, { added: false, row: gone })
    if (added) this.sink.inheritsChanged(record.xid, { added: true, row: added })
    return true
  }

  /** xl_relmap_update: database, tablespace, length, then magic, count and pairs of oid and file. A catalog that was rewritten is not followed. */
  private mapped({ view, dataAt }: WalRecord): void {
    const { pgClass } = this.catalog
    if (view.getUint32(dataAt, true) !== pgClass.file.database) return
    const count = view.getInt32(dataAt + 16, true)
    for (let n = 0; n < count; n++) {
      const at = dataAt + 20 + n * 8
      if (view.getUint32(at, true) !== catalogOids.pgClass) continue
      if (view.getUint32(at + 4, true) !== pgClass.file.relfilenode) this.lost = true
    }
  }
}

export function touchesCatalog(record: WalRecord, { file }: FollowedCatalog): boolean {
  for (let n = 0; n < record.blockCount; n++) if (isOf(record, n, file)) return true
  return false
}

function isOf(record: WalRecord, n: number, file: RelationFile): boolean {
  return (
    record.relfilenode[n] === file.relfilenode &&
    record.database[n] === file.database &&
    record.tablespace[n] === file.tablespace
  )
}
