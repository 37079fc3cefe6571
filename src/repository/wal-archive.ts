// The WAL of a repository alone, from a seed: for `wharf wal get`, which is started once for each segment and must not load more.
import type { PackWriterSeed, WalArchive } from './contract.ts'
import { KeyRing, type KeyRingSeed } from './keys/ring.ts'
import { openStore } from './stores.ts'
import { StoredWal } from './wal/archive.ts'

/** `seed` is Repository.readerSeed: it holds the data keys. */
export async function openWalArchive(seed: PackWriterSeed): Promise<WalArchive> {
  const { ring } = seed as unknown as { readonly ring: KeyRingSeed }
  return new StoredWal({ store: await openStore(seed.store), ring: new KeyRing(ring) })
}
