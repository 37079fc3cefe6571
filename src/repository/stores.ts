// From a descriptor to a store, in any thread.
import type { ObjectStore, StoreDescriptor } from './contract.ts'
import { FileStore } from './store/file.ts'

/** A module that a descriptor names exports this; tests bring their own stores into worker threads so. */
interface StoreModule {
  openStore(options: unknown): ObjectStore | Promise<ObjectStore>
}

export async function openStore(descriptor: StoreDescriptor): Promise<ObjectStore> {
  if (descriptor.kind === 'file') return new FileStore(descriptor.path)
  const module = (await import(descriptor.module)) as StoreModule
  return module.openStore(descriptor.options)
}
