// What damage means: which extents and files, and which backups need the object. Looked up only for what was found.
import type { Manifest, ObjectInfo, WalChunkInfo } from '../contract.ts'
import { parseManifestName } from '../manifest/list.ts'
import { MANIFEST_PREFIX, readManifest } from '../manifest/store.ts'
import { openFrame, readDirectory, type ReadOptions } from '../object/decode.ts'
import { Sealer } from '../object/sealer.ts'
import { decodeExtentLabel } from '../pack/label.ts'
import { parseTrimmedName } from '../pack/trimmed.ts'
import { chunkInfo } from '../wal/names.ts'
import { isDamage, type Finding } from './findings.ts'

/** More damaged extents of one pack are not listed one by one. */
const MOST_EXTENTS = 100

export async function withImpact(
  findings: readonly Finding[],
  objects: readonly ObjectInfo[],
  options: ReadOptions,
): Promise<readonly Finding[]> {
  if (findings.length === 0) return findings
  const manifests = await readable(objects, options)
  const result: Finding[] = []
  for (const finding of findings) {
    const backups = backupsOf(finding.object, manifests)
    const extents = finding.object.startsWith('packs/') ? await damagedExtents(finding.object, options) : []
    result.push({
      ...finding,
      ...(extents.length > 0 ? { extents } : {}),
      ...(backups.length > 0 ? { backups } : {}),
    })
  }
  return result
}

async function readable(objects: readonly ObjectInfo[], options: ReadOptions): Promise<Manifest[]> {
  const manifests: Manifest[] = []
  for (const { name } of objects.filter((one) => one.name.startsWith(MANIFEST_PREFIX))) {
    try {
      manifests.push((await readManifest(name, options)).manifest)
    } catch (error) {
      if (!isDamage(error)) throw error
    }
  }
  return manifests
}

function backupsOf(object: string, manifests: readonly Manifest[]): string[] {
  const own = parseManifestName(object)
  if (own) return [own.id]
  const chunk = chunkInfo({ name: object, bytes: 0, modifiedMs: 0 })
  const pack = /^packs\/[0-9a-f]{2}\/([0-9a-f]{32})$/.exec(object)?.[1] ?? parseTrimmedName(object)?.pack
  return manifests
    .filter((manifest) => {
      if (pack !== undefined) return manifest.packs.includes(pack)
      if (chunk) return isNeeded(chunk, manifest)
      return manifest.files.some((file) => file.kind === 'segment' && file.map.object === object)
    })
    .map((manifest) => manifest.id)
}

/** WAL that the backup needs to become consistent; later WAL only shortens the recoverable window. */
function isNeeded(chunk: WalChunkInfo, manifest: Manifest): boolean {
  return (
    chunk.systemIdentifier === manifest.systemIdentifier &&
    chunk.timeline === manifest.timeline &&
    chunk.endLsn > manifest.replayFromLsn &&
    chunk.startLsn < manifest.stopLsn
  )
}

async function damagedExtents(object: string, options: ReadOptions): Promise<{ number: number; file: string }[]> {
  const info = await options.store.stat(object, options)
  const extents: { number: number; file: string }[] = []
  if (!info) return extents
  try {
    const { opened, entries } = await readDirectory(object, 'pack', { ...options, objectBytes: info.bytes })
    const sealer = new Sealer(opened, object)
    for (const [number, entry] of entries.entries()) {
      const { offset, storedBytes: length, label } = entry
      const frame = await options.store.get(object, { signal: options.signal, offset, length })
      try {
        openFrame(sealer, frame, { name: object, number })
      } catch (error) {
        if (!isDamage(error)) throw error
        extents.push({ number, file: decodeExtentLabel(label, `the label of extent ${number}`).file })
      }
      if (extents.length >= MOST_EXTENTS) break
    }
  } catch (error) {
    // Not even its directory can be read: all of it is damaged, and the maps say what was in it.
    if (!isDamage(error)) throw error
  }
  return extents
}
