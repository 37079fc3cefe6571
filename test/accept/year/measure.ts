// What a restore reads against what it needs, and what the repository takes against what it must keep: counted from maps, packs and names alone.
import type { BackupSummary, Repository, SegmentMap } from '../../../src/repository/contract.ts'
import { asStored } from '../../../src/repository/copy.ts'
import { manifestName, readManifest } from '../../../src/repository/manifest/store.ts'
import { BLOCK_BYTES } from '../../../src/wal/contract.ts'

const signal = new AbortController().signal

export interface Measured {
  /** Stored bytes of all extents that the newest backup names, against the share of them that it uses. */
  readonly amplification: number
  readonly repositoryBytes: number
  readonly packBytes: number
  readonly walBytes: number
  /** Stored bytes of the blocks of the newest backup. */
  readonly liveBytes: number
  /** Stored bytes of the blocks that only older kept backups, or expired ones in their grace period, use; with maps, manifests and the WAL that is kept. */
  readonly historyBytes: number
  readonly sizeRatio: number
}

interface Extent {
  readonly storedBytes: number
  readonly places: number
  readonly used: Set<number>
}

export async function measure(repository: Repository, kept: readonly BackupSummary[]): Promise<Measured> {
  const all = new Map<string, Extent>()
  const newest = new Map<string, Extent>()
  const seen = new Set<string>()
  let mapBytes = 0
  // Those of the grace period can still be brought back: they are retained, too.
  const graced = (await repository.listExpiring(signal)).map((one) => one.summary)
  for (const { id, warehouse } of [...kept.toReversed(), ...graced]) {
    const { manifest } = await readManifest(manifestName(warehouse, id), asStored(repository).readOptions(signal))
    const fresh = manifest.files.flatMap((file) => {
      const key = file.kind === 'segment' ? `${file.map.object}@${file.map.offset}` : ''
      if (file.kind !== 'segment' || seen.has(key)) return []
      seen.add(key)
      mapBytes += file.map.bytes
      return [file.map]
    })
    for (const map of await repository.readMaps(fresh, signal)) {
      use(map, all)
      if (id === kept.at(-1)!.id) use(map, newest)
    }
    for (const file of manifest.files) {
      if (file.kind !== 'plain') continue
      for (const ref of file.extents) {
        const extent = { storedBytes: ref.storedBytes, places: 1, used: new Set([0]) }
        all.set(`${ref.pack}/${ref.number}`, extent)
        if (id === kept.at(-1)!.id) newest.set(`${ref.pack}/${ref.number}`, extent)
      }
    }
  }
  const sizes = await sizesOf(repository)
  const liveBytes = neededOf(newest)
  const other = mapBytes + (sizes.get('manifests') ?? 0) + (sizes.get('wal') ?? 0)
  const historyBytes = neededOf(all) - liveBytes + other
  const repositoryBytes = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
  return {
    amplification: [...newest.values()].reduce((sum, one) => sum + one.storedBytes, 0) / liveBytes,
    repositoryBytes,
    packBytes: (sizes.get('packs') ?? 0) + (sizes.get('trimmed') ?? 0),
    walBytes: sizes.get('wal') ?? 0,
    liveBytes,
    historyBytes,
    sizeRatio: repositoryBytes / (liveBytes + historyBytes),
  }
}

function use(map: SegmentMap, into: Map<string, Extent>): void {
  for (const run of map.runs) {
    const ref = map.extents[run.extent]!
    const key = `${ref.pack}/${ref.number}`
    const known = into.get(key) ?? {
      storedBytes: ref.storedBytes,
      places: ref.plainBytes / BLOCK_BYTES,
      used: new Set(),
    }
    into.set(key, known)
    for (let at = 0; at < run.count; at++) known.used.add(run.place + at)
  }
}

/** Each block of an extent counts as its share of what the extent takes. */
function neededOf(extents: ReadonlyMap<string, Extent>): number {
  return [...extents.values()].reduce((sum, one) => sum + (one.storedBytes * one.used.size) / one.places, 0)
}

async function sizesOf(repository: Repository): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for await (const { name, bytes } of repository.store.list('', { signal })) {
    const kind = name.split('/')[0]!
    sizes.set(kind, (sizes.get(kind) ?? 0) + bytes)
  }
  return sizes
}
