// A recovery point that nobody chose: over the years drills then see backups of every age and WAL of every kind.
import { isWharfError } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { prepareRecovery, type RecoveryOptions } from '../plan/prepare.ts'
import type { TargetOptions } from '../target/request.ts'

/** Between the end of the oldest backup of the newest timeline and the end of WAL, every byte of WAL as likely as any other. */
export async function drawTarget(
  options: RecoveryOptions,
  context: Context,
  signal: AbortSignal,
): Promise<TargetOptions> {
  const prepared = await prepareRecovery({ ...options, latest: true }, context, signal)
  try {
    const { repository, resolved } = prepared
    const { backup, reach, timeline } = resolved
    const backups = await repository.listBackups(signal, { warehouse: options.warehouse, onDamaged: () => {} })
    const first = backups.find((one) => one.systemIdentifier === backup.systemIdentifier && one.timeline === timeline)
    const fromLsn = first?.stopLsn ?? backup.stopLsn
    const span = reach.endLsn - fromLsn
    if (span <= 0n) return { latest: true }
    const drawn = fromLsn + (context.random.bytes(8).readBigUInt64LE() % span)
    const target: TargetOptions = { latest: undefined, lsn: formatLsn(drawn) }
    // A drill is for what can be reached. What cannot be read on the way there is what a drill is to find.
    const reachable = await prepareRecovery({ ...options, ...target }, context, signal).catch((error: unknown) => {
      if (isWharfError(error) && error.exit === 'notFound') return undefined
      throw error
    })
    await reachable?.close()
    return reachable ? target : { latest: true }
  } finally {
    await prepared.close()
  }
}
