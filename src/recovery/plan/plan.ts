// A recovery plan: everything that will be done, what it needs, how long it takes and what would be lost. Nothing is touched by making one.
import { formatSize, GIB } from '../../base/units.ts'
import type { BackupSummary, Manifest } from '../../repository/contract.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { segmentCeiling, segmentStart } from '../../wal/segments.ts'
import type { CriticalPart } from '../critical/choice.ts'
import type { Place } from '../in-place/place.ts'
import { unsavedName } from '../in-place/clear.ts'
import type { Layout } from '../restore/layout.ts'
import type { Owner } from '../restore/owner.ts'
import { libraryNames, librariesForReplay } from '../restore/settings.ts'
import { total, type Total } from '../rates/model.ts'
import type { RecoveryRecord, RecoveryWay } from '../rates/times.ts'
import type { WalSurvey } from '../rates/wal-survey.ts'
import type { DeliveryKind } from '../restore/wal-delivery.ts'
import type { ResolvedTarget } from '../target/resolve.ts'
import { formatMoment } from '../target/time.ts'
import { alternativeLines, alternativesOf, whyChosen, type Alternative } from './alternatives.ts'
import type { Loss } from './loss.ts'
import { lossLines, uncountedNotes } from './loss-text.ts'
import type { SpaceNeed } from './space.ts'
import { spanText } from './span-text.ts'
import { questionOf, stepsOf, type PlanStep } from './steps.ts'
import { criticalNote, tierLines, tiersOf, type TierTime } from './tiers.ts'

export interface RecoveryPlan {
  readonly warehouse: string
  readonly repository: string
  readonly backup: {
    readonly id: string
    readonly kind: string
    readonly finishedAt: string
    readonly stopLsn: string
    readonly files: number
  }
  readonly target: {
    /** As asked for, normalised. */
    readonly asked: string
    /** What it comes to: `before 0/5000060`, `after …`, `the end at …`. */
    readonly resolved: string
    readonly lsn: string
    readonly timeline: number
    /** Whether a time was read in this machine's zone because none was given. */
    readonly localZone: string | undefined
  }
  readonly directory: string
  readonly mode: 'copy' | 'original'
  /** Over the cluster that lies there; undefined: into a new folder. */
  readonly inPlace?:
    | {
        /** WAL of the target that the repository lacks, or lacked: files and bytes. */
        readonly ownWal: { readonly files: number; readonly bytes: number; readonly stored: boolean }
        /** What of it cannot be stored. */
        readonly lostWal: readonly string[]
        /** A recovery in place that was not finished goes on. */
        readonly goesOn: boolean
      }
    | undefined
  readonly owner: { readonly name: string; readonly because: string } | undefined
  readonly postgresVersion: number
  readonly tablespaces: readonly {
    readonly oid: number
    readonly name: string
    readonly from: string
    readonly to: string
  }[]
  readonly wal: {
    readonly fromLsn: string
    readonly toLsn: string
    readonly bytes: number
    readonly rewritten: boolean
    /** `staged`: fetched beforehand, since the user of the server cannot read the repository. */
    readonly delivery: DeliveryKind
  }
  readonly steps: readonly PlanStep[]
  /** Of these steps. */
  readonly time: Total
  /** When each tier is back, from the beginning, first back first; undefined where no tier is set apart from the others. */
  readonly tiers?: readonly TierTime[]
  /** Other backups that lead to the target, newest first. */
  readonly alternatives?: readonly Alternative[]
  /** Why this backup and none of the others. */
  readonly because: string
  readonly space: readonly SpaceNeed[]
  readonly lost: Loss
  readonly notes: readonly string[]
}

export interface PlanParts {
  readonly warehouse: string
  readonly repository: string
  readonly manifest: Manifest
  readonly resolved: ResolvedTarget
  readonly layout: Layout
  readonly owner: Owner | undefined
  readonly original: boolean
  readonly rewritten: boolean
  readonly delivery: DeliveryKind
  readonly start: boolean
  readonly verify: 'connect' | 'checksums' | 'full'
  readonly place: Place | undefined
  /** Whether the target's own WAL has been stored, or only looked at. */
  readonly saved: boolean
  readonly loss: Loss
  readonly space: readonly SpaceNeed[]
  readonly records: readonly RecoveryRecord[]
  readonly machine: string
  /** Of the warehouse; others than the chosen one are compared with it. */
  readonly backups: readonly BackupSummary[]
  /** Whether the chosen one was named. */
  readonly backupAsked: boolean
  readonly way: RecoveryWay
  /** What the critical tier needs; undefined where none is set apart. */
  readonly critical: CriticalPart | undefined
  /** What WAL consists of; undefined where none is replayed. */
  readonly survey: WalSurvey | undefined
  /** Whether that is made readable before the rest. */
  readonly criticalFirst: boolean
}

