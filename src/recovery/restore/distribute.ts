// From a manifest's files to tasks for the threads: which extents of which pack go where.
import { constants } from 'node:fs'
import { open, rm } from 'node:fs/promises'

import { codeOf, isWharfError, type WharfError } from '../../base/errors.ts'
import { GIB, MIB } from '../../base/units.ts'
import type { Manifest, ManifestFile, Repository, SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { placeOf, type Layout } from './layout.ts'
import type { ExtentItem, WriteTask } from './messages.ts'
import type { Owner } from './owner.ts'
import { writeError } from './write-extents.ts'

/** Maps are read and files made in groups of this size, so that memory follows the group, not the cluster. */
const GROUP_BYTES = 8 * GIB
const GROUP_FILES = 2048
/** Plain bytes per task: small enough to share out the end evenly, large enough that neighbours in a pack are fetched together. */
const TASK_BYTES = 16 * MIB

/** Made from the label, the map or the target by recovery itself, or worth nothing to a new server. */
const ownFiles: ReadonlySet<string> = new Set([
  'backup_label',
  'tablespace_map',
  'recovery.signal',
  'standby.signal',
  'postmaster.pid',
  'postmaster.opts',
  'wharf-recovery.json',
])
export const controlPath = 'global/pg_control'
/** pg_control lies under this name until everything else is durable: without it nothing can be started. */
export const controlTemporary = 'global/pg_control.wharf'
/** Added to the name of a held file. */
export const heldSuffix = '.wharf-part'

export interface RestoreParts {
  readonly repository: Pick<Repository, 'readMaps'>
  readonly manifest: Pick<Manifest, 'files' | 'scratch' | 'id'>
  readonly layout: Layout
  readonly owner: Owner | undefined
  /** The folder holds files, which are compared with the backup: only what differs is written. */
  readonly over: boolean
  /** Files of the manifest that stay as they are in the folder. */
  readonly kept?: ReadonlySet<string> | undefined
  readonly signal: AbortSignal
}

/** Files that are restored from the repository. */
export function filesToRestore(manifest: Pick<Manifest, 'files'>): readonly ManifestFile[] {
  return manifest.files.filter((file) => !ownFiles.has(file.path))
}

export function targetPath(layout: Layout, file: { readonly path: string }): string {
  if (file.path === controlPath) return placeOf(layout, controlTemporary)
  return placeOf(layout, layout.held?.has(file.path) ? file.path + heldSuffix : file.path)
}

/** Those of them that are written or compared. */
export function filesToWrite(parts: Pick<RestoreParts, 'manifest' | 'kept'>): readonly ManifestFile[] {
  const files = filesToRestore(parts.manifest)
  return parts.kept ? files.filter((file) => !parts.kept!.has(file.path)) : files
}

/** Makes each group's files at their final length, then yields what is to be written to them. */
export async function* writeTasks(parts: RestoreParts): AsyncGenerator<WriteTask> {
  for (const group of groups(filesToWrite(parts))) {
    parts.signal.throwIfAborted()
    const maps = await mapsOf(group, parts)
    const over = await makeFiles(group, parts)
    for (const task of tasksOf(group, maps, { layout: parts.layout, over })) yield { type: 'write', ...task }
  }
}

/** The extents of all files, for whoever only reads them. `onDamaged` takes a file whose map cannot be used; the others go on. */
export async function* extentsOf(
  parts: Pick<RestoreParts, 'repository' | 'manifest' | 'layout' | 'signal'> & {
    readonly onDamaged: (file: ManifestFile, error: WharfError) => void
  },
): AsyncGenerator<Omit<WriteTask, 'type'>> {
  const over: ReadonlySet<string> = new Set()
  for (const group of groups(filesToWrite(parts))) {
    parts.signal.throwIfAborted()
    const { maps, files } = await soundMaps(group, parts)
    yield* tasksOf(files, maps, { layout: parts.layout, over })
  }
}

async function mapsOf(
  group: readonly ManifestFile[],
  { repository, manifest, signal }: Pick<RestoreParts, 'repository' | 'manifest' | 'signal'>,
): Promise<ReadonlyMap<string, SegmentMap>> {
  const segments = group.filter((file) => file.kind === 'segment')
  const refs = segments.map((file) => file.map)
  const maps = await repository.readMaps(refs, signal)
  return new Map(segments.map((file, index) => [file.path, checkedMap(file, maps[index], manifest.id)]))
}

/** All at once; one by one where one of them is damaged. */
async function soundMaps(
  group: readonly ManifestFile[],
  parts: Parameters<typeof extentsOf>[0],
): Promise<{ maps: ReadonlyMap<string, SegmentMap>; files: readonly ManifestFile[] }> {
  try {
    return { maps: await mapsOf(group, parts), files: group }
  } catch (error) {
    if (!isWharfError(error) || error.exit !== 'damaged') throw error
  }
  const maps = new Map<string, SegmentMap>()
  const files: ManifestFile[] = []
  for (const file of group) {
    try {
      for (const [path, map] of await mapsOf([file], parts)) maps.set(path, map)
      files.push(file)
    } catch (error) {
      if (!isWharfError(error) || error.exit !== 'damaged') throw error
      parts.onDamaged(file, error)
    }
  }
  return { maps, files }
}

/** A map must be of this file and cover exactly its length: what it leaves out would come back as zeros. */
function checkedMap(file: ManifestFile, map: SegmentMap | undefined, backup: string): SegmentMap {
  const blocks = map?.runs.reduce((sum, run) => sum + run.count, 0)
  if (!map || map.file !== file.path || map.blockCount * BLOCK_BYTES !== file.bytes || blocks !== map.blockCount) {
    throw errors.badManifest({ backup, why: `the segment map of ${file.path} does not fit the file` })
  }
  return map
}

function* groups(files: readonly ManifestFile[]): Generator<readonly ManifestFile[]> {
  let group: ManifestFile[] = []
  let bytes = 0
  for (const file of files) {
    group.push(file)
    bytes += file.bytes
    if (bytes < GROUP_BYTES && group.length < GROUP_FILES) continue
    yield group
    group = []
    bytes = 0
  }
  if (group.length > 0) yield group
}

/** Makes the files at their final length. Returns those that were there before. */
async function makeFiles(group: readonly ManifestFile[], parts: RestoreParts): Promise<ReadonlySet<string>> {
  const waiting = [...group]
  const over = new Set<string>()
  const one = async (): Promise<void> => {
    for (let file = waiting.pop(); file; file = waiting.pop())
      if (parts.over && (await takeFile(file, parts))) over.add(file.path)
      else await makeFile(file, parts)
  }
  await Promise.all(Array.from({ length: 16 }, one))
  return over
}

/** Stubs of what a tier left out: of their stored length, so that replay finds its blocks, and without any disk. Whole blocks, as the server counts. */
export async function makeStubs(parts: RestoreParts): Promise<void> {
  for (const file of parts.manifest.scratch) {
    if (parts.over) await rm(targetPath(parts.layout, file), { recursive: true, force: true })
    await makeFile({ ...file, bytes: file.bytes - (file.bytes % BLOCK_BYTES) }, parts)
  }
}

type FileToMake = Pick<ManifestFile, 'path' | 'mode' | 'bytes'>

/**
 * Brings a file that is there to its final length, mode and owner; what it holds is compared later. False where none is there, or none that may be written to:
 * a link, or a file that another name leads to as well (pg_upgrade --link, a copy by cp -l), which is then nobody's here any more.
 */
async function takeFile(file: FileToMake, { layout, owner, signal }: RestoreParts): Promise<boolean> {
  signal.throwIfAborted()
  const path = targetPath(layout, file)
  try {
    await using handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW)
    const about = await handle.stat()
    if (about.isFile() && about.nlink === 1) {
      if (about.size !== file.bytes) await handle.truncate(file.bytes)
      if ((about.mode & 0o7777) !== (file.mode & 0o777)) await handle.chmod(file.mode & 0o777)
      if (owner && (about.uid !== owner.uid || about.gid !== owner.gid)) await handle.chown(owner.uid, owner.gid)
      return true
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    if (!['ELOOP', 'EISDIR', 'EACCES'].includes(codeOf(error) ?? '')) throw writeError(error, path)
  }
  await rm(path, { recursive: true, force: true })
  return false
}

async function makeFile(file: FileToMake, { layout, owner, signal }: RestoreParts): Promise<void> {
  signal.throwIfAborted()
  const path = targetPath(layout, file)
  try {
    await using handle = await open(path, 'wx', file.mode & 0o777)
    await handle.chmod(file.mode & 0o777)
    if (file.bytes > 0) await handle.truncate(file.bytes)
    if (owner) await handle.chown(owner.uid, owner.gid)
  } catch (error) {
    throw writeError(error, path)
  }
}

function* tasksOf(
  group: readonly ManifestFile[],
  maps: ReadonlyMap<string, SegmentMap>,
  { layout, over }: { layout: Layout; over: ReadonlySet<string> },
): Generator<Omit<WriteTask, 'type'>> {
  const packs = new Map<string, TaskBuilder>()
  for (const file of group) {
    const target = {
      path: targetPath(layout, file),
      file: file.path,
      ...(over.has(file.path) ? { over: true as const } : {}),
    }
    for (const item of itemsOf(file, maps)) {
      const builder = packs.get(item.ref.pack) ?? new TaskBuilder(item.ref.pack)
      packs.set(item.ref.pack, builder)
      builder.add(target, item)
      if (builder.bytes >= TASK_BYTES) yield builder.take()
    }
  }
  for (const builder of packs.values()) if (builder.bytes > 0) yield builder.take()
}

class TaskBuilder {
  bytes = 0
  private readonly pack: string
  private targets: WriteTask['targets'][number][] = []
  private items: ExtentItem[] = []

  constructor(pack: string) {
    this.pack = pack
  }

  add(target: WriteTask['targets'][number], item: Omit<ExtentItem, 'target'>): void {
    if (this.targets.at(-1)?.path !== target.path) this.targets.push(target)
    this.items.push({ ...item, target: this.targets.length - 1 })
    this.bytes += item.ref.plainBytes
  }

  take(): Omit<WriteTask, 'type'> {
    const items = this.items.sort((a, b) => a.ref.offset - b.ref.offset)
    const task = { pack: this.pack, targets: this.targets, items }
    this.targets = []
    this.items = []
    this.bytes = 0
    return task
  }
}

function itemsOf(file: ManifestFile, maps: ReadonlyMap<string, SegmentMap>): readonly Omit<ExtentItem, 'target'>[] {
  if (file.kind === 'segment') return segmentItems(maps.get(file.path)!)
  let offset = 0
  return file.extents.map((ref) => {
    const item = { ref, runs: undefined, offset }
    offset += ref.plainBytes
    return item
  })
}

/** An extent that several runs name is fetched once. */
function segmentItems(map: SegmentMap): readonly Omit<ExtentItem, 'target'>[] {
  const runs = new Map<number, number[]>()
  for (const run of map.runs) {
    const known = runs.get(run.extent)
    if (known) known.push(run.place, run.count, run.block)
    else runs.set(run.extent, [run.place, run.count, run.block])
  }
  return [...runs].map(([extent, triples]) => ({ ref: map.extents[extent]!, runs: triples, offset: 0 }))
}
