// From a manifest's files to tasks for the threads: which extents of which pack go where.
import { chown, open } from 'node:fs/promises'

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

export interface RestoreParts {
  readonly repository: Pick<Repository, 'readMaps'>
  readonly manifest: Pick<Manifest, 'files' | 'scratch' | 'id'>
  readonly layout: Layout
  readonly owner: Owner | undefined
  readonly signal: AbortSignal
}

/** Files that are restored from the repository. */
export function filesToRestore(manifest: Pick<Manifest, 'files'>): readonly ManifestFile[] {
  return manifest.files.filter((file) => !ownFiles.has(file.path))
}

export function targetPath(layout: Layout, file: { readonly path: string }): string {
  return placeOf(layout, file.path === controlPath ? controlTemporary : file.path)
}

/** Makes each group's files at their final length, then yields what is to be written to them. */
export async function* writeTasks(parts: RestoreParts): AsyncGenerator<WriteTask> {
  for (const group of groups(filesToRestore(parts.manifest))) {
    parts.signal.throwIfAborted()
    const segments = group.filter((file) => file.kind === 'segment')
    const maps = await parts.repository.readMaps(
      segments.map((file) => file.map),
      parts.signal,
    )
    const byPath = new Map(segments.map((file, index) => [file.path, checkedMap(file, maps[index], parts.manifest.id)]))
    await makeFiles(group, parts)
    yield* tasksOf(group, byPath, parts.layout)
  }
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

async function makeFiles(group: readonly ManifestFile[], parts: RestoreParts): Promise<void> {
  const waiting = [...group]
  const one = async (): Promise<void> => {
    for (let file = waiting.pop(); file; file = waiting.pop()) await makeFile(file, parts)
  }
  await Promise.all(Array.from({ length: 16 }, one))
}

/** Stubs of what a tier left out: of their stored length, so that replay finds its blocks, and without any disk. Whole blocks, as the server counts. */
export async function makeStubs(parts: RestoreParts): Promise<void> {
  for (const file of parts.manifest.scratch)
    await makeFile({ ...file, bytes: file.bytes - (file.bytes % BLOCK_BYTES) }, parts)
}

async function makeFile(
  file: Pick<ManifestFile, 'path' | 'mode' | 'bytes'>,
  { layout, owner, signal }: RestoreParts,
): Promise<void> {
  signal.throwIfAborted()
  const path = targetPath(layout, file)
  try {
    await using handle = await open(path, 'wx', file.mode & 0o777)
    await handle.chmod(file.mode & 0o777)
    if (file.bytes > 0) await handle.truncate(file.bytes)
    if (owner) await chown(path, owner.uid, owner.gid)
  } catch (error) {
    throw writeError(error, path)
  }
}

function* tasksOf(
  group: readonly ManifestFile[],
  maps: ReadonlyMap<string, SegmentMap>,
  layout: Layout,
): Generator<WriteTask> {
  const packs = new Map<string, TaskBuilder>()
  for (const file of group) {
    const target = { path: targetPath(layout, file), file: file.path }
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

  take(): WriteTask {
    const items = this.items.sort((a, b) => a.ref.offset - b.ref.offset)
    const task: WriteTask = { type: 'write', pack: this.pack, targets: this.targets, items }
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
