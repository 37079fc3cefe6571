// How a backup begins: the server is asked, its backup mode started, its directory proven to be its own, the parent chosen.
import { messageOf } from '../../base/errors.ts'
import { keepLargeHeapSmall } from '../../base/freed-memory.ts'
import type { BackupKind, Manifest, ManifestList } from '../../repository/contract.ts'
import { healedSince } from '../../repository/healed.ts'
import type { ChangeMap, ControlData } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { historyName, withoutPageHeader } from '../../wal/segments.ts'
import type { ServerFacts, Warehouse } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'
import { collectChanges } from '../plan/changes.ts'
import type { Base } from '../plan/files.ts'
import { chooseParent, ownSpans, type OwnFacts } from '../plan/parent.ts'
import { checkIdentity, readControlFile } from '../server/control-data.ts'
import { backupRights, demandRights } from '../server/demand-rights.ts'
import { askSummaries, type SummaryMiss } from '../server/summaries.ts'
import type { HeldBackup } from '../server/held-backup.ts'
import type { ClusterFiles } from '../source/cluster-files.ts'
import { demandSameServer } from '../source/server-identity.ts'
import type { TakeOptions } from './options.ts'

/** The server whose files are read. */
export const sourceServer = ({ standby, warehouse }: Pick<TakeOptions, 'standby' | 'warehouse'>): Warehouse =>
  standby?.server ?? warehouse

/** Facts of the server, for a role that may take backups. A missing right is named; it is also why the facts could not be read. */
export async function askServer(options: TakeOptions): Promise<ServerFacts> {
  const { signal, source = 'disk' } = options
  const warehouse = sourceServer(options)
  const facts = warehouse.facts(signal)
  facts.catch(() => {})
  await demandRights(warehouse, backupRights(source), signal)
  return await facts
}

/** Rejects servers that cannot be backed up (P10), before anything is started. */
export function checkServer(facts: ServerFacts, warehouse: string, mayBeStandby = false): void {
  if (facts.inRecovery && !mayBeStandby) throw backupErrors.inRecovery({ warehouse })
  if (facts.walLevel === 'minimal') throw backupErrors.walLevelMinimal({ warehouse })
}

/** What the running backup knows about the cluster it copies. */
export async function ownFacts(
  held: HeldBackup,
  facts: ServerFacts,
  files: ClusterFiles,
  options: TakeOptions,
): Promise<OwnFacts> {
  const name = options.warehouse.declaration.name
  if (files.server) demandSameServer(held.server, files.server, name)
  const { data } = await readControlFile(files, { clock: options.clock, signal: options.signal })
  checkIdentity(data, { facts, warehouse: name, directory: files.directory, startLsn: held.startLsn })
  const last = lastTimeline(data, facts)
  if (last !== data.timeline) throw backupErrors.timelineChanged({ warehouse: name, from: data.timeline, to: last })
  return {
    control: data,
    postgresVersion: facts.version,
    timeline: data.timeline,
    startLsn: held.startLsn,
    history: await readHistory(data, files, options),
  }
}

/** The newest timeline that the files are of. A standby's last checkpoint may be from before a promotion that it has followed since. */
export function lastTimeline(control: ControlData, facts: ServerFacts): number {
  return facts.inRecovery ? Math.max(control.timeline, control.minRecoveryTimeline) : control.timeline
}

async function readHistory(control: ControlData, files: ClusterFiles, options: TakeOptions): Promise<string> {
  if (control.timeline === 1) return ''
  // This server's own first: the repository may hold another that branched off elsewhere under the same number.
  const onDisk = await files.read(`pg_wal/${historyName(control.timeline)}`, { offset: 0, length: 1_048_576 })
  if (onDisk !== undefined) return onDisk.toString('utf8')
  const kept = await options.repository.wal.history(control.systemIdentifier, control.timeline, options.signal)
  if (kept === undefined) throw backupErrors.noHistory({ timeline: control.timeline })
  return kept
}

/**
 * After pg_upgrade, an initdb under the old name or a wrong URL the server is another cluster than the one that was backed up: nothing of the two
 * may be compared, and whether the new one shall take the old one's place is for people to say.
 */
export async function checkCluster(own: OwnFacts, options: TakeOptions): Promise<readonly string[]> {
  const warehouse = options.warehouse.declaration.name
  const { repository, signal } = options
  const backups = await repository.listBackups(signal, { warehouse, onDamaged: () => {} })
  const newest = backups.toSorted((one, other) => other.startedMs - one.startedMs)[0]
  const { systemIdentifier } = own.control
  if (newest === undefined || backups.some((one) => one.systemIdentifier === systemIdentifier)) return []
  const known = newest.systemIdentifier
  if (!options.adopt)
    throw backupErrors.otherCluster({
      warehouse,
      repository: repository.name,
      own: systemIdentifier,
      known,
      newest: newest.id,
    })
  return [
    `the cluster ${systemIdentifier} takes the place of ${known}, as was asked for: nothing is shared with the older backups`,
  ]
}

