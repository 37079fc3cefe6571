// What manifests name: the maps and packs that must stay because of them.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { parseManifestName } from '../manifest/list.ts'
import { MANIFEST_PREFIX, readManifest } from '../manifest/store.ts'
import type { ReadOptions } from '../object/decode.ts'
import { packName } from '../pack/names.ts'
import { parseTrimmedName } from '../pack/trimmed.ts'
import type { Manifest, ManifestFile } from '../contract.ts'

export interface Root {
  /** Name of the manifest. */
  readonly object: string
  readonly id: string
  readonly warehouse: string
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly replayFromLsn: Lsn
  readonly stopLsn: Lsn
  readonly walSegmentBytes: number
  /** Names of maps and packs. */
  readonly names: ReadonlySet<string>
  /** Those whose relations the backup knows. */
  readonly databases: ReadonlySet<string>
  /** `database.schema.table`. */
  readonly unloggedTables: ReadonlySet<string>
}

export interface Roots {
  /** One for each manifest that is there, dead or alive. */
  readonly roots: readonly Root[]
  readonly unreadable: readonly { readonly object: string; readonly why: string }[]
}

/** Manifests are immutable: each is read once. Key: name and length. */
export type RootCache = Map<string, Root>

/** Under which name manifests name it: trimmed packs go by that of the pack. */
export function namedAs(name: string): string {
  const trimmed = parseTrimmedName(name)
  return trimmed ? packName(trimmed.pack) : name
}

/** Names of the maps and packs that a manifest needs. */
export function namesOf(manifest: {
  readonly packs: Iterable<string>
  readonly files: Iterable<ManifestFile>
}): Set<string> {
  const names = new Set<string>()
  for (const pack of manifest.packs) names.add(packName(pack))
  for (const file of manifest.files) {
    if (file.kind === 'segment') names.add(file.map.object)
    else if (file.kind === 'plain') for (const extent of file.extents) names.add(packName(extent.pack))
  }
  return names
}

export async function readRoots(options: ReadOptions, cache: RootCache = new Map()): Promise<Roots> {
  const roots: Root[] = []
  const unreadable: { object: string; why: string }[] = []
  for await (const { name, bytes } of options.store.list(MANIFEST_PREFIX, options)) {
    const key = `${name}@${bytes}`
    try {
      const root = cache.get(key) ?? (await readRoot(name, options))
      if (!root) continue
      cache.set(key, root)
      roots.push(root)
    } catch (error) {
      if (!isWharfError(error) || (error.exit !== 'damaged' && error.code !== 'repository.unknown-format')) throw error
      unreadable.push({ object: name, why: messageOf(error) })
    }
  }
  return { roots, unreadable }
}

/** Undefined where it has been deleted since it was listed. */
async function readRoot(name: string, options: ReadOptions): Promise<Root | undefined> {
  try {
    const { manifest } = await readManifest(name, options)
    const { id, warehouse, systemIdentifier, timeline, replayFromLsn, stopLsn, walSegmentBytes } = manifest
    const facts = { id, warehouse, systemIdentifier, timeline, replayFromLsn, stopLsn, walSegmentBytes }
    return { object: name, ...facts, names: namesOf(manifest), ...tablesOf(manifest) }
  } catch (error) {
    const gone = isWharfError(error, 'repository.object-missing') && !(await options.store.stat(name, options))
    if (gone && parseManifestName(name)) return undefined
    throw error
  }
}

/** What decides whether kept loads are needed. */
export function tablesOf({ relations }: Pick<Manifest, 'relations'>): Pick<Root, 'databases' | 'unloggedTables'> {
  const databases = new Set<string>()
  const unloggedTables = new Set<string>()
  for (const { database, schema, name, persistence, kind } of relations) {
    databases.add(database)
    if (persistence === 'u' && (kind === 'r' || kind === 'm')) unloggedTables.add(`${database}.${schema}.${name}`)
  }
  return { databases, unloggedTables }
}

/** Whether bytes of [start, end) on the timeline belong to the WAL that the backup needs to become consistent; whole segments count. */
export function needsWal(
  root: Pick<Root, 'systemIdentifier' | 'timeline' | 'replayFromLsn' | 'stopLsn' | 'walSegmentBytes'>,
  chunk: { readonly systemIdentifier: bigint; readonly startLsn: Lsn; readonly endLsn: Lsn },
): boolean {
  if (root.systemIdentifier !== chunk.systemIdentifier) return false
  const size = BigInt(root.walSegmentBytes)
  const from = root.replayFromLsn - (root.replayFromLsn % size)
  const until = root.stopLsn + (size - (root.stopLsn % size))
  return chunk.endLsn > from && chunk.startLsn < until
}
