// One WAL file from the repository: checked, and rewritten for a server that is not the original.
import { readFileSync } from 'node:fs'

import { messageOf } from '../../base/errors.ts'
import type { WalArchive } from '../../repository/contract.ts'
import { openWalArchive } from '../../repository/wal-archive.ts'
import { parseControlFile } from '../../wal/control-file.ts'
import { pageMagics } from '../../wal/layouts.ts'
import { parseWalFileName, segmentName } from '../../wal/segments.ts'
import type { LeftOutRelations } from '../../wal/leave-out.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { neighboursNeeded, rewriteTablespaces, type SegmentPlace } from '../../wal/rewrite.ts'
import { getErrors as errors } from './errors.ts'
import { segmentAfter } from './ahead/order.ts'
import type { GetFile } from './arguments.ts'
import { leaveOut, relationsOf, type LeftOut } from './left-out.ts'
import { readOptions, type WalGetOptions } from './options.ts'

const never = new AbortController().signal

/** What fetchFrom() needs to know of the cluster. */
export type FetchPlan = Pick<
  WalGetOptions,
  'systemIdentifier' | 'postgresVersion' | 'walSegmentBytes' | 'rewrite' | 'switches' | 'known' | 'leftOut' | 'until'
>

/** Undefined: the repository truly has nothing of it. Rejects for every other reason. */
export async function fetchWal(request: GetFile): Promise<FetchedFile | undefined> {
  const { from, segment } = request
  if (from.kind === 'options') {
    const options = readOptions(from.file)
    return await fetchFile(await openWalArchive(options.seed), segment, options)
  }
  const { openByFlags } = await import('./open-by-flags.ts')
  const repository = await openByFlags(from)
  const control = parseControlFile(readFileSync('global/pg_control'))
  return await fetchFile(repository.wal, segment, {
    systemIdentifier: String(from.systemIdentifier ?? control.systemIdentifier),
    postgresVersion: control.majorVersion * 10_000,
    walSegmentBytes: control.walSegmentBytes,
    rewrite: from.rewrite,
    switches: [],
    known: [],
  })
}

export async function fetchFrom(
  wal: Pick<WalArchive, 'segment'>,
  name: string,
  plan: FetchPlan,
): Promise<Buffer | undefined> {
  return (await fetchFile(wal, name, plan))?.bytes
}

export interface FetchedFile {
  readonly bytes: Buffer
  /** The end of a segment that may grow yet, filled up with zeros. */
  readonly partial: boolean
}

/** The same, and whether it is whole. */
export async function fetchFile(
  wal: Pick<WalArchive, 'segment'>,
  name: string,
  plan: FetchPlan,
): Promise<FetchedFile | undefined> {
  const parsed = parseWalFileName(name, plan.walSegmentBytes)
  const systemIdentifier = BigInt(plan.systemIdentifier)
  // Backup labels and .partial files are never kept: a full segment, or what is known of it, comes under its own name.
  if (!parsed || parsed.kind === 'backup' || parsed.kind === 'partial') return undefined
  const until = parsed.kind === 'segment' ? knownEnd(parsed, plan) : undefined
  const found = (await wal.segment(systemIdentifier, name, never, until)) ?? (await fromDescendant(wal, parsed, plan))
  if (parsed.kind === 'history') return found
  if (!found) {
    if (until === undefined) return undefined
    const why = 'it was in the repository when recovery was planned, and is not now'
    throw errors.walUnavailable({ segment: name, why })
  }
  // Zeros behind it would be the end of WAL to the server.
  if (until !== undefined && found.partial && found.endLsn !== undefined && found.endLsn < until) {
    const why = `it reached up to ${formatLsn(until)} in the repository when recovery was planned, and to ${formatLsn(found.endLsn)} now`
    throw errors.walUnavailable({ segment: name, why })
  }
  const place = {
    startLsn: parsed.startLsn,
    majorVersion: Math.floor(plan.postgresVersion / 10_000),
    segmentBytes: plan.walSegmentBytes,
  }
  checkFirstPage(found.bytes, name, { ...place, systemIdentifier })
  if (!plan.rewrite) return found
  const own = found.bytes
  const needed = neighboursNeeded(own, place)
  const neighbour = async (side: 'previous' | 'next'): Promise<Buffer | undefined> =>
    await neighbourOf(wal, { name, side, place, plan })
  const next = needed.next ? await neighbour('next') : undefined
  rewriteTablespaces(own, place, {
    previous: needed.previous && parsed.startLsn > 0n ? await neighbour('previous') : undefined,
    next,
  })
  const relations = plan.leftOut === undefined ? undefined : relationsFor(plan.leftOut)
  const isWhole = relations === undefined || (await leaveOut(own, { place, relations, neighbour }))
  // Without the next one the record that crosses its end is as it was: whoever asks when it has come must get another segment than this.
  return (needed.next && next === undefined) || !isWhole ? { ...found, partial: true } : found
}

