// What worker threads open from a seed: pack writers and extent readers.
import type { ExtentReader, PackWriter, PackWriterSeed, StoreDescriptor } from './contract.ts'
import { KeyRing, type KeyRingSeed } from './keys/ring.ts'
import { PackReader } from './pack/reader.ts'
import { SealedPackWriter } from './pack/writer.ts'
import { openStore } from './stores.ts'

interface Seed {
  readonly ring: KeyRingSeed
  readonly packPlainBytes?: number | undefined
}

/** Checked by hand: the schema library alone takes longer to load than the rest of a thread. */
function parseSeed(seed: PackWriterSeed): Seed {
  const { ring, packPlainBytes } = seed as { ring?: Partial<KeyRingSeed>; packPlainBytes?: unknown }
  const isRing =
    typeof ring?.repositoryId === 'string' &&
    (ring.sealing === 'none' || ring.sealing === 'aes-256-gcm') &&
    Array.isArray(ring.dataKeys) &&
    ring.dataKeys.every(({ number, key }) => typeof number === 'number' && key instanceof Uint8Array)
  if (!isRing || !(packPlainBytes === undefined || typeof packPlainBytes === 'number'))
    throw new TypeError('this is no seed of a pack writer')
  return { ring: ring as KeyRingSeed, packPlainBytes }
}

export function makeSeed(store: StoreDescriptor, ring: KeyRingSeed, packPlainBytes?: number): PackWriterSeed {
  return packPlainBytes === undefined ? { store, ring } : { store, ring, packPlainBytes }
}

/** A pack writer of its own store; one per thread. `signal` ends its writing. */
export async function openPackWriter(
  seed: PackWriterSeed,
  { signal = new AbortController().signal, onEnded }: { signal?: AbortSignal; onEnded?: (pack: string) => void } = {},
): Promise<PackWriter> {
  const { ring, packPlainBytes } = parseSeed(seed)
  const store = await openStore(seed.store)
  return new SealedPackWriter({
    store,
    ring: new KeyRing(ring),
    signal,
    ...(onEnded ? { onEnded } : {}),
    ...(packPlainBytes === undefined ? {} : { packPlainBytes }),
  })
}

/** A reader of extents of its own store. `direct`: past the page cache where that can be, for who reads much that nobody reads again soon. */
export async function openExtentReader(
  seed: PackWriterSeed,
  { direct = false }: { direct?: boolean } = {},
): Promise<ExtentReader> {
  const { ring } = parseSeed(seed)
  return new PackReader({ store: await openStore(seed.store), ring: new KeyRing(ring), direct })
}
