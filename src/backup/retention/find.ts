// A backup by its id, in whichever repository it is, expired or not.
import type { Context } from '../../base/room.ts'
import { declaredRepository } from '../../repository/config.ts'
import { repositories, type BackupSummary, type Repository } from '../../repository/contract.ts'
import type { ExpiringBackup } from '../../repository/expiry-contract.ts'
import { backupErrors } from '../errors.ts'

export interface FoundBackup {
  readonly repository: Repository
  readonly summary: BackupSummary
  /** Where it has expired already. */
  readonly expiring: ExpiringBackup | undefined
}

/** Rejects with `backup.unknown-backup`, `repository.unknown`. A copied backup is found in each of its repositories; `repository` chooses. */
export async function findBackups(
  id: string,
  of: { readonly context: Context; readonly repository?: string | undefined; readonly signal: AbortSignal },
): Promise<readonly FoundBackup[]> {
  const all = await of.context.use(repositories)
  // A name with a slip in it must not look like a backup that is lost.
  if (of.repository !== undefined) declaredRepository(of.context, of.repository)
  const found: FoundBackup[] = []
  for (const { name } of all.list()) {
    if (of.repository !== undefined && name !== of.repository) continue
    const repository = await all.open(name, of.signal)
    const listed = await repository.listBackups(of.signal, { onDamaged: () => {} })
    const summary = listed.find((one) => one.id === id)
    const expiring = summary
      ? undefined
      : (await repository.listExpiring(of.signal)).find((one) => one.summary.id === id)
    if (summary) found.push({ repository, summary, expiring: undefined })
    else if (expiring) found.push({ repository, summary: expiring.summary, expiring })
  }
  if (found.length === 0) throw backupErrors.unknownBackup({ id })
  return found
}