/** WAL that replay reads: whole segments from the one that holds the backup's start, or that of the oldest image in it. */
export function walBytesOf(
  manifest: Pick<Manifest, 'replayFromLsn' | 'walSegmentBytes'>,
  resolved: ResolvedTarget,
): number {
  const { walSegmentBytes } = manifest
  return Number(
    segmentCeiling(resolved.stop.lsn, walSegmentBytes) - segmentStart(manifest.replayFromLsn, walSegmentBytes),
  )
}

/** Room for the segments that replay keeps at once: PostgreSQL's default max_wal_size. */
export function walRoom(walBytes: number): number {
  return Math.min(walBytes, GIB)
}

export function makePlan(parts: PlanParts): RecoveryPlan {
  const { manifest, resolved, layout } = parts
  const steps = stepsOf(parts)
  const time = total(steps, questionOf(parts))
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
  const tiers = parts.start ? tiersOf(parts, { bytes, time }) : undefined
  const alternatives = alternativesOf(parts, parts.backups)
  const backup = backupOf(manifest)
  return {
    warehouse: parts.warehouse,
    repository: parts.repository,
    backup,
    target: targetOf(resolved),
    directory: layout.root,
    mode: parts.original ? 'original' : 'copy',
    ...(parts.place ? { inPlace: inPlaceOf(parts.place, parts.saved) } : {}),
    owner: parts.owner && { name: parts.owner.name, because: parts.owner.because },
    postgresVersion: manifest.postgresVersion,
    tablespaces: layout.tablespaces.map((one) => ({
      oid: one.oid,
      name: one.name,
      from: one.location ?? 'in place',
      to: one.target.kind === 'link' ? one.target.path : `in place (${layout.root}/pg_tblspc/${one.oid})`,
    })),
    wal: {
      fromLsn: formatLsn(manifest.replayFromLsn),
      toLsn: formatLsn(resolved.stop.lsn),
      bytes: walBytesOf(manifest, resolved),
      rewritten: parts.rewritten,
      delivery: parts.delivery,
    },
    steps,
    time,
    ...(tiers ? { tiers } : {}),
    alternatives,
    because: whyChosen({ ...backup, asked: parts.backupAsked, time }, alternatives),
    space: parts.space,
    lost: parts.loss,
    notes: notesOf(parts),
  }
}

function inPlaceOf({ cluster, ownWal }: Place, stored: boolean): NonNullable<RecoveryPlan['inPlace']> {
  return {
    ownWal: { files: ownWal?.segments.length ?? 0, bytes: ownWal?.bytes ?? 0, stored },
    lostWal: ownWal?.lost.map(({ file, why }) => `${file} (${why})`) ?? [],
    goesOn: cluster.unfinished !== undefined,
  }
}

export function backupOf(manifest: Manifest): RecoveryPlan['backup'] {
  return {
    id: manifest.id,
    kind: manifest.kind,
    finishedAt: new Date(manifest.finishedMs).toISOString(),
    stopLsn: formatLsn(manifest.stopLsn),
    files: manifest.files.length,
  }
}

export function targetOf(resolved: ResolvedTarget): RecoveryPlan['target'] {
  const { request, stop, entry } = resolved
  const at = formatLsn(stop.lsn)
  const when = entry
    ? `, ${entry.kind === 'restore-point' ? 'the restore point' : `the ${entry.kind} of transaction ${entry.xid}`} of ${formatMoment(entry.timeUs)}`
    : ''
  const words = {
    before: `up to, without, the record at ${at}${when}`,
    after: `up to and with the record at ${at}${when}`,
    end: `the end of WAL at ${at}`,
  }
  return {
    asked: askedText(resolved),
    resolved: words[stop.kind],
    lsn: at,
    timeline: resolved.timeline,
    localZone: request.kind === 'time' && !request.moment.zoneGiven ? request.moment.zone : undefined,
  }
}

export function askedText({ request }: Pick<ResolvedTarget, 'request'>): string {
  switch (request.kind) {
    case 'latest':
      return 'latest'
    case 'time':
      return `${request.inclusive ? 'time' : 'before time'} ${formatMoment(request.moment.timeUs)}`
    case 'lsn':
      return `LSN ${formatLsn(request.lsn)}`
    case 'name':
      return `restore point "${request.name}"`
    case 'xid':
      return `${request.inclusive ? '' : 'before '}transaction ${request.xid}`
    case 'before-load':
      break
  }
  return `before load "${request.load}"`
}

