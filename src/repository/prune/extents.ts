// Which extents of packs the manifests name: what must stay when a pack is trimmed.
import type { ExtentRef, MapRef } from '../contract.ts'
import { readMaps } from '../map/bundle.ts'
import { readManifest } from '../manifest/store.ts'
import type { ReadOptions } from '../object/decode.ts'
import type { Root } from './roots.ts'

/** Pack → number → reference. */
export type ExtentsByPack = ReadonlyMap<string, ReadonlyMap<number, ExtentRef>>

const MAPS_AT_ONCE = 1024

/** Manifests and maps are immutable: each is read once. About 100 bytes for each extent that any of them names. */
export class NamedExtents {
  private readonly options: ReadOptions
  private readonly maps = new Map<string, readonly ExtentRef[]>()
  private readonly roots = new Map<string, ExtentsByPack>()

  constructor(options: ReadOptions) {
    this.options = options
  }

  /** What one manifest names. */
  async of(root: Pick<Root, 'object'>): Promise<ExtentsByPack> {
    const known = this.roots.get(root.object)
    if (known) return known
    const { manifest } = await readManifest(root.object, this.options)
    const named = new Map<string, Map<number, ExtentRef>>()
    const add = (ref: ExtentRef): void => {
      const extents = named.get(ref.pack)
      if (extents) extents.set(ref.number, ref)
      else named.set(ref.pack, new Map([[ref.number, ref]]))
    }
    const refs: MapRef[] = []
    for (const file of manifest.files) {
      if (file.kind === 'segment') refs.push(file.map)
      else file.extents.forEach(add)
    }
    for await (const extents of this.extentsOf(refs)) extents.forEach(add)
    this.roots.set(root.object, named)
    return named
  }

  private async *extentsOf(refs: readonly MapRef[]): AsyncGenerator<readonly ExtentRef[]> {
    const key = (ref: MapRef): string => `${ref.object}@${ref.offset}`
    const fresh = refs.filter((ref) => !this.maps.has(key(ref)))
    for (let at = 0; at < fresh.length; at += MAPS_AT_ONCE) {
      const some = fresh.slice(at, at + MAPS_AT_ONCE)
      const maps = await readMaps(some, this.options)
      for (const [index, ref] of some.entries()) this.maps.set(key(ref), maps[index]!.extents)
    }
    for (const ref of refs) yield this.maps.get(key(ref))!
  }

  /** What any of them names of these packs; of all packs where none are given. */
  async union(roots: readonly Pick<Root, 'object'>[], packs?: ReadonlySet<string>): Promise<ExtentsByPack> {
    const all = new Map<string, Map<number, ExtentRef>>()
    for (const root of roots) {
      for (const [pack, extents] of await this.of(root)) {
        if (packs && !packs.has(pack)) continue
        const known = all.get(pack)
        if (known) for (const [number, ref] of extents) known.set(number, ref)
        else all.set(pack, new Map(extents))
      }
    }
    return all
  }
}
