// Which manifests are backups.
import { formatTime } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { BackupSummary, ObjectInfo } from '../contract.ts'
import { errors } from '../errors.ts'
import type { ReadOptions } from '../object/decode.ts'
import { confirmationName, readConfirmation } from './confirmation.ts'
import { summaryOf, type ManifestHead } from './schema.ts'
import { damagedManifest, MANIFEST_PREFIX, readManifestHead } from './store.ts'

const NAME = /^manifests\/([A-Za-z0-9_-]+)\/([A-Za-z0-9._-]+)$/

export function parseManifestName(name: string): { warehouse: string; id: string } | undefined {
  const match = NAME.exec(name)
  return match ? { warehouse: match[1]!, id: match[2]! } : undefined
}

/** The error that says why a readable manifest is no backup, or undefined: written after its lease ended and never confirmed. */
export async function lateness(
  object: ObjectInfo,
  head: ManifestHead,
  options: ReadOptions,
): Promise<Error | undefined> {
  if (object.modifiedMs <= head.leaseUntilMs) return undefined
  const confirmation = confirmationName(head.warehouse, head.id)
  if (await options.store.stat(confirmation, options)) {
    const body = await readConfirmation(confirmation, options)
    if (body.manifest === object.name && body.bytes === object.bytes) return undefined
  }
  const [written, until] = [formatTime(object.modifiedMs), formatTime(head.leaseUntilMs)]
  return errors.lateManifest({ object: object.name, written, until }, { place: { object: object.name } })
}

export interface ListOptions extends ReadOptions {
  readonly warehouse?: string | undefined
  /** Also told of late manifests. Without it a damaged manifest rejects; a late one is no backup and is left out. */
  readonly onDamaged?: ((object: string, error: Error) => void) | undefined
  /** Names of manifests that are not looked at: those under a tombstone. */
  readonly without?: { has(name: string): boolean }
}

/** Oldest first, by the time that the backup began. */
export async function listBackups(options: ListOptions): Promise<BackupSummary[]> {
  const prefix = options.warehouse === undefined ? MANIFEST_PREFIX : `${MANIFEST_PREFIX}${options.warehouse}/`
  const summaries: BackupSummary[] = []
  for await (const object of options.store.list(prefix, options)) {
    if (options.without?.has(object.name)) continue
    const summary = await readSummary(object, options)
    if (summary) summaries.push(summary)
  }
  return summaries.sort((one, other) => one.startedMs - other.startedMs || (one.id < other.id ? -1 : 1))
}

async function readSummary(object: ObjectInfo, options: ListOptions): Promise<BackupSummary | undefined> {
  try {
    if (!parseManifestName(object.name)) throw damagedManifest(object.name, 'its name is not one of a manifest')
    const head = await readManifestHead(object.name, options)
    const late = await lateness(object, head, options)
    if (late === undefined) return summaryOf(head)
    options.onDamaged?.(object.name, late)
    return undefined
  } catch (error) {
    // Deleted since it was listed: not there any more, not damaged.
    if (isWharfError(error, 'repository.object-missing') && !(await options.store.stat(object.name, options)))
      return undefined
    const told = isWharfError(error) && (error.exit === 'damaged' || error.code === 'repository.unknown-format')
    if (!told || !options.onDamaged) throw error
    options.onDamaged(object.name, error instanceof Error ? error : new Error(messageOf(error)))
    return undefined
  }
}

/** The manifest object of a backup id, wherever it is. */
export async function findManifest(id: string, options: ReadOptions): Promise<ObjectInfo> {
  for await (const object of options.store.list(MANIFEST_PREFIX, options)) {
    if (parseManifestName(object.name)?.id === id) return object
  }
  throw errors.unknownBackup({ id, location: options.store.location })
}
