// State files of prepared transactions that came after the backup began.
import type { ListedEntry } from '../source/cluster-files.ts'

const STATE_FILE = /^pg_twophase\/([0-9A-F]{8}|[0-9A-F]{16})$/

/**
 * Whether a state file is of a transaction that got its id after a checkpoint (`nextXid` of it): its PREPARE is in WAL behind the checkpoint's redo position. Names
 * have 8 hexadecimal digits up to 16, with the epoch 16 from 17 on; ids of 32 bits are compared as PostgreSQL does, around the corner.
 */
export function isPreparedLater(path: string, nextXid: bigint): boolean {
  const name = STATE_FILE.exec(path)?.[1]
  if (name === undefined) return false
  const xid = BigInt(`0x${name}`)
  return name.length === 16 ? xid >= nextXid : BigInt.asIntN(32, xid - nextXid) >= 0n
}

/**
 * Without the state files that replay makes anew: of transactions that the checkpoint in the control file, which is the start's or a later one, knows nothing of.
 * PostgreSQL removes such files itself when replay begins, as files from the future; but 17 and 18 look for them under another name, leave them where they are, and when
 * replay comes to the PREPARE take the transaction for one that they have read already (twophase.c: AdjustToFullTransactionId, PrepareRedoAdd): it is lost.
 * Not covered: a PREPARE and its file between the start and another checkpoint that ends before the control file is read, some milliseconds later.
 */
export async function* withoutPreparedLater(
  entries: AsyncIterable<ListedEntry>,
  nextXid: bigint,
): AsyncGenerator<ListedEntry> {
  for await (const entry of entries) if (!isPreparedLater(entry.path, nextXid)) yield entry
}
