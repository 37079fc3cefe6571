// Kinds of WAL, as far as replay cares: how many records and blocks there are to a byte. Long records of a bulk load and images of pages go many
// times faster, byte for byte, than small records all over the tables; what stands behind a switch of segments costs next to nothing.
import type { WalContents } from '../../wal/contract.ts'

/** Of the WAL between two positions. */
export type WalMix = WalContents

interface Stretch {
  readonly bytes: number
  readonly wal?: WalMix | undefined
}

/** To a byte, where nothing is known: records of some hundred bytes, a page to read for each two thousand. */
const ASSUMED: WalMix = { records: 1 / 250, imageBytes: 0.3, voidBytes: 0.02, reads: 1 / 2000 }

const keys = ['records', 'imageBytes', 'voidBytes', 'reads'] as const

function mapMix(of: (key: keyof WalMix) => number): WalMix {
  return { records: of('records'), imageBytes: of('imageBytes'), voidBytes: of('voidBytes'), reads: of('reads') }
}

/** To a byte, of what was measured and is known: it stands in for what is not known, as of WAL that an older version stored. */
export function usualMix(all: readonly Stretch[]): WalMix {
  const known = all.filter((one) => one.wal !== undefined && one.bytes > 0)
  const bytes = known.reduce((sum, one) => sum + one.bytes, 0)
  if (bytes === 0) return ASSUMED
  return mapMix((key) => known.reduce((sum, one) => sum + one.wal![key], 0) / bytes)
}

export function scaled(wal: WalMix, by: number): WalMix {
  return mapMix((key) => wal[key] * by)
}

/** `wal`, or so much of the usual mix. */
export function mixOf({ bytes, wal }: Stretch, usual: WalMix): WalMix {
  return wal ?? scaled(usual, bytes)
}

export type WalKind = 'empty' | 'images' | 'small changes' | 'long records'

const kindTexts: Readonly<Record<WalKind, string>> = {
  empty: 'mostly the empty ends of segments',
  images: 'mostly images of pages',
  'small changes': 'mostly small changes',
  'long records': 'mostly long records',
}

/** For people; empty where nobody knows. */
export function mixText(of: Stretch): string {
  const kind = kindOf(of)
  return kind === undefined ? '' : ` (${kindTexts[kind]})`
}

/** What most of it is. */
export function kindOf({ bytes, wal }: Stretch): WalKind | undefined {
  if (wal === undefined || bytes === 0) return undefined
  const live = bytes - wal.voidBytes
  if (live < bytes / 2) return 'empty'
  if (wal.imageBytes > live / 2) return 'images'
  return wal.records > live / SMALL_BYTES ? 'small changes' : 'long records'
}

/** Records up to this many bytes on average are small. */
const SMALL_BYTES = 500

export function isMix(value: unknown): value is WalMix {
  if (typeof value !== 'object' || value === null) return false
  const mix = value as Readonly<Record<string, unknown>>
  return keys.every((key) => typeof mix[key] === 'number' && Number.isFinite(mix[key]) && mix[key] >= 0)
}
