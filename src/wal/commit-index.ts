// What recovery asks of the ends of transactions, restore points and load marks that were found in WAL. Entries are in order of LSN.
import type { CommitEntry } from './contract.ts'

/** The restore point of that name that comes first, as PostgreSQL's recovery_target_name takes it. */
export function findRestorePoint(entries: Iterable<CommitEntry>, name: string): CommitEntry | undefined {
  for (const entry of entries) if (entry.kind === 'restore-point' && entry.name === name) return entry
  return undefined
}

/** How the transaction `xid` ended first in these entries. */
export function findTransaction(entries: Iterable<CommitEntry>, xid: number): CommitEntry | undefined {
  for (const entry of entries) if (isEnd(entry) && entry.xid === xid) return entry
  return undefined
}

/**
 * Where recovery to a time stops: the first end of a transaction after `timeUs` (or at it, if exclusive). Recovery to just before its
 * `startLsn` holds everything up to the time. Undefined where all entries are earlier.
 */
export function findAfterTime(
  entries: Iterable<CommitEntry>,
  timeUs: bigint,
  inclusive = true,
): CommitEntry | undefined {
  for (const entry of entries) {
    if (isEnd(entry) && (inclusive ? entry.timeUs > timeUs : entry.timeUs >= timeUs)) return entry
  }
  return undefined
}

/**
 * The commit of the load `id`: the mark is in the load's own transaction. A load that was tried several times is the one that committed.
 * `mark` alone is given where its end is not in these entries.
 */
export function findLoad(
  entries: Iterable<CommitEntry>,
  id: string,
): { readonly mark: CommitEntry; readonly commit: CommitEntry | undefined } | undefined {
  const open = new Map<number, CommitEntry>()
  let newest: CommitEntry | undefined
  for (const entry of entries) {
    if (entry.kind === 'load' && entry.name === id) {
      open.set(entry.xid, entry)
      newest = entry
    } else if (isEnd(entry)) {
      const mark = open.get(entry.xid)
      if (mark && entry.kind === 'commit') return { mark, commit: entry }
      open.delete(entry.xid)
    }
  }
  return newest && { mark: newest, commit: undefined }
}

function isEnd(entry: CommitEntry): boolean {
  return entry.kind === 'commit' || entry.kind === 'abort'
}
