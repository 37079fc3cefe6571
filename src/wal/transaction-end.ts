// How a transaction ended: the optional parts of a commit or abort record, and of the record that prepares one.
import type { RelationFile } from './contract.ts'
import { droppedStatisticBytes, INVALIDATION_BYTES, POSTGRES_EPOCH_US, rmgr, xactInfo, xinfo } from './layouts.ts'
import type { WalRecord } from './record.ts'

export interface TransactionEnd {
  readonly committed: boolean
  /** Of the top-level transaction; of a prepared one the id that it had, not that of who ended it. */
  readonly xid: number
  readonly subtransactions: readonly number[]
  /** Files that are gone from now on: dropped by a commit, or made by what was rolled back. */
  readonly dropped: readonly RelationFile[]
  /** Microseconds since 1970 UTC. */
  readonly timeUs: bigint
}

/** Undefined for every other record. */
export function transactionEnd(record: WalRecord, majorVersion: number): TransactionEnd | undefined {
  if (record.rmgr !== rmgr.xact) return undefined
  const kind = record.info & xactInfo.mask
  const committed = kind === xactInfo.commit || kind === xactInfo.commitPrepared
  if (!committed && kind !== xactInfo.abort && kind !== xactInfo.abortPrepared) return undefined
  const timeUs = record.view.getBigInt64(record.dataAt, true) + POSTGRES_EPOCH_US
  return { committed, timeUs, ...optionalParts(record, majorVersion) }
}

function optionalParts(
  record: WalRecord,
  majorVersion: number,
): Pick<TransactionEnd, 'xid' | 'subtransactions' | 'dropped'> {
  const { view } = record
  let at = record.dataAt + 8
  const subtransactions: number[] = []
  const dropped: RelationFile[] = []
  if ((record.info & xactInfo.hasXinfo) === 0) return { xid: record.xid, subtransactions, dropped }
  const parts = view.getUint32(at, true)
  at += 4
  const count = (): number => view.getInt32((at += 4) - 4, true)
  if (parts & xinfo.database) at += 8
  if (parts & xinfo.subtransactions)
    for (let left = count(); left > 0; left--, at += 4) subtransactions.push(view.getUint32(at, true))
  if (parts & xinfo.relations) for (let left = count(); left > 0; left--, at += 12) dropped.push(fileAt(view, at))
  if (parts & xinfo.droppedStatistics) at += 4 + view.getInt32(at, true) * droppedStatisticBytes[majorVersion]!
  if (parts & xinfo.invalidations) at += 4 + view.getInt32(at, true) * INVALIDATION_BYTES
  return { xid: parts & xinfo.twoPhase ? view.getUint32(at, true) : record.xid, subtransactions, dropped }
}

/** RelFileLocator as it lies in records. */
export function fileAt(view: DataView, at: number): RelationFile {
  return {
    tablespace: view.getUint32(at, true),
    database: view.getUint32(at + 4, true),
    relfilenode: view.getUint32(at + 8, true),
  }
}
