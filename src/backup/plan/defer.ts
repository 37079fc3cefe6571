// Deferred reading: which changed segments an increment leaves as an older backup has stored them, since their tier asks for them to be read only so often.
// WAL from that older image on then does the rest in a restore. Pure.
//
//   start of the older backup ── its image of the segment ── … its changes in WAL … ── our start ── our images of all else ── our stop
//   └ replay begins here                                                                             consistent only here ┘
import type { Manifest, ManifestFile, OlderImage } from '../../repository/contract.ts'
import { BLOCKS_PER_SEGMENT, type ChangeMap } from '../../wal/contract.ts'
import { parseBackupLabel } from '../../wal/labels.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { SegmentFacts, SegmentPlan } from './segment.ts'

/** An image that a parent holds, with what replay from it needs. */
export type Image = Omit<OlderImage, 'bytes'>

/** What an increment may leave. */
export interface Deferral {
  /** keyOf() the files of deferring relations → for how long, in milliseconds. */
  readonly files: ReadonlyMap<string, number>
  /** Images from which replay may begin. */
  readonly images: ReadonlyMap<Lsn, Image>
  /** When our backup began, by the clock that dated the images. */
  readonly nowMs: number
}

type ParentFacts = Pick<Manifest, 'id' | 'startLsn' | 'startedMs' | 'backupLabel' | 'olderImages'>

/** All images that segments of a parent may be of: its own, and those that it has left older. */
export function imagesOf(parent: ParentFacts): readonly Image[] {
  const own = { lsn: parent.startLsn, backup: parent.id, atMs: parent.startedMs, label: parent.backupLabel }
  return [...parent.olderImages.map(({ lsn, backup, atMs, label }) => ({ lsn, backup, atMs, label })), own]
}

/**
 * Why replay to our end may not begin at an image; undefined where it may. `timelineStart`: where our timeline branched off. `changes`: since the image.
 * A database that was made by copying files is replayed by copying what lies there: newer files by then, in our case.
 */
export function obstacleTo(
  image: Image,
  of: {
    readonly timeline: number
    readonly timelineStart: Lsn
    readonly changes: Pick<ChangeMap, 'doubtfulDatabases'> | undefined
  },
): string | undefined {
  const label = parseBackupLabel(image.label)
  if (image.lsn < of.timelineStart || label.startTimeline !== of.timeline) return 'it is of another timeline'
  if (label.from !== 'primary') return 'it was read from a standby'
  if (label.startLsn !== image.lsn) return 'its label is of another backup'
  if (of.changes === undefined) return 'not all WAL since then is known'
  for (const _ of of.changes.doubtfulDatabases()) return 'a database was made, moved or dropped since then'
  return undefined
}

/** Settings whose smaller value would not do for replaying WAL of the time before it became smaller. */
const REPLAY_SETTINGS = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
]

/** The setting that has become too small, or changed, for replaying WAL from the parent's time; undefined where all is well. */
export function changedSetting(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): string | undefined {
  const smaller = REPLAY_SETTINGS.find((name) => !(Number(now[name]) >= Number(before[name])))
  if (smaller !== undefined) return smaller
  return before['track_commit_timestamp'] === now['track_commit_timestamp'] ? undefined : 'track_commit_timestamp'
}

/**
 * Whether a segment that would have to be read may keep its stored image: the same file, since then neither made anew nor cut to nothing, with nothing
 * doubtful or bad about it. Where nothing would be read there is nothing to defer.
 */
export function mayKeepImage(facts: SegmentFacts, plan: SegmentPlan): boolean {
  if (plan.kind !== 'whole' && plan.kind !== 'blocks') return false
  if (plan.kind === 'blocks' && plan.blocks.length === 0) return false
  if (facts.doubt !== undefined || facts.suspects.length > 0 || facts.parentBlockCount === undefined) return false
  const cut = (facts.change?.cut ?? Infinity) - facts.segment * BLOCKS_PER_SEGMENT
  return cut > 0 && facts.blockCount >= Math.min(facts.parentBlockCount, cut)
}

/** The image that a segment of a relation keeps; undefined where its blocks are read. An image from the future has no age that could be believed. */
export function imageToKeep(
  deferral: Deferral | undefined,
  of: { readonly key: string; readonly imageLsn: Lsn },
): Image | undefined {
  const deferMs = deferral?.files.get(of.key)
  const image = deferral?.images.get(of.imageLsn)
  if (deferMs === undefined || image === undefined) return undefined
  const ageMs = deferral!.nowMs - image.atMs
  return ageMs >= 0 && ageMs < deferMs ? image : undefined
}

/** Where replay begins: at the oldest image that is left, or at our own start. */
export function replayFrom(
  { segments }: { readonly segments: readonly { readonly plan: SegmentPlan }[] },
  startLsn: Lsn,
): Lsn {
  let oldest = startLsn
  for (const { plan } of segments) if (plan.kind === 'defer' && plan.imageLsn < oldest) oldest = plan.imageLsn
  return oldest
}

/** What a manifest says about the older images among its files, oldest first. */
export function olderImages(files: Iterable<ManifestFile>, startLsn: Lsn, images: readonly Image[]): OlderImage[] {
  const bytes = new Map<Lsn, number>()
  for (const file of files) {
    if (file.kind === 'segment' && file.imageLsn < startLsn)
      bytes.set(file.imageLsn, (bytes.get(file.imageLsn) ?? 0) + file.bytes)
  }
  return images
    .filter(({ lsn }) => bytes.has(lsn))
    .map((image) => ({ ...image, bytes: bytes.get(image.lsn)! }))
    .toSorted((one, other) => (one.lsn < other.lsn ? -1 : 1))
}
