// Takes the repository's lease for a backup. A backup that was killed leaves its lease behind: it is waited out, for the store's clock says when.
import { isWharfError } from '../../base/errors.ts'
import type { BackupWriter, Repository } from '../../repository/contract.ts'
import type { Receiving, TakeOptions } from './options.ts'

const PAUSE_MS = 1000

/**
 * WAL and the lease begin side by side: both take a few round trips. Both are waited for even where one fails: what is still beginning would not end with
 * the scope.
 */
export async function receiveAndBegin(
  repository: Repository,
  options: TakeOptions,
  scope: AsyncDisposableStack,
): Promise<{ receiving: Receiving; writer: BackupWriter }> {
  const failed = new AbortController()
  // A lease that is waited for must not hide that no WAL can be received.
  const signal = AbortSignal.any([options.signal, failed.signal])
  const receive = async (): Promise<Receiving> => {
    try {
      return await options.receive(scope)
    } catch (error) {
      failed.abort(error)
      throw error
    }
  }
  const [received, begun] = await Promise.allSettled([receive(), beginWriting(repository, { ...options, signal })])
  if (received.status === 'fulfilled' && begun.status === 'fulfilled')
    return { receiving: received.value, writer: begun.value }
  if (begun.status === 'fulfilled') await begun.value.abandon()
  throw received.status === 'rejected' ? received.reason : (begun as PromiseRejectedResult).reason
}

/**
 * Rejects with `repository.busy` where another backup of the warehouse goes on. A lease that nobody renews runs out: as long as the same
 * lease shows the same end, its holder is either dead or about to renew it, and we wait for that end.
 */
async function beginWriting(repository: Repository, options: TakeOptions): Promise<BackupWriter> {
  const warehouse = options.warehouse.declaration.name
  const seen = new Map<string, number>()
  for (;;) {
    try {
      return await repository.beginBackup({ warehouse, signal: options.signal })
    } catch (error) {
      if (!isWharfError(error, 'repository.busy')) throw error
      const holders = (await repository.listUnfinished(options.signal)).filter((one) => one.warehouse === warehouse)
      const renewed = holders.some((one) => seen.has(one.id) && seen.get(one.id) !== one.leaseUntilMs)
      if (renewed) throw error
      for (const one of holders) seen.set(one.id, one.leaseUntilMs)
      options.report({ phase: 'waiting', note: 'for the lease of a backup that did not finish' })
      await options.clock.sleep(PAUSE_MS, options.signal)
    }
  }
}
