// From a manifest's files to tasks for the threads: which extents of which pack go where.
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, ftruncateSync, openSync, rmSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'

import { codeOf, isWharfError, type WharfError } from '../../base/errors.ts'
import { GIB, MIB } from '../../base/units.ts'
import type { Manifest, ManifestFile, Repository, SegmentMap } from '../../repository/contract.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { placeOf, type Layout } from './layout.ts'
import type { ExtentItem, WriteTask } from './messages.ts'
import type { Owner } from './owner.ts'
import { writeError } from './write-error.ts'

/** Maps are read and files made in groups of this size, so that memory follows the group, not the cluster. */
const GROUP_BYTES = 8 * GIB
const GROUP_FILES = 2048
/** The first group is small, so that the threads have something to do at once. */
const FIRST_GROUP_FILES = 128
/** Files are made by calls that do not wait: five of them cost a thirtieth of a millisecond, and six times that through Node's threads. After so many others get their turn. */
const FILES_A_TURN = 32
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
  const rest = groups(filesToWrite(parts))
  let next = prepared(rest, parts)
  try {
    for (let ready = await next; ready; ready = await next) {
      // The next group comes while the threads work on this one.
      next = prepared(rest, parts)
      next.catch(() => undefined)
      for (const task of tasksOf(ready.group, ready.maps, { layout: parts.layout, over: ready.over }))
        yield { type: 'write', ...task }
    }
  } finally {
    // Nothing is made any more when this has ended.
    await next.catch(() => undefined)
  }
}

interface Prepared {
  readonly group: readonly ManifestFile[]
  readonly maps: ReadonlyMap<string, SegmentMap>
  readonly over: ReadonlySet<string>
}

async function prepared(
  groupsLeft: Iterator<readonly ManifestFile[]>,
  parts: RestoreParts,
): Promise<Prepared | undefined> {
  const { value: group, done } = groupsLeft.next()
  if (done === true) return undefined
  parts.signal.throwIfAborted()
  const maps = await mapsOf(group, parts)
  return { group, maps, over: await makeFiles(group, parts) }
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
  let most = FIRST_GROUP_FILES
  for (const file of files) {
    group.push(file)
    bytes += file.bytes
    if (bytes < GROUP_BYTES && group.length < most) continue
    yield group
    group = []
    bytes = 0
    most = GROUP_FILES
  }
  if (group.length > 0) yield group
}

/** Makes the files at their final length. Returns those that were there before. */
async function makeFiles(group: readonly ManifestFile[], parts: RestoreParts): Promise<ReadonlySet<string>> {
  const over = new Set<string>()
  for (const [index, file] of group.entries()) {
    if (index % FILES_A_TURN === 0) await setImmediate()
    parts.signal.throwIfAborted()
    if (parts.over && takeFile(file, parts)) over.add(file.path)
    else makeFile(file, parts)
  }
  return over
}

/** Stubs of what a tier left out: of their stored length, so that replay finds its blocks, and without any disk. Whole blocks, as the server counts. */
export async function makeStubs(parts: RestoreParts): Promise<void> {
  for (const [index, file] of parts.manifest.scratch.entries()) {
    if (index % FILES_A_TURN === 0) await setImmediate()
    parts.signal.throwIfAborted()
    if (parts.over) rmSync(targetPath(parts.layout, file), { recursive: true, force: true })
    makeFile({ ...file, bytes: file.bytes - (file.bytes % BLOCK_BYTES) }, parts)
  }
}

type FileToMake = Pick<ManifestFile, 'path' | 'mode' | 'bytes'>

/**
 * Brings a file that is there to its final length, mode and owner; what it holds is compared later. False where none is there, or none that may be written to:
 * a link, or a file that another name leads to as well (pg_upgrade --link, a copy by cp -l), which is then nobody's here any more.
 */
function takeFile(file: FileToMake, { layout, owner }: RestoreParts): boolean {
  const path = targetPath(layout, file)
  try {
    using opened = openNow(path, constants.O_RDWR | constants.O_NOFOLLOW)
    const { descriptor } = opened
    const about = fstatSync(descriptor)
    if (about.isFile() && about.nlink === 1) {
      if (about.size !== file.bytes) ftruncateSync(descriptor, file.bytes)
      if ((about.mode & 0o7777) !== (file.mode & 0o777)) fchmodSync(descriptor, file.mode & 0o777)
      if (owner && (about.uid !== owner.uid || about.gid !== owner.gid)) fchownSync(descriptor, owner.uid, owner.gid)
      return true
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    if (!['ELOOP', 'EISDIR', 'EACCES'].includes(codeOf(error) ?? '')) throw writeError(error, path)
  }
  rmSync(path, { recursive: true, force: true })
  return false
}

function makeFile(file: FileToMake, { layout, owner }: RestoreParts): void {
  const path = targetPath(layout, file)
  try {
    using opened = openNow(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, file.mode & 0o777)
    const { descriptor } = opened
    fchmodSync(descriptor, file.mode & 0o777)
    if (file.bytes > 0) ftruncateSync(descriptor, file.bytes)
    if (owner) fchownSync(descriptor, owner.uid, owner.gid)
  } catch (error) {
    throw writeError(error, path)
  }
}

function openNow(path: string, flags: number, mode?: number): Disposable & { readonly descriptor: number } {
  const descriptor = openSync(path, flags, mode)
  return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) }
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
