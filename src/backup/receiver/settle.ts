// What a receiver that died has left in a repository can be read and yet be lost by a power cut: its name was made, its barrier never came. Before
// anything is built upon it, and above all before the server is told that it may forget that WAL, it is made durable by us.
import type { Repository, WalChunkInfo } from '../../repository/contract.ts'

/**
 * Settles the newest chunk. A receiver stores one chunk after the other, each durable before the next, so no older one can be in doubt.
 */
export async function settleNewest(
  repository: Repository,
  of: { systemIdentifier: bigint; signal: AbortSignal },
): Promise<void> {
  const { systemIdentifier, signal } = of
  for (const info of newestOf(await repository.wal.list(systemIdentifier, signal))) {
    await repository.wal.settle(info, signal)
  }
}

/** Of the newest timeline, what reaches furthest: more than one where chunks overlap. */
function newestOf(chunks: readonly WalChunkInfo[]): readonly WalChunkInfo[] {
  const timeline = chunks.reduce((newest, one) => Math.max(newest, one.timeline), 0)
  const own = chunks.filter((one) => one.timeline === timeline)
  const endLsn = own.reduce((end, one) => (one.endLsn > end ? one.endLsn : end), 0n)
  return own.filter((one) => one.endLsn === endLsn)
}
