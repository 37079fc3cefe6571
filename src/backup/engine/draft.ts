// The manifest of a backup, from all that was found and copied.
import { changeMapBytes } from '../../repository/change-map-size.ts'
import type { BackupKind, BackupStatistics, ManifestDraft, PackRef, Repository } from '../../repository/contract.ts'
import type { ControlData } from '../../wal/contract.ts'
import type { BackupLabel } from '../../wal/labels.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { imagesOf, olderImages } from '../plan/defer.ts'
import type { Base, FilePlan, PlannedPlain } from '../plan/files.ts'
import type { OwnFacts } from '../plan/parent.ts'
import type { Assembly } from './assembly.ts'
import { manifestFiles, packsOf, staticBytes } from './manifest.ts'
import type { Outcome } from './outcome.ts'
import type { StoredFindings } from './stored.ts'

export interface Stopped {
  readonly stopLsn: Lsn
  readonly backupLabel: string
  readonly tablespaceMap: string
  readonly control: ControlData
  readonly packs: readonly PackRef[]
}

export type Catalog = Pick<ManifestDraft, 'relations' | 'tablespaces' | 'settings' | 'outsideFiles'>

/** What the copying has brought. */
export interface Copied {
  /** Where tiers leave something out: after the second look. */
  readonly plan: FilePlan
  readonly assembly: Assembly
  readonly stopped: Stopped
  readonly findings: StoredFindings | undefined
}

/** All that a manifest is made of. */
export interface Finished extends Copied {
  readonly own: OwnFacts
  readonly kind: BackupKind
  readonly base: Base | undefined
  readonly catalog: Catalog
  readonly outcome: Outcome
}

export interface DraftOptions {
  readonly backupId: string
  readonly warehouse: string
  readonly startedMs: number
  readonly finishedMs: number
  readonly bytesRead: number
  readonly bytesAudited: number
  readonly madeBy: string
  readonly repository: Repository
  readonly signal: AbortSignal
}

/** `label`: the parsed one; `control`: the control file as listed. */
export async function draftManifest(
  of: Finished & { readonly label: BackupLabel; readonly control: PlannedPlain['listed'] },
  options: DraftOptions,
): Promise<ManifestDraft> {
  const { plan, assembly, stopped, label, control } = of
  const { backupId, startedMs, finishedMs } = options
  const audits = of.findings?.audits
  const { startLsn } = of.own
  const files = manifestFiles({ plan, assembly, backupId, startLsn, startedMs, audits, control })
  const older = of.base === undefined ? [] : olderImages(files, startLsn, imagesOf(of.base.parent))
  return {
    ...originOf(of, options),
    ...of.catalog,
    startLsn: label.startLsn,
    stopLsn: stopped.stopLsn,
    replayFromLsn: older[0]?.lsn ?? label.startLsn,
    olderImages: older,
    checkpointLsn: label.checkpointLsn,
    finishedMs,
    backupLabel: stopped.backupLabel,
    tablespaceMap: stopped.tablespaceMap,
    folders: plan.folders,
    files,
    unlogged: plan.unlogged,
    scratch: plan.scratch.map(({ path, mode, bytes }) => ({ path, mode, bytes })),
    distrusted: of.outcome.distrusted,
    corrupt: assembly.corrupt,
    packs: await packsOf(
      files,
      { mapPacks: assembly.packs, packs: stopped.packs, backupId },
      { manifest: of.base?.parent, repository: options.repository, signal: options.signal },
    ),
    statistics: {
      ...statisticsOf(of, files, options),
      deferredBytes: older.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    madeBy: options.madeBy,
  }
}

function originOf({ own, kind, base }: Finished, { backupId, warehouse, startedMs }: DraftOptions) {
  const { control } = own
  return {
    id: backupId,
    warehouse,
    // One node per warehouse so far: it goes by the name of the warehouse.
    node: warehouse,
    kind,
    parent: base?.purpose === 'increment' ? base.parent.id : undefined,
    independent: base === undefined,
    systemIdentifier: control.systemIdentifier,
    timeline: own.timeline,
    history: own.history,
    startedMs,
    postgresVersion: own.postgresVersion,
    catalogVersion: control.catalogVersion,
    walSegmentBytes: control.walSegmentBytes,
    blockBytes: control.blockBytes,
    dataChecksums: control.dataChecksumVersion === 1,
  }
}

function statisticsOf(
  of: Finished,
  files: ManifestDraft['files'],
  options: DraftOptions,
): Omit<BackupStatistics, 'deferredBytes'> {
  const { assembly, plan, stopped, base } = of
  let [bytes, segments] = [0, 0]
  for (const file of files) {
    bytes += file.bytes
    if (file.kind === 'segment') segments += file.bytes
  }
  return {
    clusterBytes: bytes,
    readBytes: options.bytesRead,
    newBytes: assembly.newSegmentBytes + assembly.newPlainBytes,
    storedBytes: stopped.packs.reduce((bytes, pack) => bytes + pack.bytes, 0),
    sharedBytes: Math.max(0, segments - assembly.newSegmentBytes),
    staticBytes: staticBytes(plan, assembly),
    auditedBytes: options.bytesAudited,
    skippedScratchBytes: plan.scratch.reduce((bytes, file) => bytes + file.bytes, 0),
    changeMapBytes: base?.changes === undefined ? 0 : changeMapBytes(base.changes),
    durationMs: options.finishedMs - options.startedMs,
  }
}