function notesOf(parts: PlanParts): readonly string[] {
  const { manifest, layout } = parts
  const preload = manifest.settings['shared_preload_libraries'] ?? ''
  const needed = librariesForReplay(preload)
  const left = libraryNames(preload).filter((name) => !needed.includes(name))
  const placed = layout.tablespaces.filter((one) => one.target.kind === 'in-place' && one.location !== undefined)
  const outside = manifest.outsideFiles.map((file) => file.path)
  const { aside } = parts.resolved
  return [
    ...(aside === undefined ? [] : [aside]),
    ...inPlaceNotes(parts),
    ...(parts.original && !parts.place
      ? ['the original configuration is kept, archive_mode included: make sure that the original server is gone']
      : []),
    ...(!parts.original && left.length > 0 ? [`preload libraries left out of the copy: ${left.join(', ')}`] : []),
    ...(needed.length > 0 ? [`libraries that replay needs: ${needed.join(', ')}`] : []),
    ...(placed.length > 0
      ? [`tablespaces ${placed.map((one) => one.name).join(', ')} become folders inside ${layout.root}`]
      : []),
    ...(parts.delivery === 'staged' && parts.owner
      ? [`WAL is fetched into ${layout.root} beforehand: user ${parts.owner.name} cannot read the repository`]
      : []),
    ...(parts.rewritten
      ? ['tablespaces created after the backup come in place: their old paths belong to the original server']
      : []),
    ...(parts.original && outside.length > 0
      ? [`configuration that lay outside the data directory must be there: ${outside.join(', ')}`]
      : []),
    ...deferredNotes(manifest),
    ...criticalNote(parts),
    ...uncountedNotes(parts.loss),
  ]
}

function inPlaceNotes({ place, saved, original }: PlanParts): readonly string[] {
  if (!place) return []
  const { cluster, ownWal } = place
  return [
    original
      ? 'configuration and other files of yours in the data directory stay as they are; only what is missing comes from the backup'
      : 'it is a silent copy, and stays one: its own WAL is none of the warehouse, and goes',
    ...(ownWal && ownWal.segments.length > 0 && !saved
      ? ['WAL of its own is stored first: with --latest the target is then found anew and lies behind it']
      : []),
    ...(ownWal && ownWal.lost.length > 0 ? [`WAL that cannot be stored is put aside in pg_wal/${unsavedName}`] : []),
    ...(cluster.unfinished
      ? ['a recovery in place that was not finished goes on: what is right already is not written again']
      : []),
  ]
}

/** What makes replay longer than from the backup's own start. */
function deferredNotes({ olderImages, startLsn, statistics }: Manifest): readonly string[] {
  const [oldest] = olderImages
  if (oldest === undefined) return []
  const more = formatSize(Number(startLsn - oldest.lsn))
  const since = new Date(oldest.atMs).toISOString()
  return [
    `replay begins at the start of ${oldest.backup} (${since}), ${more} of WAL before this backup's own: a tier has deferred the reading of ${formatSize(statistics.deferredBytes)}`,
  ]
}

/** The plan for people. */
export function planText(plan: RecoveryPlan): string {
  const lines = [
    `recovery of ${plan.warehouse} from repository ${plan.repository}`,
    `  target      ${plan.target.asked}${plan.target.localZone ? ` (read in this machine's zone, ${plan.target.localZone})` : ''}`,
    `              ${plan.target.resolved}, timeline ${plan.target.timeline}`,
    `  backup      ${plan.backup.id} (${plan.backup.kind}, ended ${plan.backup.finishedAt} at ${plan.backup.stopLsn})`,
    `  into        ${plan.directory} ${whatIsMade(plan)}, PostgreSQL ${Math.floor(plan.postgresVersion / 10_000)}`,
    ...ownWalLines(plan),
    ...(plan.owner ? [`  owner       ${plan.owner.name} (${plan.owner.because})`] : []),
    ...plan.tablespaces.map((one) => `  tablespace  ${one.name} (${one.from}) → ${one.to}`),
    ...plan.space.map(
      (one) =>
        `  space       ${formatSize(one.neededBytes)} needed, ${formatSize(one.freeBytes)} free for ${one.folders.join(', ')}`,
    ),
    '  steps',
    ...plan.steps.map((one) => `    ${one.what}${one.bytes > 0 ? `, ${formatSize(one.bytes)}` : ''}: ${spanText(one)}`),
    `    together: ${spanText(plan.time)}`,
    ...tierLines(plan.tiers).map((line, index) => `  ${index === 0 ? 'tiers ' : '      '}      ${line}`),
    ...alternativeLines(plan.because, plan.alternatives ?? []).map(
      (line, index) => `  ${index === 0 ? 'compared' : '        '}    ${line}`,
    ),
    '  lost',
    ...[...(plan.inPlace?.lostWal ?? []).map((one) => `WAL of the target: ${one}`), ...lossLines(plan.lost)].map(
      (line) => `    ${line}`,
    ),
    ...plan.notes.map((note) => `  note        ${note}`),
  ]
  return lines.join('\n')
}

function whatIsMade({ mode, inPlace }: RecoveryPlan): string {
  if (inPlace) return mode === 'copy' ? 'in place, a silent copy' : 'in place'
  return mode === 'copy' ? 'as a silent copy' : 'as a replacement of the original'
}

function ownWalLines({ inPlace }: RecoveryPlan): readonly string[] {
  if (!inPlace || inPlace.ownWal.files === 0) return []
  const { files, bytes, stored } = inPlace.ownWal
  const what = `${files} ${files === 1 ? 'file' : 'files'} of its pg_wal (${formatSize(bytes)})`
  return [
    `  own WAL     ${what} ${stored ? 'that the repository lacked: stored' : 'that the repository lacks: stored before anything is touched'}`,
  ]
}
