// Check of manifests, and of all that they refer to: maps, packs, plain files.
import { createHash } from 'node:crypto'

import { messageOf } from '../../base/errors.ts'
import type { Manifest, ManifestFile, ObjectInfo, SegmentMap } from '../contract.ts'
import { replacementsOf } from '../heal/names.ts'
import { decodeMapSection, readMaps } from '../map/bundle.ts'
import { lateness, parseManifestName } from '../manifest/list.ts'
import { damagedManifest, readOwnManifest } from '../manifest/store.ts'
import { damaged, readSections } from '../object/decode.ts'
import { PackReader } from '../pack/reader.ts'
import type { PackDirectories } from './directories.ts'
import { isDamage, type CheckTools } from './findings.ts'

/** A map that some manifest refers to. */
interface WantedMap {
  readonly file: string
  readonly bytes: number
  readonly sha256: string
  /** Length of the file by the manifest, and of its blocks. */
  readonly fileBytes: number
  readonly blockBytes: number
  readonly manifest: string
}

/** Bundle → offset → wanted map. Manifests share maps, so the first that names one stands for all. */
export type WantedMaps = Map<string, Map<number, WantedMap>>

export interface ManifestCheck {
  readonly tools: CheckTools
  readonly directories: PackDirectories
  readonly wanted: WantedMaps
  readonly packs: Set<string>
  /** Whether the pack is looked at this time; what is referred to in another one is taken as it is. */
  readonly isDue: (pack: string) => boolean
}

/** Reads one manifest in full; notes the maps that it refers to. Returns true where it is a complete backup. */
export async function checkManifest(object: ObjectInfo, check: ManifestCheck): Promise<boolean> {
  const { tools } = check
  const read = await tools.findings.attemptAny(object.name, tools, async (name) => {
    if (!parseManifestName(object.name)) throw damagedManifest(object.name, 'its name is not one of a manifest')
    const { manifest, head } = await readOwnManifest(name, tools)
    const late = await lateness(object, head, tools)
    if (late) throw late
    return manifest
  })
  if (!read) return false
  for (const pack of read.packs) check.packs.add(pack)
  const hashed = tools.levelOf(object.name) === 'all' && tools.everything
  for (const file of read.files) {
    if (file.kind === 'segment') await wantMap(file, { manifest: read, object: object.name }, check)
    else await checkPlainFile(file, { object: object.name, hashed }, check)
  }
  return true
}

async function wantMap(
  file: ManifestFile & { kind: 'segment' },
  from: { manifest: Manifest; object: string },
  { wanted, tools }: ManifestCheck,
): Promise<void> {
  const { object, offset, bytes, sha256 } = file.map
  const bundle = wanted.get(object) ?? new Map<number, WantedMap>()
  wanted.set(object, bundle)
  const known = bundle.get(offset)
  if (known && (known.sha256 !== sha256 || known.file !== file.path || known.bytes !== bytes)) {
    const reason = `${file.path}: its map at byte ${offset} of ${object} is also named for ${known.file} by ${known.manifest}`
    await tools.findings.attempt(from.object, () => Promise.reject(damagedManifest(from.object, reason)))
  }
  if (known) return
  const { blockBytes } = from.manifest
  bundle.set(offset, { file: file.path, bytes, sha256, fileBytes: file.bytes, blockBytes, manifest: from.object })
}

async function checkPlainFile(
  file: ManifestFile & { kind: 'plain' },
  at: { object: string; hashed: boolean },
  check: ManifestCheck,
): Promise<void> {
  const { tools, directories } = check
  const { object, hashed } = at
  const hash = createHash('sha256')
  const reader = new PackReader(tools)
  let bytes = 0
  for (const ref of file.extents) {
    bytes += ref.plainBytes
    if (!check.isDue(ref.pack)) continue
    const facts = await directories.facts(ref)
    if (facts === undefined) return
    const reason =
      typeof facts === 'string'
        ? facts
        : facts.file === file.path
          ? undefined
          : `extent ${ref.number} of pack ${ref.pack} holds ${facts.file}`
    if (reason !== undefined) {
      await tools.findings.attempt(object, () => Promise.reject(damagedManifest(object, `${file.path}: ${reason}`)))
      return
    }
    if (!hashed) continue
    const read = await tools.findings.attempt(object, async () => {
      for await (const { plain } of reader.read(ref.pack, [{ ref, file: file.path }], tools.signal)) hash.update(plain)
      return true
    })
    if (!read) return
  }
  const wrong =
    bytes !== file.bytes
      ? `${file.path} has ${bytes} of ${file.bytes} bytes`
      : hashed && hash.digest('hex') !== file.sha256
        ? `the SHA-256 of ${file.path} is wrong`
        : undefined
  if (wrong) await tools.findings.attempt(object, () => Promise.reject(damagedManifest(object, wrong)))
}

