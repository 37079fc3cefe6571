// Whether a kept load committed, by the commit index of the WAL behind its position.
import { findLoad } from '../../wal/commit-index.ts'
import type { CommitEntry } from '../../wal/contract.ts'
import type { KeptLoad, KeptOutcome } from '../kept-contract.ts'
import type { WalArchive } from '../wal-contract.ts'

/** So much later, by the times in WAL, nobody is still about to commit: the lease of the load was over long before. */
const LATE_US = 24n * 3_600_000_000n

type Wal = Pick<WalArchive, 'list' | 'readIndex'>

/** Reads index after index until the answer is there; of a load that committed that is mostly the first. */
export async function outcomeOf(load: KeptLoad, wal: Wal, signal: AbortSignal): Promise<KeptOutcome> {
  if (load.xid === undefined) return { state: 'unknown' }
  const entries: CommitEntry[] = []
  let at = load.lsn
  let last = load.lsn
  const chunks = (await wal.list(load.systemIdentifier, signal, load.timeline))
    .filter((one) => one.endLsn > load.lsn)
    .toSorted((one, other) => (one.startLsn < other.startLsn ? -1 : one.startLsn > other.startLsn ? 1 : 0))
  for (const chunk of chunks) {
    // A hole: what stood in it, nobody knows.
    if (chunk.startLsn > at) break
    if (chunk.endLsn <= at) continue
    const index = await wal.readIndex(chunk, signal)
    if (index.problem !== undefined) break
    at = chunk.endLsn
    for (const entry of index.commits) if (entry.endLsn > last) entries.push(entry)
    last = at
    const known = judge(entries, load)
    if (known) return known
  }
  return { state: 'unknown' }
}

/** Undefined: more WAL may tell. */
export function judge(entries: readonly CommitEntry[], load: KeptLoad): KeptOutcome | undefined {
  const found = findLoad(entries, load.id)
  if (found?.commit) return { state: 'committed', lsn: found.commit.endLsn, timeUs: found.commit.timeUs }
  const xid = Number((load.xid ?? 0n) & 0xffff_ffffn)
  if (entries.some((one) => one.kind === 'abort' && one.xid === xid)) return { state: 'aborted' }
  // By the server's clock: that of the worker may be wrong by days.
  const first = entries.find((one) => one.kind === 'commit')?.timeUs ?? 0n
  const keptUs = BigInt(load.keptMs) * 1000n
  const late = (first > keptUs ? first : keptUs) + LATE_US
  return entries.some((one) => one.kind === 'commit' && one.timeUs > late) ? { state: 'absent' } : undefined
}
