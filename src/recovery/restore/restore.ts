// Restores one backup into folders so that a crash at any moment leaves either a directory that cannot be started or a whole one.
//
//   marker → (over what is there: pg_control away → what the backup lacks away) → folders, links → files (pg_control under another name) → configuration, label, map, signal → fsync of every file and every folder
//   but global → pg_control with its checkpoint made invalid → rename → fsync of global → marker
import { readFile, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { syncFolder } from '../../base/durable.ts'
import type { Progress } from '../../base/operation.ts'
import { identityOf } from '../../base/process-identity.ts'
import type { Manifest, ManifestFile, Repository } from '../../repository/contract.ts'
import type { ControlData } from '../../wal/contract.ts'
import { invalidateCheckpoint, parseControlFile, recoverAtLeastTo } from '../../wal/control-file.ts'
import { parseBackupLabel } from '../../wal/labels.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { clearFolder, isServers, userFilesThere } from '../in-place/clear.ts'
import {
  controlPath,
  controlTemporary,
  filesToRestore,
  filesToWrite,
  makeStubs,
  targetPath,
  writeTasks,
  type RestoreParts,
} from './distribute.ts'
import { makeFolders, syncFolders } from './folders.ts'
import { placeOf, type Layout } from './layout.ts'
import { markerName, readMarker, writeMarker, type Marker } from './marker.ts'
import type { SettleTask, WriteTask } from './messages.ts'
import type { Owner } from './owner.ts'
import { RestorePool } from './pool.ts'
import { makeReadOnly, whileRestoring } from './read-only-files.ts'
import { writeConfiguration, writeLabels, writeOwned, type ConfigurationParts } from './small-files.ts'
import { checkTargets, clearOthers, makeTargets, targetFolders } from './target-folder.ts'

export interface RestoreOptions {
  readonly repository: Pick<Repository, 'readMaps' | 'readerSeed'>
  readonly manifest: Manifest
  readonly layout: Layout
  readonly owner: Owner | undefined
  readonly resume: boolean
  /** Over the cluster that is there, which the caller has looked at. */
  readonly inPlace?: InPlace | undefined
  readonly workers: number
  /** Default true. False for what nobody needs after a crash: nothing is fsynced. */
  readonly durable?: boolean | undefined
  readonly marker: Pick<Marker, 'recovery' | 'warehouse' | 'repository' | 'target' | 'startedAt' | 'mode'>
  /** How the marker calls it when all is durable; default: `restored`. */
  readonly next?: 'restored' | 'replaying' | undefined
  /** Called when pg_control is there: settings until the target is reached, and what a copy is like (undefined: --original). */
  readonly configure: (
    control: ControlData,
  ) => Promise<Pick<ConfigurationParts, 'recovery' | 'copy' | 'chosen' | 'signalFile'>>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly progress: (event: Progress) => void
}

export interface InPlace {
  /** Configuration and whatever else the user has in the data directory stays as it is. */
  readonly keepsUserFiles: boolean
  /** Names in pg_wal that could not be stored in the repository: put aside. */
  readonly unsaved: readonly string[]
  /** Rejects where somebody uses the cluster: asked again right behind the marker. */
  readonly stillFree: () => Promise<void>
}

export interface RestoreResult {
  readonly files: number
  readonly bytes: number
  /** Of them left as holes. */
  readonly holeBytes: number
  /** Of extents, as they are stored in the repository. */
  readonly fetchedBytes: number
  /** Of them written: not those that were right already. */
  readonly writtenBytes: number
  /** Files and folders that the backup does not have. */
  readonly removed: number
  readonly control: ControlData
  /** From the start until every byte was written, before anything was made durable. */
  readonly writtenMs: number
}

export async function restore(options: RestoreOptions): Promise<RestoreResult> {
  const { manifest, owner, signal, inPlace, clock } = options
  const started = clock.monotonic()
  checkManifest(manifest)
  const unfinished = inPlace ? undefined : await checkTargets(options.layout, options)
  if (unfinished) await clearOthers(options.layout, unfinished)
  const marker = markerOf(options, 'restoring')
  const over = inPlace !== undefined || unfinished !== undefined
  const rootMode = (manifest.folders.find((one) => one.path === 'base')?.mode ?? 0o700) & 0o750
  await makeTargets(options.layout, owner, { rootMode, over })
  const previous = await readMarker(options.layout.root)
  await writeMarker(options.layout.root, marker)
  // Its threads start while everything is made ready for them.
  await using pool = new RestorePool({
    seed: options.repository.readerSeed,
    backup: manifest.id,
    workers: options.workers,
    // What nobody needs after a crash is best left in the cache.
    direct: options.durable !== false,
  })
  const { layout, kept, removed } = over ? await makeWay(options, previous) : { layout: options.layout, removed: 0 }
  const folders = await makeFolders(layout, manifest, owner)
  const { repository } = options
  const parts: RestoreParts = { repository, manifest: whileRestoring(manifest), layout, owner, over, kept, signal }
  await makeStubs(parts)
  const counts = await fetchFiles(options, parts, pool)
  // Held against the manifest and made durable by the threads while the rest is written, the WAL that replay needs among it.
  const settling = pool.perform(settleTasks(layout, counts.files, options.durable !== false), signal)
  settling.catch(() => undefined)
  const control = await readControl(layout, manifest)
  const configuration = await options.configure(control)
  await settling
  for (const path of layout.held ?? []) await rename(targetPath(layout, { path }), placeOf(layout, path))
  await makeReadOnly(filesToWrite({ manifest, kept }), { layout, durable: options.durable !== false })
  await writeConfiguration({ layout, manifest, owner, ...configuration })
  await writeLabels(layout, manifest, owner)
  options.progress({ phase: 'syncing folders' })
  if (options.durable !== false) await syncFolders(layout, folders, signal)
  await placeControl(layout, manifest, owner)
  await writeMarker(layout.root, markerOf(options, options.next ?? 'restored'))
  const { writtenAt, files, ...rest } = counts
  return { ...rest, files: files.length, removed, control, writtenMs: writtenAt - started }
}

function markerOf(options: RestoreOptions, state: Marker['state']): Marker {
  const { manifest, layout, inPlace } = options
  return {
    ...options.marker,
    version: 1,
    state,
    backup: manifest.id,
    tablespaces: targetFolders(layout).slice(1),
    way: inPlace ? 'in-place' : 'new',
    systemIdentifier: manifest.systemIdentifier.toString(),
    ...(state !== 'restored' ? { holder: { host: hostname(), process: identityOf(process.pid) } } : {}),
  }
}

/** Behind the marker: from here on the directory cannot be started until all is done. */
async function makeWay(
  options: RestoreOptions,
  previous: Marker | undefined,
): Promise<{ layout: Layout; kept: ReadonlySet<string> | undefined; removed: number }> {
  const { layout, manifest, inPlace, signal } = options
  await inPlace?.stillFree().catch(async (error: unknown) => {
    // Nothing was touched yet: the folder is again what it was.
    if (previous) await writeMarker(layout.root, previous)
    else await rm(join(layout.root, markerName), { force: true })
    throw error
  })
  options.progress({ phase: 'making way' })
  const removed = await clearFolder({
    layout,
    manifest,
    allOurs: !inPlace,
    unsaved: inPlace?.unsaved ?? [],
    signal,
  })
  if (!inPlace?.keepsUserFiles) return { layout, kept: undefined, removed }
  const kept = await userFilesThere({ layout, manifest })
  // Those that are missing appear under their names when they are whole: what is there counts as the user's.
  const held = filesToRestore(manifest)
    .map((file) => file.path)
    .filter((path) => !isServers(path) && !kept.has(path))
  return { layout: { ...layout, held: new Set(held) }, kept, removed }
}

function checkManifest(manifest: Manifest): void {
  const bad = (why: string): Error => errors.badManifest({ backup: manifest.id, why })
  const paths = new Set(manifest.files.map((file) => file.path))
  for (const path of [controlPath, 'PG_VERSION', 'global/pg_filenode.map'])
    if (!paths.has(path)) throw bad(`it has no ${path}`)
  if (paths.size !== manifest.files.length) throw bad('it names a file twice')
  if (manifest.backupLabel === '') throw bad('it has no backup_label')
  const [oldest] = manifest.olderImages
  if (manifest.replayFromLsn !== (oldest?.lsn ?? manifest.startLsn))
    throw bad('it does not hold what replay must begin with')
  if (oldest && parseBackupLabel(oldest.label).startLsn !== oldest.lsn)
    throw bad('the label of its oldest image is of another backup')
}

async function fetchFiles(
  options: RestoreOptions,
  parts: RestoreParts,
  pool: RestorePool,
): Promise<
  Pick<RestoreResult, 'bytes' | 'holeBytes' | 'writtenBytes' | 'fetchedBytes'> & {
    readonly files: readonly ManifestFile[]
    readonly writtenAt: number
  }
> {
  const { signal } = options
  const files = filesToWrite(parts)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  using _ticker = ticker(options, { pool, total: bytes, phase: parts.over ? 'comparing' : 'fetching' })
  const counted = { bytes: 0 }
  await pool.perform(countStored(writeTasks(parts), counted), signal)
  const { holeBytes, writtenBytes } = pool
  const writtenAt = options.clock.monotonic()
  return { files, bytes, holeBytes, writtenBytes, fetchedBytes: counted.bytes, writtenAt }
}

async function* countStored(tasks: AsyncIterable<WriteTask>, counted: { bytes: number }): AsyncGenerator<WriteTask> {
  for await (const task of tasks) {
    counted.bytes += task.items.reduce((sum, item) => sum + item.ref.storedBytes, 0)
    yield task
  }
}

function* settleTasks(
  layout: Layout,
  files: ReturnType<typeof filesToRestore>,
  durable: boolean,
): Generator<SettleTask> {
  for (let at = 0; at < files.length; at += 256) {
    yield {
      type: 'settle',
      durable,
      files: files.slice(at, at + 256).map((file) => ({
        path: targetPath(layout, file),
        file: file.path,
        bytes: file.bytes,
        sha256: file.kind === 'plain' ? file.sha256 : undefined,
      })),
    }
  }
}

/** Reports twice a second while the pool works. */
function ticker(options: RestoreOptions, of: { pool: RestorePool; total: number; phase: string }): Disposable {
  const { pool, total, phase } = of
  const started = options.clock.monotonic()
  const end = new AbortController()
  const loop = async (): Promise<void> => {
    for (;;) {
      await options.clock.sleep(500, end.signal)
      const [done, elapsedMs] = [pool.doneBytes, options.clock.monotonic() - started]
      const rate = (done / elapsedMs) * 1000
      options.progress({
        phase,
        done,
        total,
        unit: 'bytes',
        rate,
        ...(rate > 0 ? { leftMs: ((total - done) / rate) * 1000 } : {}),
      })
    }
  }
  loop().catch(() => {})
  return { [Symbol.dispose]: () => end.abort() }
}

async function readControl(layout: Layout, manifest: Manifest): Promise<ControlData> {
  const control = parseControlFile(await readFile(join(layout.root, controlTemporary)))
  const bad = (why: string): Error => errors.badManifest({ backup: manifest.id, why })
  if (!control.crcIsGood) throw bad('the checksum of its pg_control is wrong')
  if (control.systemIdentifier !== manifest.systemIdentifier) throw bad('its pg_control belongs to another cluster')
  return control
}

/**
 * The last step: from here on the directory can be started, and only with its backup_label. Where that is an older backup's, PostgreSQL must not think itself
 * consistent at that one's end.
 */
async function placeControl(layout: Layout, manifest: Manifest, owner: Owner | undefined): Promise<void> {
  const { olderImages, stopLsn: lsn, timeline } = manifest
  const temporary = join(layout.root, controlTemporary)
  const invalid = `${temporary}.invalid`
  const stored = await readFile(temporary)
  const control = olderImages.length === 0 ? stored : recoverAtLeastTo(stored, { lsn, timeline })
  await writeOwned(invalid, invalidateCheckpoint(control), owner)
  await rename(invalid, join(layout.root, controlPath))
  await rm(temporary)
  await syncFolder(join(layout.root, 'global'))
}
