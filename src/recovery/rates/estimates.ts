// How long a recovery would take now, for those who watch: the newest backup and the WAL since.
import type { Context } from '../../base/room.ts'
import { repositories, type BackupSummary, type Repository } from '../../repository/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'
import type { RecoveryEstimate, RecoveryEstimates } from '../contract.ts'
import { estimateStep, total, type StepEstimate } from './model.ts'
import { readRecords } from './times.ts'

export function buildEstimates(context: Context): RecoveryEstimates {
  return {
    estimate: async (warehouse, signal) => {
      const found = await newestBackup(warehouse, context, signal)
      if (!found) return undefined
      return estimateFor(warehouse, {
        bytes: found.backup.statistics.clusterBytes,
        walBytes: await walSince(found, signal),
        records: await readRecords(context.home),
      })
    },
    lastProof: async (warehouse) => {
      const proof = (await readRecords(context.home)).findLast((one) => one.warehouse === warehouse && one.verified)
      return proof && { at: proof.at, backup: proof.backup, durationMs: proof.durationMs }
    },
  }
}

interface Found {
  readonly repository: Repository
  readonly backup: BackupSummary
}

async function newestBackup(warehouse: string, context: Context, signal: AbortSignal): Promise<Found | undefined> {
  const names = (await context.use(warehouses)).get(warehouse).declaration.repositories
  let best: Found | undefined
  for (const name of names) {
    const repository = await (await context.use(repositories)).open(name, signal)
    const backups = await repository.listBackups(signal, {
      warehouse,
      onDamaged: (object) => context.log.warn({ object }, 'a manifest is damaged'),
    })
    const backup = backups.at(-1)
    if (backup && (!best || backup.finishedMs > best.backup.finishedMs)) best = { repository, backup }
  }
  return best
}

/** WAL that a recovery to the end would replay, as far as ranges tell: the longest timeline counts. */
async function walSince({ repository, backup }: Found, signal: AbortSignal): Promise<number> {
  const ranges = await repository.wal.ranges(backup.systemIdentifier, signal)
  const endLsn = ranges.reduce((most, range) => (range.endLsn > most ? range.endLsn : most), backup.stopLsn)
  return Number(endLsn - backup.replayFromLsn)
}

function estimateFor(
  warehouse: string,
  facts: { bytes: number; walBytes: number; records: Parameters<typeof estimateStep>[2]['records'] },
): RecoveryEstimate {
  const options = { records: facts.records, warehouse }
  const steps = [
    estimateStep('fetch', facts.bytes, options),
    estimateStep('replay', facts.walBytes, options),
    estimateStep('start', 0, options),
  ]
  return {
    warehouse,
    ...total(steps),
    steps: steps.map((one: StepEstimate) => ({
      step: one.step as 'fetch' | 'replay' | 'start',
      bytes: one.bytes,
      bytesPerSecond: one.bytesPerSecond,
      ms: one.expectedMs,
    })),
  }
}