/** What a backup builds on, and of which kind it turns out to be: an increment without a parent is a full backup. */
export interface FoundBase {
  readonly kind: BackupKind
  readonly base: Base | undefined
  /** Relations that an audit has found out: they stay distrusted whatever the backup builds on. */
  readonly distrusted: Manifest['distrusted']
  readonly notes: readonly string[]
  readonly missed: readonly SummaryMiss[]
}

export interface BaseTools extends TakeOptions {
  readonly facts: ServerFacts
  /** Until all WAL before our start is in the repository; only asked where there is something to build on. */
  readonly waitForWal: () => Promise<void>
}

/** What nothing is built on: read anew by every backup. The relations are the larger half of a manifest. */
const NOT_BUILT_ON = ['relations', 'folders', 'unlogged', 'scratch', 'outsideFiles'] as const satisfies ManifestList[]

/** From so many files on memory matters more than the collector's time. */
export const MANY_FILES = 300_000

export async function findBase(kind: BackupKind, own: OwnFacts, options: BaseTools): Promise<FoundBase> {
  const warehouse = options.warehouse.declaration.name
  const notes: string[] = []
  const backups = await options.repository.listBackups(options.signal, {
    warehouse,
    onDamaged: (object, error) => notes.push(`manifest ${object} is damaged and no parent: ${messageOf(error)}`),
  })
  const { parent, refused } = chooseParent(backups, own, kind === 'differential')
  if (parent === undefined) {
    if (kind !== 'full') notes.push(`a full backup is taken: ${refused}`)
    else if (backups.length > 0 && !options.independent) notes.push(`nothing is taken over as static: ${refused}`)
    return { kind: 'full', base: undefined, distrusted: [], notes, missed: [] }
  }
  const reading = options.repository.readManifest(parent.id, options.signal, { without: NOT_BUILT_ON })
  // The WAL of the last seconds comes in while the manifest is read.
  const [manifest] = await Promise.all([reading, options.independent ? undefined : options.waitForWal()])
  if (manifest.files.length > MANY_FILES) keepLargeHeapSmall()
  const { distrusted } = manifest
  if (options.independent) return { kind: 'full', base: undefined, distrusted, notes, missed: [] }
  if (refused !== undefined) notes.push(`not built on ${refused}`)
  const { base, ...more } = await openBase(
    { parent: manifest, purpose: kind === 'full' ? 'static' : 'increment', healed: await healedOf(manifest, options) },
    own,
    options,
  )
  if (base.doubt !== undefined) notes.push(`everything is read whole: ${base.doubt}`)
  return { kind, base, distrusted, notes: [...notes, ...more.notes], missed: more.missed }
}

/** What was healed in place since the oldest image that the parent has: an increment would take over what was bad then. */
async function healedOf(parent: Manifest, { warehouse, repository, signal }: BaseTools): Promise<Base['healed']> {
  const { systemIdentifier, replayFromLsn: sinceLsn } = parent
  return await healedSince(
    repository.notices,
    { warehouse: warehouse.declaration.name, systemIdentifier, sinceLsn },
    signal,
  )
}

async function openBase(
  on: Pick<Base, 'parent' | 'purpose' | 'healed'>,
  own: OwnFacts,
  options: BaseTools,
): Promise<{ base: Base; notes: readonly string[]; missed: readonly SummaryMiss[] }> {
  const { map, doubt, missed, note } = await changesSince(on.parent.startLsn, own, options)
  if (map === undefined) return { base: { ...on, changes: undefined, doubt }, notes: [], missed: [] }
  const base = { ...on, changes: map, doubt: undefined }
  const notes = note === undefined ? [] : [note]
  // A full backup takes over nothing of what was deferred: it need not know what has become of it.
  if (on.parent.olderImages.length === 0 || on.purpose === 'static') return { base: base, notes, missed }
  const longer = await changesSince(on.parent.replayFromLsn, own, options)
  const older = { changes: longer.map, doubt: longer.doubt }
  if (longer.doubt !== undefined) notes.push(`what was deferred is read whole: ${longer.doubt}`)
  return { base: { ...base, older }, notes, missed: longer.map === undefined ? missed : longer.missed }
}

interface ChangesSince {
  readonly map: ChangeMap | undefined
  readonly doubt: string | undefined
  readonly missed: readonly SummaryMiss[]
  readonly note?: string | undefined
}

/** What WAL and the server's own summaries name between an earlier start on our history and ours. WAL up to our start must be in the repository. */
export async function changesSince(fromLsn: Lsn, own: OwnFacts, options: BaseTools): Promise<ChangesSince> {
  const range = { spans: ownSpans(own), fromLsn, untilLsn: own.startLsn }
  const { systemIdentifier } = own.control
  // Right behind a page's header no WAL exists yet that anybody could have kept.
  const untilLsn = withoutPageHeader(own.startLsn, own.control.walSegmentBytes)
  const changes = await collectChanges(options.repository.wal, { systemIdentifier, ...range, untilLsn }, options.signal)
  if (changes.map === undefined) return { map: undefined, doubt: changes.doubt, missed: [] }
  return { doubt: undefined, ...(await askSummaries(changes.map, range, options)) }
}
