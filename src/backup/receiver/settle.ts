// What a receiver that died has left in a repository can be read and yet be lost by a power cut: its name was made, its barrier never came. Before
// anything is built upon it, and above all before the server is told that it may forget that WAL, it is made durable by us.
import { isWharfError } from '../../base/errors.ts'
import type { Repository, WalChunkInfo } from '../../repository/contract.ts'

/**
 * Puts the newest chunk once more: the same bytes under the same name are no error, and durable when that resolves. A receiver stores one chunk after
 * the other, each durable before the next, so no older one can be in doubt.
 */
export async function settleNewest(
  repository: Repository,
  of: { systemIdentifier: bigint; signal: AbortSignal },
): Promise<void> {
  const { systemIdentifier, signal } = of
  for (const info of newestOf(await repository.wal.list(systemIdentifier, signal))) {
    try {
      await repository.wal.put(await repository.wal.read(info, signal), signal)
    } catch (error) {
      // A damaged one is for the check to tell; putting it again would help nobody.
      if (!isWharfError(error, 'repository.damaged-object')) throw error
    }
  }
}

/** Of the newest timeline, what reaches furthest: more than one where chunks overlap. */
function newestOf(chunks: readonly WalChunkInfo[]): readonly WalChunkInfo[] {
  const timeline = chunks.reduce((newest, one) => Math.max(newest, one.timeline), 0)
  const own = chunks.filter((one) => one.timeline === timeline)
  const endLsn = own.reduce((end, one) => (one.endLsn > end ? one.endLsn : end), 0n)
  return own.filter((one) => one.endLsn === endLsn)
}
