// Copies one backup: packs that the target lacks, maps, manifest, in the order of a backup and under the target's lease. The copy has the id of the
// original and restores without it.
import type { BackupWriter, Manifest, ManifestFile, MapRef } from '../contract.ts'
import { isReplaceable, orReplacement } from '../heal/fall-back.ts'
import { readManifest } from '../manifest/store.ts'
import type { ReadOptions } from '../object/decode.ts'
import { packName } from '../pack/names.ts'
import { trimmedOf } from '../pack/trimmed.ts'
import { readMaps } from '../map/bundle.ts'
import { copyPack, settlePack } from './packs.ts'
import { lookAtTrimmed } from './trimmed.ts'
import { learnRefs, refKey, translateExtent, translateMap } from './refs.ts'

/** Packs that are copied at the same time. */
const WIDTH = 3
/** Maps that are in memory at the same time. */
const MAPS_AT_ONCE = 4096

export interface BackupCopy {
  readonly manifest: Manifest
  readonly from: ReadOptions
  readonly to: ReadOptions
  /** Manifests of backups that both hold: what they share is not stored again. */
  readonly common: readonly { readonly source: Manifest; readonly target: Manifest }[]
  readonly onBytes?: (bytes: number) => void
}

export interface CopiedBackup {
  readonly packs: number
  readonly bytes: number
}

/** What is still to be copied: names and bytes of packs that the target does not have. */
export async function missingPacks(copy: BackupCopy): Promise<{ id: string; bytes: number }[]> {
  const { manifest, from, to } = copy
  const held = new Set(copy.common.flatMap(({ target }) => target.packs))
  const missing: { id: string; bytes: number }[] = []
  const trimmed = await lookAtTrimmed(manifest, from, to)
  for (const id of manifest.packs) {
    if (trimmed.whole.has(id) || (held.has(id) && !trimmed.lacking.has(id)) || (await settlePack(id, to))) continue
    const info = await orReplacement(packName(id), from, (name) => from.store.stat(name, from))
    missing.push({ id, bytes: info?.bytes ?? (await trimmedOf(id, from))[0]?.bytes ?? 0 })
  }
  return missing
}

/** Everything but the manifest, which the caller commits with what comes back. */
export async function copyContents(
  copy: BackupCopy,
  writer: Pick<BackupWriter, 'writeMaps'>,
  missing: readonly { id: string }[],
): Promise<{ manifest: Manifest } & CopiedBackup> {
  const done = await copyPacks(missing, copy)
  const refs = await copyMaps(copy, writer)
  const { sealing } = copy.from.ring
  const files = copy.manifest.files.map((file): ManifestFile => {
    if (file.kind === 'segment') return { ...file, map: refs.get(refKey(file.map))! }
    return { ...file, extents: file.extents.map((ref) => translateExtent(ref, sealing, copy.to.ring.sealing)) }
  })
  return { manifest: { ...copy.manifest, files }, ...done }
}

async function copyPacks(missing: readonly { id: string }[], copy: BackupCopy): Promise<CopiedBackup> {
  const { from, to } = copy
  const ids = missing.map(({ id }) => id)
  let bytes = 0
  const work = async (): Promise<void> => {
    for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
      const more = await copyPack({ id, from, to })
      bytes += more
      copy.onBytes?.(more)
    }
  }
  await Promise.all(Array.from({ length: WIDTH }, work)).catch((error: unknown) => {
    ids.length = 0
    throw error
  })
  await to.store.barrier(to)
  return { packs: missing.length, bytes }
}

/** The target's reference for each of the manifest's. */
async function copyMaps(
  { manifest, from, to, common }: BackupCopy,
  writer: Pick<BackupWriter, 'writeMaps'>,
): Promise<ReadonlyMap<string, MapRef>> {
  const known = new Map<string, MapRef>()
  for (const { source, target } of common) learnRefs(known, source, target)
  const wanted = new Map<string, MapRef>()
  for (const file of manifest.files) {
    if (file.kind === 'segment' && !known.has(refKey(file.map))) wanted.set(refKey(file.map), file.map)
  }
  const refs = [...wanted.values()]
  for (let at = 0; at < refs.length; at += MAPS_AT_ONCE) {
    const some = refs.slice(at, at + MAPS_AT_ONCE)
    const maps = (await readMaps(some, from)).map((map) => translateMap(map, from.ring.sealing, to.ring.sealing))
    const stored = await writer.writeMaps(maps, [], to.signal)
    for (const [index, ref] of some.entries()) known.set(refKey(ref), stored[index]!)
  }
  return known
}

/** The backups that are nearest to `id` in the list and that both hold, at most `most` of them. */
export async function readCommon(
  names: readonly string[],
  from: ReadOptions,
  to: ReadOptions,
): Promise<{ source: Manifest; target: Manifest }[]> {
  const common: { source: Manifest; target: Manifest }[] = []
  for (const name of names) {
    try {
      const [source, target] = await Promise.all([readManifest(name, from), readManifest(name, to)])
      common.push({ source: source.manifest, target: target.manifest })
    } catch (error) {
      // Its head can be read and the rest is damaged: then nothing is learnt from it, and more is copied.
      if (!isReplaceable(error)) throw error
    }
  }
  return common
}
