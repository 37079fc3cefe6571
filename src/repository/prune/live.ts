// How much of the packs is named by any manifest.
import type { ObjectInfo } from '../contract.ts'
import type { ReadOptions } from '../object/decode.ts'
import { parseTrimmedName, TRIMMED_PREFIX } from '../pack/trimmed.ts'
import { NamedExtents } from './extents.ts'
import { readRoots } from './roots.ts'

export interface LiveShare {
  /** Packs, whole and trimmed. */
  readonly packs: number
  readonly packBytes: number
  /** Of those, extents that a manifest names, those of expired backups in their grace period included. */
  readonly liveBytes: number
  /** Packs of which less than half is named. */
  readonly thinPacks: number
}

/** Undefined where a manifest cannot be read: nobody knows then what it names. Reads all manifests and maps. */
export async function liveShare(options: ReadOptions): Promise<LiveShare | undefined> {
  const { roots, unreadable } = await readRoots(options)
  if (unreadable.length > 0) return undefined
  const named = await new NamedExtents(options).union(roots)
  const packs = new Map<string, number>()
  const add = (pack: string, { bytes }: ObjectInfo): void => void packs.set(pack, (packs.get(pack) ?? 0) + bytes)
  for await (const object of options.store.list('packs/', options)) add(object.name.slice(-32), object)
  for await (const object of options.store.list(TRIMMED_PREFIX, options)) {
    const parsed = parseTrimmedName(object.name)
    if (parsed) add(parsed.pack, object)
  }
  let [packBytes, liveBytes, thinPacks] = [0, 0, 0]
  for (const [pack, bytes] of packs) {
    const live = [...(named.get(pack)?.values() ?? [])].reduce((sum, one) => sum + one.storedBytes, 0)
    packBytes += bytes
    liveBytes += live
    if (live * 2 < bytes) thinPacks++
  }
  return { packs: packs.size, packBytes, liveBytes, thinPacks }
}
