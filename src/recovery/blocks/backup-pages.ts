// Pages of one relation segment as a backup holds them.
import type { ExtentRef, Manifest, ManifestFile, Repository, SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'

export interface StoredPage {
  /** Number within the segment file. */
  readonly block: number
  readonly page: Buffer
}

type Source = Pick<Repository, 'readMaps' | 'openExtentReader'>

/** The manifest's entry of a relation segment; undefined where the backup has none of that path. */
export function segmentOf(
  manifest: Pick<Manifest, 'files'>,
  path: string,
): (ManifestFile & { kind: 'segment' }) | undefined {
  return manifest.files.find((file): file is ManifestFile & { kind: 'segment' } => {
    return file.kind === 'segment' && file.path === path
  })
}

/** All pages of the segment, or those of `blocks`, in no order. */
export async function* storedPages(
  repository: Source,
  of: {
    readonly manifest: Pick<Manifest, 'id'>
    readonly file: ManifestFile & { kind: 'segment' }
    readonly blocks?: readonly number[] | undefined
    readonly signal: AbortSignal
  },
): AsyncGenerator<StoredPage> {
  const [map] = await repository.readMaps([of.file.map], of.signal)
  if (map?.file !== of.file.path) throw errors.damagedFile({ file: of.file.path, backup: of.manifest.id })
  const wanted = of.blocks === undefined ? undefined : new Set(of.blocks)
  const reader = repository.openExtentReader()
  for (const [pack, extents] of byPack(map, wanted)) {
    const asked = [...extents.keys()].map((ref) => ({ ref, file: of.file.path }))
    for await (const { wanted: one, plain, blocks } of reader.read(pack, asked, of.signal)) {
      for (const { place, block } of extents.get(one.ref) ?? []) {
        const page = plain.subarray(place * BLOCK_BYTES, (place + 1) * BLOCK_BYTES)
        if (blocks[place] !== block || page.length !== BLOCK_BYTES)
          throw errors.damagedFile({ file: `block ${block} of ${of.file.path}`, backup: of.manifest.id })
        yield { block, page }
      }
    }
  }
}

type Places = Map<ExtentRef, { place: number; block: number }[]>

function byPack(map: SegmentMap, wanted: ReadonlySet<number> | undefined): Map<string, Places> {
  const packs = new Map<string, Places>()
  for (const run of map.runs) {
    const ref = map.extents[run.extent]!
    for (let index = 0; index < run.count; index++) {
      const block = run.block + index
      if (wanted && !wanted.has(block)) continue
      const places = packs.get(ref.pack) ?? new Map<ExtentRef, { place: number; block: number }[]>()
      packs.set(ref.pack, places)
      const list = places.get(ref)
      if (list) list.push({ place: run.place + index, block })
      else places.set(ref, [{ place: run.place + index, block }])
    }
  }
  return packs
}
