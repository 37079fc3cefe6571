// Creating and opening repositories over any store, without configuration.
import type { Clock } from '../base/clock.ts'
import type { ObjectStore, Repository } from './contract.ts'
import { createKeys, FORMAT_OBJECT, openKeys } from './keys/store.ts'
import { errors } from './errors.ts'
import { StoredRepository } from './stored.ts'
import type { Unlock } from './unlock.ts'

export interface OpenOptions {
  /** Name for messages, as in wharf.yaml. */
  readonly name: string
  readonly store: ObjectStore
  readonly unlock: Unlock
  readonly clock: Clock
  readonly holder: string
  readonly signal: AbortSignal
  readonly leaseMs?: number
  readonly packPlainBytes?: number
}

/** Rejects with `repository.already-initialised` or `.not-empty`. Keys without a format object are what an interrupted init leaves. */
export async function requireEmpty({ store, signal }: Pick<OpenOptions, 'store' | 'signal'>): Promise<void> {
  if (await store.stat(FORMAT_OBJECT, { signal })) throw errors.alreadyInitialised({ location: store.location })
  for await (const { name } of store.list('', { signal })) {
    if (!name.startsWith('keys/')) throw errors.notEmpty({ location: store.location, found: name })
  }
}

/** Creates a repository in an empty store; durable when it resolves. Rejects with `repository.already-initialised`, `.not-empty`, or why the place is unfit. */
export async function initRepository(
  options: Pick<OpenOptions, 'store' | 'unlock' | 'signal'>,
): Promise<{ readonly id: string }> {
  const { store, unlock, signal } = options
  await requireEmpty(options)
  await store.requireFit?.({ signal })
  const left: string[] = []
  for await (const { name } of store.list('keys/', { signal })) left.push(name)
  for (const name of left) await store.remove(name, { signal })
  const { repositoryId } = await createKeys({ store, signal }, unlock, await store.now({ signal }))
  return { id: repositoryId }
}

/** Rejects with `repository.not-initialised`, `.wrong-key`, `.no-key-slot`, `.encryption-mismatch`, `.unreachable`, `.damaged-object`. */
export async function openRepository(options: OpenOptions): Promise<Repository> {
  const { unlock, ...parts } = options
  return new StoredRepository({ ...parts, ringSeed: await openKeys(options, unlock) })
}