const relationsOfPlans = new WeakMap<LeftOut, LeftOutRelations>()

function relationsFor(leftOut: LeftOut): LeftOutRelations {
  const known = relationsOfPlans.get(leftOut) ?? relationsOf(leftOut)
  relationsOfPlans.set(leftOut, known)
  return known
}

/** Of the timelines of the history. After a segment comes what the server will ask for after it. */
async function neighbourOf(
  wal: Pick<WalArchive, 'segment'>,
  of: { name: string; side: 'previous' | 'next'; place: SegmentPlace; plan: FetchPlan },
): Promise<Buffer | undefined> {
  const { name, side, place, plan } = of
  const startLsn = place.startLsn + BigInt(side === 'next' ? place.segmentBytes : -place.segmentBytes)
  const own = Number.parseInt(name.slice(0, 8), 16)
  const after = side === 'next' ? segmentAfter(name, plan) : undefined
  const names = [own, ...plan.known.map((one) => one.timeline)].map((timeline) =>
    segmentName(timeline, startLsn, place.segmentBytes),
  )
  for (const one of new Set(after === undefined ? names : [after, ...names])) {
    const parsed = parseWalFileName(one, plan.walSegmentBytes)
    const until = parsed?.kind === 'segment' ? knownEnd(parsed, plan) : undefined
    const other = await wal.segment(BigInt(plan.systemIdentifier), one, never, until).catch((error: unknown) => {
      throw errors.walUnavailable({ segment: name, why: `its neighbour cannot be read: ${messageOf(error)}` })
    })
    if (other) return other.bytes
  }
  return undefined
}

/**
 * The last, unfinished segment of a timeline that was left may never have been kept. The timeline that followed begins with a copy of it,
 * byte for byte up to the switch.
 */
async function fromDescendant(
  wal: Pick<WalArchive, 'segment'>,
  parsed: { kind: string; timeline: number; startLsn?: bigint },
  plan: FetchPlan,
): Promise<(FetchedFile & { endLsn: bigint }) | undefined> {
  const { startLsn } = parsed
  if (parsed.kind !== 'segment' || startLsn === undefined) return undefined
  const next = plan.switches.find((one) => one.timeline > parsed.timeline)
  if (!next || BigInt(next.at) <= startLsn || BigInt(next.at) >= startLsn + BigInt(plan.walSegmentBytes))
    return undefined
  const other = await wal.segment(
    BigInt(plan.systemIdentifier),
    segmentName(next.timeline, startLsn, plan.walSegmentBytes),
    never,
  )
  if (!other) return undefined
  const bytes = Buffer.from(other.bytes)
  bytes.fill(0, Number(BigInt(next.at) - startLsn))
  return { bytes, partial: true, endLsn: BigInt(next.at) }
}

/** Up to where the segment was there when recovery was planned; undefined where it was not. */
function knownEnd(segment: { timeline: number; startLsn: bigint }, plan: FetchPlan): bigint | undefined {
  const end = segment.startLsn + BigInt(plan.walSegmentBytes)
  const known = plan.known.find(
    (one) =>
      one.timeline === segment.timeline && segment.startLsn >= BigInt(one.from) && segment.startLsn < BigInt(one.to),
  )
  if (known === undefined) return undefined
  return BigInt(known.to) < end ? BigInt(known.to) : end
}

/** Length, magic, address and system identifier of the first page: a segment of another place or cluster is never handed over. */
export function checkFirstPage(bytes: Buffer, name: string, place: SegmentPlace & { systemIdentifier: bigint }): void {
  const bad = (why: string): Error => errors.badSegment({ segment: name, why })
  if (bytes.length !== place.segmentBytes) throw bad(`it has ${bytes.length} bytes instead of ${place.segmentBytes}`)
  const magic = pageMagics[place.majorVersion]
  if (magic !== undefined && bytes.readUInt16LE(0) !== magic)
    throw bad(`its first page has magic ${bytes.readUInt16LE(0).toString(16)}`)
  if (bytes.readBigUInt64LE(8) !== place.startLsn) throw bad('its first page has the address of another segment')
  if (bytes.readBigUInt64LE(24) !== place.systemIdentifier)
    throw bad(`it belongs to cluster ${bytes.readBigUInt64LE(24)}`)
}
