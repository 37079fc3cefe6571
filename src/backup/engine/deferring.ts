// What an increment may leave unread for the sake of its tiers: asked before the files are planned. In doubt everything is read, and why is said.
import { deadNames } from '../../repository/prune.ts'
import type { WalChunkInfo } from '../../repository/contract.ts'
import { segmentStart, withoutPageHeader } from '../../wal/segments.ts'
import { chooseChunks } from '../plan/changes.ts'
import { changedSetting, imagesOf, obstacleTo, type Deferral, type Image } from '../plan/defer.ts'
import type { Base } from '../plan/files.ts'
import { ownSpans, type OwnFacts } from '../plan/parent.ts'
import { readSettings } from '../server/catalog.ts'
import type { TakeOptions } from './options.ts'
import type { ReadTiers } from './tiering.ts'

export interface Deferring {
  readonly own: OwnFacts
  readonly base: Base | undefined
  readonly tiers: Pick<ReadTiers, 'deferred'> | undefined
  readonly startedMs: number
}

interface Decided {
  readonly deferral: Deferral | undefined
  readonly notes: readonly string[]
}

/** The lease must be held: WAL that expires from then on stays until the manifest names it. */
export async function decideDeferral(of: Deferring, options: TakeOptions): Promise<Decided> {
  if (!options.tiers?.some((one) => one.defer !== undefined)) return { deferral: undefined, notes: [] }
  const why = await whyNothing(of, options)
  if (why !== undefined) return { deferral: undefined, notes: [`nothing is deferred: ${why}`] }
  const notes: string[] = []
  const chunks = await lastingChunks(of.own, options)
  const images = imagesOf(of.base!.parent).filter((image) => {
    const obstacle = obstacleOf(image, of, chunks)
    if (obstacle !== undefined) notes.push(`nothing is left as ${image.backup} has it: ${obstacle}`)
    return obstacle === undefined
  })
  const { startedMs: nowMs } = of
  return {
    deferral: { files: of.tiers!.deferred, images: new Map(images.map((image) => [image.lsn, image])), nowMs },
    notes,
  }
}

async function whyNothing({ own, base, tiers }: Deferring, options: TakeOptions): Promise<string | undefined> {
  if (base?.purpose !== 'increment') return 'a full backup reads everything'
  // A label of a primary with a control file of a standby, or the other way round, is nothing that PostgreSQL knows.
  if (options.standby) return 'the files are those of a standby'
  if (!own.control.fullPageWrites) return 'full_page_writes is off'
  if (tiers === undefined) return 'the catalog has not been read'
  await using session = await options.warehouse.connect({ purpose: 'backup settings', signal: options.signal })
  const setting = changedSetting(base.parent.settings, await readSettings(session))
  return setting === undefined ? undefined : `${setting} is another than for ${base.parent.id}`
}

/** WAL that is not about to be deleted. */
async function lastingChunks({ control }: OwnFacts, options: TakeOptions): Promise<readonly WalChunkInfo[]> {
  const { repository, signal } = options
  const [chunks, dead] = await Promise.all([
    repository.wal.list(control.systemIdentifier, signal),
    deadNames(repository, signal),
  ])
  return dead.size === 0 ? chunks : chunks.filter((one) => !dead.has(one.object))
}

function obstacleOf(image: Image, { own, base }: Deferring, chunks: readonly WalChunkInfo[]): string | undefined {
  const { parent, changes, older } = base!
  const spans = ownSpans(own)
  const since = image.lsn < parent.startLsn ? older?.changes : changes
  const obstacle = obstacleTo(image, {
    timeline: own.timeline,
    timelineStart: spans.at(-1)!.startLsn,
    changes: since,
  })
  if (obstacle !== undefined) return obstacle
  const { systemIdentifier, walSegmentBytes } = own.control
  const found = chooseChunks(chunks, {
    systemIdentifier,
    spans,
    fromLsn: segmentStart(image.lsn, walSegmentBytes),
    untilLsn: withoutPageHeader(own.startLsn, walSegmentBytes),
  })
  return 'doubt' in found ? found.doubt : undefined
}
