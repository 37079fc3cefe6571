// The WAL of a repository alone, from a seed: for `wharf wal get|push`, which are started once for each segment and must not load more.
import type { Notices, PackWriterSeed, WalArchive } from './contract.ts'
import { KeyRing, type KeyRingSeed } from './keys/ring.ts'
import { StoredNotices } from './notice/notices.ts'
import { openStore } from './stores.ts'
import { StoredWal } from './wal/archive.ts'

/** `seed` is Repository.readerSeed: it holds the data keys. */
export async function openWalArchive(seed: PackWriterSeed): Promise<WalArchive> {
  const { ring } = seed as unknown as { readonly ring: KeyRingSeed }
  return new StoredWal({ store: await openStore(seed.store), ring: new KeyRing(ring) })
}

/** The same with the notices beside it. */
export async function openWalRepository(
  seed: PackWriterSeed,
): Promise<{ wal: WalArchive; notices: Notices; location: string }> {
  const { ring: ringSeed } = seed as unknown as { readonly ring: KeyRingSeed }
  const parts = { store: await openStore(seed.store), ring: new KeyRing(ringSeed) }
  return { wal: new StoredWal(parts), notices: new StoredNotices(parts), location: parts.store.location }
}