/** Reads one bundle in full, compares the maps that manifests refer to, and ticks them off. */
export async function checkBundle(object: ObjectInfo, check: ManifestCheck): Promise<void> {
  const { tools, wanted } = check
  const refs = wanted.get(object.name) ?? new Map<number, WantedMap>()
  try {
    for await (const section of readSections(object.name, 'maps', tools)) {
      const map = decodeMapSection(section, object.name, `map ${section.number}`)
      const ref = refs.get(section.offset)
      if (!ref) continue
      refs.delete(section.offset)
      const sha256Now = createHash('sha256').update(section.frame).digest('hex')
      await compareWanted(map, { ...ref, sha256Now }, check)
    }
  } catch (error) {
    if (!isDamage(error)) throw error
    if (await isReplaced(object.name, refs, check)) tools.findings.healed.add(object.name)
    else await tools.findings.attempt(object.name, () => Promise.reject(error))
  }
}

async function compareWanted(
  map: SegmentMap,
  ref: WantedMap & { sha256Now: string },
  { tools, directories }: ManifestCheck,
): Promise<void> {
  await tools.findings.attempt(ref.manifest, async () => {
    const reason = await compareMap(map, ref, directories)
    if (reason !== undefined) throw damagedManifest(ref.manifest, `${ref.file}: ${reason}`)
  })
}

/** Whether the bundle has a replacement and every map that is wanted of it can be read; ticks those off. */
async function isReplaced(name: string, refs: Map<number, WantedMap>, check: ManifestCheck): Promise<boolean> {
  const { tools } = check
  let replacements = 0
  for await (const _ of replacementsOf(name, tools)) replacements++
  if (replacements === 0) return false
  let whole = true
  for (const [offset, ref] of refs.entries().toArray()) {
    const { bytes, sha256 } = ref
    const read = await readMaps([{ object: name, offset, bytes, sha256 }], tools).catch((error: unknown) => {
      if (!isDamage(error)) throw error
      return []
    })
    if (!read[0]) whole = false
    else await compareWanted(read[0], { ...ref, sha256Now: sha256 }, check)
    refs.delete(offset)
  }
  return whole
}

/** What is wrong with a map that a manifest names, or undefined. */
async function compareMap(
  map: SegmentMap,
  ref: WantedMap & { sha256Now: string },
  directories: PackDirectories,
): Promise<string | undefined> {
  if (ref.sha256Now !== ref.sha256) return 'its map is not the one that the manifest names'
  if (map.file !== ref.file) return `its map is that of ${map.file}`
  if (map.blockCount * ref.blockBytes !== ref.fileBytes)
    return `its map has ${map.blockCount} blocks for ${ref.fileBytes} bytes`
  const facts = []
  for (const extent of map.extents) {
    const one = await directories.facts(extent)
    if (typeof one === 'string') return one
    if (one === undefined) return `its pack ${extent.pack} is damaged or missing`
    if (one.file !== map.file) return `extent ${extent.number} of pack ${extent.pack} holds ${one.file}`
    facts.push(one)
  }
  for (const run of map.runs) {
    const { blocks } = facts[run.extent]!
    for (let at = 0; at < run.count; at++) {
      if (blocks[run.place + at] !== run.block + at)
        return `block ${run.block + at} is not at its place in extent ${run.extent}`
    }
  }
  return undefined
}

/** What manifests refer to and no bundle held. */
export async function checkUnmet(check: ManifestCheck): Promise<void> {
  const { wanted, tools } = check
  for (const [bundle, maps] of wanted) {
    if (maps.size === 0) continue
    const info = await tools.store.stat(bundle, tools).catch((error: unknown) => {
      if (isDamage(error)) return undefined
      throw error
    })
    if (!info && (await isReplaced(bundle, maps, check))) {
      tools.findings.healed.add(bundle)
      continue
    }
    // A bundle that is there and was not looked at this time.
    if (info && tools.levelOf(bundle) === undefined) continue
    for (const [offset, { manifest, file }] of maps) {
      const why = info ? `no map begins at byte ${offset} of ${bundle}` : `${bundle} is missing`
      const error = info
        ? damagedManifest(manifest, `${file}: ${why}`)
        : damaged(bundle, `it is missing, and ${manifest} needs it for ${file}`)
      tools.findings.add({ object: info ? manifest : bundle, code: codeOfDamage(error), message: messageOf(error) })
      // One finding for each bundle that is missing, not one for each of its maps.
      if (!info) break
    }
  }
}

function codeOfDamage(error: unknown): string {
  return isDamage(error) ? error.code : 'repository.damaged-object'
}
