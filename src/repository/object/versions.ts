// Reading what somebody put a newer version over. A locked bucket still takes new versions: they hide the original and cannot harm it.
import { isWharfError } from '../../base/errors.ts'
import type { ObjectStore } from '../contract.ts'

interface At {
  readonly store: ObjectStore
  readonly signal: AbortSignal
}

/** The store as it looks where `name` is read as one version. */
export function pinned(store: ObjectStore, name: string, version: string): ObjectStore {
  const view = Object.create(store) as ObjectStore
  return Object.assign(view, {
    get: (asked: string, options: Parameters<ObjectStore['get']>[1]) =>
      store.get(asked, asked === name ? { ...options, version } : options),
    stat: (asked: string, options: Parameters<ObjectStore['stat']>[1]) =>
      store.stat(asked, asked === name ? { ...options, version } : options),
  })
}

/** Views of the store on each version of the object, the original first; none where the store keeps no versions. */
export async function* otherVersions(name: string, { store, signal }: At): AsyncGenerator<ObjectStore> {
  if (!store.abilities.versions) return
  const versions: string[] = []
  for await (const one of store.versions(name, { signal })) {
    if (one.name === name && !one.isDeleteMarker && one.version !== undefined) versions.push(one.version)
  }
  // A single one was what has just been read.
  if (versions.length < 2) return
  for (const version of versions.toReversed()) yield pinned(store, name, version)
}

/** Damage, or nothing there: what a shadow looks like. */
export function isShadowLike(error: unknown): boolean {
  return isWharfError(error) && (error.exit === 'damaged' || error.code === 'repository.unknown-format')
}

/** Reads what the store shows; where that is damaged, each other version. Rejects as the first try did where none is whole. */
export async function withVersions<T>(name: string, at: At, read: (store: ObjectStore) => Promise<T>): Promise<T> {
  try {
    return await read(at.store)
  } catch (error) {
    if (!isShadowLike(error)) throw error
    for await (const view of otherVersions(name, at)) {
      try {
        return await read(view)
      } catch (again) {
        if (!isShadowLike(again)) throw again
      }
    }
    throw error
  }
}
