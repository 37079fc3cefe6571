// What worker threads open from a seed: pack writers and extent readers.
import { z } from 'zod'

import type { ExtentReader, PackWriter, PackWriterSeed, StoreDescriptor } from './contract.ts'
import { KeyRing, type KeyRingSeed } from './keys/ring.ts'
import { PackReader } from './pack/reader.ts'
import { SealedPackWriter } from './pack/writer.ts'
import { openStore } from './stores.ts'

const seedSchema = z.object({
  ring: z.object({
    repositoryId: z.string(),
    sealing: z.enum(['none', 'aes-256-gcm']),
    dataKeys: z.array(z.object({ number: z.number(), key: z.instanceof(Uint8Array) })),
  }),
  packPlainBytes: z.number().optional(),
})

export function makeSeed(store: StoreDescriptor, ring: KeyRingSeed, packPlainBytes?: number): PackWriterSeed {
  return packPlainBytes === undefined ? { store, ring } : { store, ring, packPlainBytes }
}

/** A pack writer of its own store; one per thread. `signal` ends its writing. */
export async function openPackWriter(
  seed: PackWriterSeed,
  signal: AbortSignal = new AbortController().signal,
): Promise<PackWriter> {
  const { ring, packPlainBytes } = seedSchema.parse(seed)
  const store = await openStore(seed.store)
  return new SealedPackWriter({
    store,
    ring: new KeyRing(ring),
    signal,
    ...(packPlainBytes === undefined ? {} : { packPlainBytes }),
  })
}

/** A reader of extents of its own store. */
export async function openExtentReader(seed: PackWriterSeed): Promise<ExtentReader> {
  const { ring } = seedSchema.parse(seed)
  return new PackReader({ store: await openStore(seed.store), ring: new KeyRing(ring) })
}
