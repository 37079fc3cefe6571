// Opens a repository for `wharf wal get` that was given flags instead of an options file: costs the unlocking of keys each time.
import { systemClock } from '../../base/clock.ts'
import type { Repository, StoreDescriptor } from '../../repository/contract.ts'
import { openRepository } from '../../repository/open.ts'
import { openStore } from '../../repository/stores.ts'
import type { Unlock } from '../../repository/unlock.ts'
import type { GetFile } from './arguments.ts'

type Place = Extract<GetFile['from'], { kind: 'flags' }>['place']

export async function openByFlags(flags: { place: Place; unlock: Unlock }): Promise<Repository> {
  const { place, unlock } = flags
  const signal = new AbortController().signal
  return await openRepository({
    name: 'path' in place ? place.path : place.bucket.url,
    store: await openStore(await descriptorOf(place), signal),
    unlock,
    clock: systemClock,
    holder: 'wal get',
    signal,
  })
}

async function descriptorOf(place: Place): Promise<StoreDescriptor> {
  if ('path' in place) return { kind: 'file', path: place.path }
  const { bucketFromFlags } = await import('../../repository/bucket-config.ts')
  return { kind: 's3', options: bucketFromFlags(place.bucket) }
}
