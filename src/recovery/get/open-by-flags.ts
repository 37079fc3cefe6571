// Opens a repository for `wharf wal get` that was given flags instead of an options file: costs the unlocking of keys each time.
import { systemClock } from '../../base/clock.ts'
import type { Repository } from '../../repository/contract.ts'
import { openRepository } from '../../repository/open.ts'
import { openStore } from '../../repository/stores.ts'
import type { Unlock } from '../../repository/unlock.ts'

export async function openByFlags(flags: { repositoryPath: string; unlock: Unlock }): Promise<Repository> {
  return await openRepository({
    name: flags.repositoryPath,
    store: await openStore({ kind: 'file', path: flags.repositoryPath }),
    unlock: flags.unlock,
    clock: systemClock,
    holder: 'wal get',
    signal: new AbortController().signal,
  })
}
