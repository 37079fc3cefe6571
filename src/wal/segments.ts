// Names of WAL files, computed from LSNs here: pg_walfile_name() changed its mind at segment borders in PostgreSQL 17.
import { MIB } from '../base/units.ts'
import { errors } from './errors.ts'
import { LONG_HEADER_BYTES, SHORT_HEADER_BYTES, WAL_PAGE_BYTES } from './layouts.ts'
import type { Lsn } from './lsn.ts'

/** What a name in pg_wal or in a restore_command stands for. LSNs are those of the segment's first byte. */
export type WalFileName =
  | { readonly kind: 'segment'; readonly timeline: number; readonly startLsn: Lsn }
  | { readonly kind: 'partial'; readonly timeline: number; readonly startLsn: Lsn }
  | { readonly kind: 'history'; readonly timeline: number }
  /** `<segment>.<offset>.backup`: the label PostgreSQL archives with a backup. */
  | { readonly kind: 'backup'; readonly timeline: number; readonly startLsn: Lsn }

/** Powers of two from 1 MB to 1 GB. */
export function isSegmentSize(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= MIB && bytes <= 1024 * MIB && (bytes & (bytes - 1)) === 0
}

function checked(segmentBytes: number): bigint {
  if (!isSegmentSize(segmentBytes)) throw errors.badSegmentSize(segmentBytes)
  return BigInt(segmentBytes)
}

/** First LSN of the segment that holds the byte at `lsn`. */
export function segmentStart(lsn: Lsn, segmentBytes: number): Lsn {
  return lsn - (lsn % checked(segmentBytes))
}

/**
 * The first LSN with the same records before it. The server's insert position right after a page has ended already lies behind the next page's
 * header (`0/E000028` after a switch of segments), where no WAL exists yet: that is the end of the page before.
 */
export function withoutPageHeader(lsn: Lsn, segmentBytes: number): Lsn {
  const inPage = lsn % BigInt(WAL_PAGE_BYTES)
  const header = segmentStart(lsn, segmentBytes) === lsn - inPage ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES
  return inPage <= BigInt(header) ? lsn - inPage : lsn
}

/** First LSN at or after `lsn` where a segment starts. */
export function segmentCeiling(lsn: Lsn, segmentBytes: number): Lsn {
  const start = segmentStart(lsn, segmentBytes)
  return start === lsn ? lsn : start + BigInt(segmentBytes)
}

/** Name of the segment that holds the byte at `lsn`: `000000010000000000000003`. */
export function segmentName(timeline: number, lsn: Lsn, segmentBytes: number): string {
  const number = lsn / checked(segmentBytes)
  const perId = 0x1_0000_0000n / BigInt(segmentBytes)
  return hex8(BigInt(timeline)) + hex8(number / perId) + hex8(number % perId)
}

/** Name of the segment of which the byte before `endLsn` is the last that is needed: what a backup's stop LSN means. */
export function lastSegmentName(timeline: number, endLsn: Lsn, segmentBytes: number): string {
  return segmentName(timeline, endLsn > 0n ? endLsn - 1n : 0n, segmentBytes)
}

/** `0000000A.history`. Timeline 1 has no such file. */
export function historyName(timeline: number): string {
  return `${hex8(BigInt(timeline))}.history`
}

/** Undefined for a name that is none of PostgreSQL's, or that cannot be with this segment size. */
export function parseWalFileName(name: string, segmentBytes: number): WalFileName | undefined {
  const history = /^([0-9A-F]{8})\.history$/.exec(name)
  if (history) return { kind: 'history', timeline: Number.parseInt(history[1] ?? '', 16) }
  const match = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial|\.[0-9A-F]{8}\.backup)?$/.exec(name)
  if (!match) return undefined
  const size = checked(segmentBytes)
  const [, timeline = '', high = '', low = '', suffix] = match
  const perId = 0x1_0000_0000n / size
  const within = BigInt(`0x${low}`)
  if (within >= perId) return undefined
  const kind = suffix === undefined ? 'segment' : suffix === '.partial' ? 'partial' : 'backup'
  return { kind, timeline: Number.parseInt(timeline, 16), startLsn: (BigInt(`0x${high}`) * perId + within) * size }
}

function hex8(value: bigint): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}
