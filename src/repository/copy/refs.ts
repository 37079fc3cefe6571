// What stays and what changes when extents and maps go from one repository to another. A copied pack keeps its id, its sections and their bodies; only
// seals differ, and where one repository is encrypted and the other is not, their length.
import type { ExtentRef, Manifest, MapRef, SegmentMap } from '../contract.ts'
import type { Sealing } from '../object/head.ts'

const SEAL_BYTES: Readonly<Record<Sealing, number>> = { none: 32, 'aes-256-gcm': 16 }

/** Where the extent lies in the copy of its pack: each section before it, and it itself, is longer or shorter by the difference of the seals. */
export function translateExtent(ref: ExtentRef, from: Sealing, to: Sealing): ExtentRef {
  const more = SEAL_BYTES[to] - SEAL_BYTES[from]
  if (more === 0) return ref
  return { ...ref, offset: ref.offset + ref.number * more, storedBytes: ref.storedBytes + more }
}

export function translateMap(map: SegmentMap, from: Sealing, to: Sealing): SegmentMap {
  if (from === to) return map
  return { ...map, extents: map.extents.map((ref) => translateExtent(ref, from, to)) }
}

export function refKey(ref: MapRef): string {
  return `${ref.object}@${ref.offset}`
}

/** From the references of one repository to those of the other, learnt from a backup that both hold: same id, same files, same maps. */
export function learnRefs(known: Map<string, MapRef>, source: Manifest, target: Manifest): void {
  const targets = new Map(target.files.map((file) => [file.path, file]))
  for (const file of source.files) {
    const same = targets.get(file.path)
    if (file.kind === 'segment' && same?.kind === 'segment') known.set(refKey(file.map), same.map)
  }
}
