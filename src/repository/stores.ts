// From a descriptor to a store, in any thread.
import type { ObjectStore, StoreDescriptor } from './contract.ts'
import { FileStore } from './store/file.ts'

/** A module that a descriptor names exports this; tests bring their own stores into worker threads so. */
interface StoreModule {
  openStore(options: unknown): ObjectStore | Promise<ObjectStore>
}

/** Rejects with `repository.unreachable`, `.no-bucket`, `.bad-credentials`, … where a bucket cannot be asked for what it is. */
export async function openStore(descriptor: StoreDescriptor, signal?: AbortSignal): Promise<ObjectStore> {
  if (descriptor.kind === 'file') return new FileStore(descriptor.path)
  if (descriptor.kind === 's3') {
    // The client library takes a third of a second to load: only who uses a bucket waits for it.
    const { openS3Store } = await import('./store/s3/store.ts')
    return openS3Store(descriptor.options, { versions: descriptor.versions, signal })
  }
  const module = (await import(descriptor.module)) as StoreModule
  return module.openStore(descriptor.options)
}

/**
 * A descriptor with which another user of this machine can open the store for some hours: credentials that we have from our environment are
 * written into it. Undefined where they would run out. A secret: only for files of mode 0600.
 */
export async function portableDescriptor({
  descriptor,
}: Pick<ObjectStore, 'descriptor'>): Promise<StoreDescriptor | undefined> {
  if (descriptor.kind !== 's3') return descriptor
  const { fixedCredentials } = await import('./store/s3/connection.ts')
  const credentials = await fixedCredentials(descriptor.options)
  return credentials && { ...descriptor, options: { ...descriptor.options, credentials, profile: undefined } }
}
