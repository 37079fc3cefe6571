// From what is asked for to the backup and the place in WAL: what every way of recovery begins with.
import type { Context } from '../../base/room.ts'
import type { BackupSummary, Manifest, Repository } from '../../repository/contract.ts'
import { openChosenRepository, type RepositoryChoice } from '../restore/open-repository.ts'
import { readingOf } from '../restore/reading.ts'
import { firstRecordFrom } from '../target/records.ts'
import { targetRequest, type TargetOptions } from '../target/request.ts'
import { resolveTarget, type ResolvedTarget } from '../target/resolve.ts'

export interface TargetChoice extends TargetOptions, RepositoryChoice {
  readonly timeline?: number | undefined
}

export interface FoundTarget {
  readonly repository: Repository
  /** Of the warehouse, oldest first. */
  readonly backups: readonly BackupSummary[]
  readonly resolved: ResolvedTarget
  readonly manifest: Manifest
  /** Why no lease protects what is read; undefined where one does, or none was asked for. */
  readonly unprotected: string | undefined
  /** Ends the lease; closes the repository where it was opened for this alone. */
  readonly close: () => Promise<void>
}

export interface FindOptions {
  /** Expiry deletes nothing of it until `close`. */
  readonly leased: boolean
  readonly signal: AbortSignal
  /** What may add WAL to the repository before the target is looked for. */
  readonly before?: (repository: Repository, backups: readonly BackupSummary[]) => Promise<void>
}

export async function findTarget(choice: TargetChoice, context: Context, options: FindOptions): Promise<FoundTarget> {
  const { leased, signal } = options
  const { warehouse } = choice
  const request = targetRequest(choice)
  const chosen = await openChosenRepository(choice, context, signal)
  const { repository } = chosen
  const reading = leased ? await readingOf(repository, { warehouse, log: context.log, signal }) : undefined
  const close = async (): Promise<void> => {
    await reading?.[Symbol.asyncDispose]()
    await chosen.close()
  }
  try {
    const backups = await repository.listBackups(signal, {
      warehouse,
      // A damaged manifest takes nothing from the others.
      onDamaged: (object, error) => context.log.warn({ object, err: error }, 'a manifest is damaged'),
    })
    await options.before?.(repository, backups)
    const resolved = await resolveTarget({
      wal: repository.wal,
      backups,
      warehouse,
      repository: repository.name,
      request,
      backup: choice.backup,
      timeline: choice.timeline,
      recordFrom: (view, lsn, reach) =>
        firstRecordFrom({ wal: repository.wal, view, endLsn: reach.endLsn, signal }, lsn),
      signal,
    })
    const manifest = await repository.readManifest(resolved.backup.id, signal)
    return { repository, backups, resolved, manifest, unprotected: reading?.unprotected, close }
  } catch (error) {
    await close()
    throw error
  }
}
