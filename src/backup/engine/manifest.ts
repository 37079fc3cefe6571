// From what was copied to the manifest: every file with its map or extents, old and new.
import type { Manifest, ManifestFile, MapRef, PackRef, Repository } from '../../repository/contract.ts'
import type { Listing } from '../../base/packed-list.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { FilePlan, PlannedPlain, PlannedSegment } from '../plan/files.ts'
import type { Assembly } from './assembly.ts'
import type { NewMap } from './new-maps.ts'
import type { StoredFindings } from './stored.ts'

export interface FilesOf {
  readonly plan: FilePlan
  readonly assembly: Assembly
  readonly backupId: string
  readonly startLsn: Lsn
  readonly startedMs: number
  readonly audits: StoredFindings['audits'] | undefined
  /** The control file as listed: it is not in the plan. */
  readonly control: PlannedPlain['listed']
}

/**
 * All files of the manifest, in order of their paths. What vanished during the copy is not among them: WAL knows. Each is made when it is asked for, and
 * forgotten: a million of them need not lie in memory beside the plan.
 */
export function manifestFiles(of: FilesOf): Listing<ManifestFile> {
  const planned = [...of.plan.segments, ...of.plan.plains, { listed: of.control, parent: undefined }]
    .filter(({ listed }) => !of.assembly.vanished.has(listed.path))
    .sort((one, other) => (one.listed.path < other.listed.path ? -1 : 1))
  return {
    length: planned.length,
    *[Symbol.iterator]() {
      for (const one of planned)
        yield 'plan' in one ? segmentFile(one, of.assembly.maps.get(one.listed.path), of) : plainFile(one, of.assembly)
    },
  }
}

function segmentFile(segment: PlannedSegment, made: NewMap | undefined, of: FilesOf): ManifestFile {
  const { path, mode, modifiedMs } = segment.listed
  const seen = seenOf(segment, of)
  const common = {
    kind: 'segment',
    path,
    mode,
    modifiedMs,
    imageLsn: segment.plan.kind === 'defer' ? segment.plan.imageLsn : of.startLsn,
    ...seen,
  } as const
  if (made) return { ...common, bytes: made.blockCount * BLOCK_BYTES, map: made.ref!, storedBy: of.backupId }
  const { map, storedBy, bytes } = segment.parent!
  return { ...common, bytes, map, storedBy }
}

/** When all blocks of a segment had last been seen on disk. */
function seenOf({ plan, parent, listed }: PlannedSegment, of: FilesOf): { auditedMs: number; auditBlock: number } {
  if (plan.kind === 'whole' || of.assembly.readWhole.has(listed.path)) return { auditedMs: of.startedMs, auditBlock: 0 }
  return of.audits?.get(listed.path) ?? { auditedMs: parent!.auditedMs, auditBlock: parent!.auditBlock }
}

function plainFile({ listed, parent }: PlannedPlain, assembly: Assembly): ManifestFile {
  const { path, mode, modifiedMs } = listed
  const copied = assembly.plains.get(path)!
  return {
    kind: 'plain',
    path,
    mode,
    modifiedMs,
    bytes: copied.bytes,
    sha256: copied.sha256,
    extents: copied.extents ?? parent!.extents,
  }
}

/** Bytes of files that were not opened. */
export function staticBytes(plan: FilePlan, assembly: Assembly): number {
  return plan.segments
    .filter(({ plan, listed }) => (plan.kind === 'share' || plan.kind === 'prove') && !assembly.maps.has(listed.path))
    .reduce((bytes, { parent }) => bytes + parent!.bytes, 0)
}

/** Shared maps above this size in all are not read for the sake of the list of packs: the parent's packs are kept in it then. */
const EXACT_MAP_BYTES = 64 * 1024 * 1024

/**
 * Every pack that a map or plain file of the manifest names. Exact as long as the shared maps are of moderate size in all; beyond that the packs of
 * the parent that nothing may use any more stay listed, until a backup shares less. Reading the maps also proves them to be whole.
 */
export async function packsOf(
  files: Iterable<ManifestFile>,
  own: { mapPacks: ReadonlySet<string>; packs: readonly PackRef[]; backupId: string },
  parent: { manifest: Manifest | undefined; repository: Repository; signal: AbortSignal },
): Promise<readonly string[]> {
  const names = new Set(own.packs.map((pack) => pack.id))
  for (const pack of own.mapPacks) names.add(pack)
  const shared: MapRef[] = []
  let sharedBytes = 0
  for (const file of files) {
    if (file.kind === 'plain') for (const extent of file.extents) names.add(extent.pack)
    else if (file.storedBy !== own.backupId && sharedBytes <= EXACT_MAP_BYTES) {
      sharedBytes += file.map.bytes
      shared.push(file.map)
    }
  }
  if (sharedBytes > EXACT_MAP_BYTES) {
    for (const pack of parent.manifest?.packs ?? []) names.add(pack)
  } else {
    for (let at = 0; at < shared.length; at += 1000) {
      for (const map of await parent.repository.readMaps(shared.slice(at, at + 1000), parent.signal)) {
        for (const extent of map.extents) names.add(extent.pack)
      }
    }
  }
  return [...names].sort()
}
