// Whether a repository that is open has got another data key since.
import type { Repository } from '../contract.ts'
import { StoredRepository } from '../stored.ts'
import { dataKeyName } from './store.ts'

export async function hasNewerDataKey(repository: Repository, signal: AbortSignal): Promise<boolean> {
  if (!repository.encrypted || !(repository instanceof StoredRepository)) return false
  return (await repository.store.stat(dataKeyName(repository.ring.newest + 1), { signal })) !== undefined
}
