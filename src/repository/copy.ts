// Backups and WAL from one repository into another, whole and verified; for the rooms above and for `wharf repository copy`.
import type { Progress } from '../base/operation.ts'
import type { BackupSummary, Repository } from './contract.ts'
import { copyContents, missingPacks, readCommon, type BackupCopy } from './copy/backup.ts'
import { copyWal, requireRange } from './copy/wal.ts'
import { copyHealed } from './healed.ts'
import { copyKept } from './kept/copy.ts'
import { manifestName } from './manifest/store.ts'
import { keepWal } from './prune/shared.ts'
import { StoredRepository } from './stored.ts'

export { copyWal } from './copy/wal.ts'

/** Backups around the copied one whose maps are looked up: its parent, and its neighbours. */
const MOST_COMMON = 3

export interface CopyOptions {
  readonly from: Repository
  readonly to: Repository
  readonly id: string
  /** `needed`: the WAL from start to stop of the backup. `all`: from its start to the end of what the source holds, and the kept loads that it may need. */
  readonly wal: 'needed' | 'all'
  readonly report?: (event: Progress) => void
  readonly signal: AbortSignal
}

export interface CopyResult {
  readonly id: string
  readonly state: 'copied' | 'there already'
  readonly packs: number
  readonly bytes: number
  readonly walChunks: number
  readonly walBytes: number
}

/**
 * Durable, complete and read back when it resolves. What the target holds already is not copied again, so that an interrupted copy goes on where it was.
 * Rejects with `repository.unknown-backup`, `.busy` (the target has a backup of this warehouse under way), `.wal-gap`, or the damage that was met.
 */
export async function copyBackup(options: CopyOptions): Promise<CopyResult> {
  // Where we may not write into the source nothing but the grace period keeps what is copied; then what is missing is told.
  await using _ = await options.from.beginReading({ purpose: `copy of ${options.id}`, signal: options.signal })
  return await copyLeased(options)
}

async function copyLeased(options: CopyOptions): Promise<CopyResult> {
  const { id, signal } = options
  const [from, to] = [asStored(options.from), asStored(options.to)]
  const manifest = await from.readManifest(id, signal)
  const { systemIdentifier, timeline, stopLsn } = manifest
  // Blocks whose reading was put off are rolled forward from an older image.
  const startLsn = manifest.replayFromLsn < manifest.startLsn ? manifest.replayFromLsn : manifest.startLsn
  const there = await to.listBackups(signal, { warehouse: manifest.warehouse, onDamaged: () => {} })
  const isThere = there.some((one) => one.id === id)
  // Before the manifest is there: whoever builds on it then must know.
  await copyHealed(
    { from: from.notices, to: to.notices },
    { warehouse: manifest.warehouse, systemIdentifier, sinceLsn: startLsn },
    signal,
  )
  if (!isThere) await keepWal({ ...manifest, replayFromLsn: startLsn }, to.readOptions(signal))
  const bringWal = async (until: 'all' | 'needed') => {
    options.report?.({ phase: 'copying wal', note: id })
    const span = { fromLsn: startLsn, fromTimeline: timeline, ...(until === 'all' ? {} : { untilLsn: stopLsn }) }
    const brought = await copyWal({ from, to, systemIdentifier, signal, ...span })
    const ranges = await to.wal.ranges(systemIdentifier, signal)
    requireRange(ranges, { timeline, startLsn, stopLsn, location: to.store.location })
    return brought
  }
  const wal = await bringWal(options.wal)
  const walDone = { walChunks: wal.chunks, walBytes: wal.bytes }
  const bringKept = async (): Promise<void> => {
    if (options.wal === 'all') await copyKept({ ...options, from, to }, manifest)
  }
  if (isThere) {
    await bringKept()
    return { id, state: 'there already', packs: 0, bytes: 0, ...walDone }
  }
  const sources = await from.listBackups(signal, { warehouse: manifest.warehouse, onDamaged: () => {} })
  const names = commonNames(manifest, sources, there)
  const [source, target] = [from.readOptions(signal), to.readOptions(signal)]
  const copy: BackupCopy = { manifest, from: source, to: target, common: await readCommon(names, source, target) }
  const stored = await store(copy, { to, options })
  // Until its manifest was there nothing kept the WAL from an expiry that had named it before.
  await bringWal('needed')
  await bringKept()
  return { id, state: 'copied', ...stored, ...walDone }
}

async function store(
  copy: BackupCopy,
  of: { to: StoredRepository; options: CopyOptions },
): Promise<{ packs: number; bytes: number }> {
  const { to, options } = of
  const { warehouse, id } = copy.manifest
  const writer = await to.beginCopy({ warehouse, id, signal: options.signal })
  let complete = false
  try {
    const missing = await missingPacks(copy)
    const total = missing.reduce((sum, one) => sum + one.bytes, 0)
    let done = 0
    const onBytes = (bytes: number): void => {
      done += bytes
      options.report?.({ phase: 'copying', done: Math.min(done, total), total, unit: 'bytes', note: id })
    }
    const { manifest, packs, bytes } = await copyContents({ ...copy, onBytes }, writer, missing)
    options.report?.({ phase: 'storing', note: id })
    await writer.commit(manifest, options.signal)
    complete = true
    return { packs, bytes }
  } finally {
    if (!complete) await writer.abandon()
  }
}

/** Of the backups that both hold, the parent and the nearest in time. */
function commonNames(
  of: Pick<BackupSummary, 'id' | 'warehouse' | 'parent' | 'startedMs'>,
  sources: readonly BackupSummary[],
  targets: readonly BackupSummary[],
): string[] {
  const held = new Set(targets.map((one) => one.id))
  return sources
    .filter((one) => held.has(one.id) && one.id !== of.id)
    .toSorted((one, other) => distance(one) - distance(other))
    .slice(0, MOST_COMMON)
    .map((one) => manifestName(one.warehouse, one.id))

  function distance(one: BackupSummary): number {
    return one.id === of.parent ? -1 : Math.abs(one.startedMs - of.startedMs)
  }
}

/** Every repository that is open is one of these; the interface is for the rooms above. */
export function asStored(repository: Repository): StoredRepository {
  if (repository instanceof StoredRepository) return repository
  throw new TypeError(`repository ${repository.name} was not opened by this room`)
}
