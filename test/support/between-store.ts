// A store in which something happens between two calls: what a race does, at a moment of the test's choice.
import type { ObjectInfo, ObjectStore } from '../../src/repository/contract.ts'

export interface Happenings {
  /** After a list was made and before its objects come. */
  readonly listed?: (prefix: string) => Promise<void>
  /** Before an object is put. */
  readonly putting?: (name: string) => Promise<void>
  /** Before an object is removed. */
  readonly removing?: (name: string) => Promise<void>
  /** After an object was removed. */
  readonly removed?: (name: string) => Promise<void>
}

/** `folder`: what went since the names were read is not listed, as where each file is looked up afterwards; `bucket`: it is. */
export function between(store: ObjectStore, how: 'folder' | 'bucket', what: Happenings): ObjectStore {
  const view = Object.create(store) as ObjectStore
  async function* list(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectInfo> {
    const listed: ObjectInfo[] = []
    for await (const one of store.list(prefix, options)) listed.push(one)
    await what.listed?.(prefix)
    for (const one of listed) if (how === 'bucket' || (await store.stat(one.name, options))) yield one
  }
  return Object.assign(view, {
    list,
    put: async (...args: Parameters<ObjectStore['put']>) => {
      await what.putting?.(args[0])
      await store.put(...args)
    },
    create: async (...args: Parameters<ObjectStore['create']>) => {
      await what.putting?.(args[0])
      return await store.create(...args)
    },
    remove: async (...args: Parameters<ObjectStore['remove']>) => {
      await what.removing?.(args[0])
      await store.remove(...args)
      await what.removed?.(args[0])
    },
  })
}
