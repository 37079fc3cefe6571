// For this room's tests: a repository in a folder that goes with the test.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock, type Clock } from '../../src/base/clock.ts'
import type { ObjectStore, Repository } from '../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../src/repository/open.ts'
import { openStore } from '../../src/repository/stores.ts'
import type { Unlock } from '../../src/repository/unlock.ts'

const signal = new AbortController().signal
export const testPassphrase: Unlock = { by: 'passphrase', passphrase: 'correct horse', scryptCost: 1024 }

interface Teardown {
  after(work: () => Promise<void>): void
}

export async function scratchFolder(t: Teardown): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-repository-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

export interface ScratchOptions {
  readonly unlock?: Unlock
  readonly clock?: Clock
  readonly leaseMs?: number
  readonly holder?: string
  /** Goes around the store, e.g. with faults. */
  readonly wrap?: (store: ObjectStore) => ObjectStore
}

/** Another opening of what scratchRepository() made. */
export async function reopen(path: string, options: ScratchOptions = {}): Promise<Repository> {
  const plain = await openStore({ kind: 'file', path })
  return openRepository({
    name: 'main',
    store: options.wrap ? options.wrap(plain) : plain,
    unlock: options.unlock ?? testPassphrase,
    clock: options.clock ?? systemClock,
    holder: options.holder ?? 'tester@here, process 1',
    signal,
    packPlainBytes: 100_000,
    ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
  })
}

export async function scratchRepository(
  t: Teardown,
  options: ScratchOptions = {},
): Promise<{ repository: Repository; path: string }> {
  const path = await scratchFolder(t)
  await initRepository({
    store: await openStore({ kind: 'file', path }),
    unlock: options.unlock ?? testPassphrase,
    signal,
  })
  return { repository: await reopen(path, options), path }
}
