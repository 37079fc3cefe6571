// Kept loads as a replay takes them.
import type { Log } from '../../base/log.ts'
import type { KeptLoad, Repository } from '../../repository/contract.ts'

/** A head that is damaged is told and passed over: the load that it was of shows as one that is not kept. */
export function keptForReplay(
  repository: Repository,
  of: { readonly warehouse: string; readonly log: Pick<Log, 'warn'>; readonly signal: AbortSignal },
): Promise<readonly KeptLoad[]> {
  return repository.kept.list(of.warehouse, of.signal, {
    onDamaged: (object, error) => of.log.warn({ object, err: error }, 'a kept load is damaged'),
  })
}

export function inputBytesOf(load: KeptLoad): number {
  return load.steps.reduce((sum, step) => sum + ('content' in step ? step.content.bytes : 0), 0)
}
