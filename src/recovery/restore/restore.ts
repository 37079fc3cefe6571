// Restores one backup into empty folders so that a crash at any moment leaves either a directory that cannot be started or a whole one.
//
//   marker → folders, links → files (pg_control under another name) → configuration, label, map, signal → fsync of every file and every folder
//   but global → pg_control with its checkpoint made invalid → rename → fsync of global → marker
import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { syncFolder } from '../../base/durable.ts'
import type { Progress } from '../../base/operation.ts'
import type { Manifest, Repository } from '../../repository/contract.ts'
import type { ControlData } from '../../wal/contract.ts'
import { invalidateCheckpoint, parseControlFile, recoverAtLeastTo } from '../../wal/control-file.ts'
import { parseBackupLabel } from '../../wal/labels.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { controlPath, controlTemporary, filesToRestore, makeStubs, targetPath, writeTasks } from './distribute.ts'
import { makeFolders, syncFolders } from './folders.ts'
import type { Layout } from './layout.ts'
import { writeMarker, type Marker } from './marker.ts'
import type { SettleTask, WriteTask } from './messages.ts'
import type { Owner } from './owner.ts'
import { RestorePool } from './pool.ts'
import { writeConfiguration, writeLabels, writeOwned } from './small-files.ts'
import type { CopyParts, Settings } from './settings.ts'
import { checkTargets, clearTargets, makeTargets, targetFolders } from './target-folder.ts'

export interface RestoreOptions {
  readonly repository: Pick<Repository, 'readMaps' | 'readerSeed'>
  readonly manifest: Manifest
  readonly layout: Layout
  readonly owner: Owner | undefined
  readonly resume: boolean
  readonly workers: number
  /** Default true. False for what nobody needs after a crash: nothing is fsynced. */
  readonly durable?: boolean | undefined
  readonly marker: Pick<Marker, 'recovery' | 'warehouse' | 'repository' | 'target' | 'startedAt'>
  /** Called when pg_control is there: settings until the target is reached, and what a copy is like (undefined: --original). */
  readonly configure: (
    control: ControlData,
  ) => Promise<{ recovery: Settings; copy: CopyParts | undefined; chosen: Settings }>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly progress: (event: Progress) => void
}

export interface RestoreResult {
  readonly files: number
  readonly bytes: number
  /** Of them left as holes. */
  readonly holeBytes: number
  /** Of extents, as they are stored in the repository. */
  readonly fetchedBytes: number
  readonly control: ControlData
  /** From the start until every byte was written, before anything was made durable. */
  readonly writtenMs: number
}

export async function restore(options: RestoreOptions): Promise<RestoreResult> {
  const { layout, manifest, owner, signal, clock } = options
  const started = clock.monotonic()
  checkManifest(manifest)
  const unfinished = await checkTargets(layout, options)
  if (unfinished) await clearTargets(layout, unfinished)
  const marker: Marker = {
    ...options.marker,
    version: 1,
    state: 'restoring',
    backup: manifest.id,
    tablespaces: targetFolders(layout).slice(1),
  }
  await makeTargets(layout, owner, (manifest.folders.find((one) => one.path === 'base')?.mode ?? 0o700) & 0o750)
  await writeMarker(layout.root, marker)
  const folders = await makeFolders(layout, manifest, owner)
  await makeStubs(options)
  const counts = await fetchFiles(options)
  const control = await readControl(layout, manifest)
  const configuration = await options.configure(control)
  await writeConfiguration({ layout, manifest, owner, ...configuration })
  await writeLabels(layout, manifest, owner)
  options.progress({ phase: 'syncing folders' })
  if (options.durable !== false) await syncFolders(layout, folders, signal)
  await placeControl(layout, manifest, owner)
  await writeMarker(layout.root, { ...marker, state: 'restored' })
  const { writtenAt, ...rest } = counts
  return { ...rest, control, writtenMs: writtenAt - started }
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
): Promise<{ files: number; bytes: number; holeBytes: number; fetchedBytes: number; writtenAt: number }> {
  const { repository, manifest, layout, signal } = options
  const files = filesToRestore(manifest)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  await using pool = new RestorePool({ seed: repository.readerSeed, backup: manifest.id, workers: options.workers })
  using _ticker = ticker(options, pool, bytes)
  const counted = { bytes: 0 }
  const tasks = writeTasks({ repository, manifest, layout, owner: options.owner, signal })
  await pool.perform(countStored(tasks, counted), signal)
  const { holeBytes } = pool
  const writtenAt = options.clock.monotonic()
  await pool.perform(settleTasks(layout, files, options.durable !== false), signal)
  return { files: files.length, bytes, holeBytes, fetchedBytes: counted.bytes, writtenAt }
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
function ticker(options: RestoreOptions, pool: RestorePool, total: number): Disposable {
  const started = options.clock.monotonic()
  const end = new AbortController()
  const loop = async (): Promise<void> => {
    for (;;) {
      await options.clock.sleep(500, end.signal)
      const [done, elapsedMs] = [pool.doneBytes, options.clock.monotonic() - started]
      const rate = (done / elapsedMs) * 1000
      options.progress({
        phase: 'fetching',
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
