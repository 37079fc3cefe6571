// Names of WAL objects tell system, timeline and range, so that a list tells everything but the bytes.
import type { Lsn } from '../../wal/lsn.ts'
import type { ObjectInfo, WalChunkInfo } from '../contract.ts'
import { errors } from '../errors.ts'

export const WAL_PREFIX = 'wal/'
const CHUNK = /^wal\/(\d{1,20})\/([0-9a-f]{8})\/([0-9a-f]{8})\/([0-9a-f]{16})-([0-9a-f]{16})(m)?(?:-(\d{1,4}))?$/
const PARTIAL = /^wal\/\d{1,20}\/[0-9a-f]{8}\/[0-9a-f]{8}\/[0-9a-f]{16}-[0-9a-f]{16}\.partial$/
const HISTORY = /^wal\/(\d{1,20})\/([0-9a-f]{8})\.history$/
const hex = (value: bigint | number, digits: number) => value.toString(16).padStart(digits, '0')

export interface ChunkRange {
  readonly systemIdentifier: bigint
  readonly timeline: number
  readonly startLsn: Lsn
  readonly endLsn: Lsn
  /** Its WAL has a record at which every replay ends: the server went to wal_level = minimal. */
  readonly minimal?: true
}

/** A name that stands in lists before every chunk that begins there or later, of that timeline or a newer one, and behind all others. */
export function chunkPosition({
  systemIdentifier,
  timeline,
  startLsn,
}: Omit<ChunkRange, 'endLsn' | 'minimal'>): string {
  return `${timelinePrefix(systemIdentifier, timeline)}${hex(startLsn >> 32n, 8)}/${hex(startLsn, 16)}`
}

/** `copy` from 2 on: the same range again, because the object before is damaged. */
export function chunkName(range: ChunkRange, copy = 1): string {
  const base = `${chunkPosition(range)}-${hex(range.endLsn, 16)}${range.minimal ? 'm' : ''}`
  return copy === 1 ? base : `${base}-${copy}`
}

/** A segment that its server never finished, as it was archived at a promotion: no part of any range. */
export function partialName(range: ChunkRange): string {
  return `${chunkName(range)}.partial`
}

/** The range that a name of a partial segment tells. */
export function parsePartialName(name: string): ChunkRange | undefined {
  return PARTIAL.test(name) ? parseChunkName(name.slice(0, -'.partial'.length)) : undefined
}

export function systemPrefix(systemIdentifier: bigint): string {
  return `${WAL_PREFIX}${systemIdentifier}/`
}

export function timelinePrefix(systemIdentifier: bigint, timeline: number): string {
  return `${systemPrefix(systemIdentifier)}${hex(timeline, 8)}/`
}

/** A prefix that all chunks of the segment [startLsn, startLsn + bytes) share; others may share it as well. */
export function segmentPrefix(range: ChunkRange, walSegmentBytes: number): string {
  const digits = 16 - Math.ceil(Math.log2(walSegmentBytes) / 4)
  const start = range.startLsn - (range.startLsn % BigInt(walSegmentBytes))
  return `${timelinePrefix(range.systemIdentifier, range.timeline)}${hex(start >> 32n, 8)}/${hex(start, 16).slice(0, digits)}`
}

export function historyName(systemIdentifier: bigint, timeline: number): string {
  return `${systemPrefix(systemIdentifier)}${hex(timeline, 8)}.history`
}

export function parseChunkName(name: string): ChunkRange | undefined {
  const match = CHUNK.exec(name)
  if (!match) return undefined
  const [, system, timeline, upper, start, end, minimal] = match
  const range = {
    systemIdentifier: BigInt(system!),
    timeline: parseInt(timeline!, 16),
    startLsn: BigInt(`0x${start}`),
    endLsn: BigInt(`0x${end}`),
    ...(minimal === undefined ? {} : { minimal: true as const }),
  }
  return start!.startsWith(upper!) && range.endLsn > range.startLsn ? range : undefined
}

export function parseHistoryName(name: string): { systemIdentifier: bigint; timeline: number } | undefined {
  const match = HISTORY.exec(name)
  return match ? { systemIdentifier: BigInt(match[1]!), timeline: parseInt(match[2]!, 16) } : undefined
}

export function chunkInfo(object: ObjectInfo): WalChunkInfo | undefined {
  const range = parseChunkName(object.name)
  return range && { ...range, object: object.name, storedBytes: object.bytes, modifiedMs: object.modifiedMs }
}

/** `000000010000000000000003` → timeline and start; the position needs the segment size. `00000002.history` → timeline. */
export function parseWalFileName(
  name: string,
): { timeline: number; log: number; segment: number } | { history: number } {
  const history = /^([0-9A-F]{8})\.history$/.exec(name)
  if (history) return { history: parseInt(history[1]!, 16) }
  const match = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/.exec(name)
  if (!match) throw errors.badWalName({ name })
  const [timeline, log, segment] = match.slice(1).map((part) => parseInt(part, 16)) as [number, number, number]
  return { timeline, log, segment }
}
