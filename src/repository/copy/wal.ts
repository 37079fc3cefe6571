// Copies WAL chunks and history files that the target lacks.
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { Repository, WalChunkInfo, WalRange } from '../contract.ts'
import { errors } from '../errors.ts'
import { isReplaceable } from '../heal/fall-back.ts'
import { parseHistoryName, systemPrefix } from '../wal/names.ts'

export interface WalCopy {
  readonly from: Repository
  readonly to: Repository
  readonly systemIdentifier: bigint
  /** Chunks that reach beyond this. */
  readonly fromLsn: Lsn
  /** Chunks that begin before this; undefined: all. */
  readonly untilLsn?: Lsn | undefined
  /** Only this timeline and those that branched off later; undefined: all. */
  readonly fromTimeline?: number | undefined
  /** Default: damage of the source rejects. */
  readonly onDamaged?: (object: string, error: Error) => void
  readonly onBytes?: (bytes: number) => void
  readonly signal: AbortSignal
}

/** Chunks of the source that the target does not hold, in order. Ranges that the target holds in other chunks are not copied again. */
export async function missingChunks(copy: WalCopy): Promise<readonly WalChunkInfo[]> {
  const { from, to, systemIdentifier, signal } = copy
  const held = await to.wal.ranges(systemIdentifier, signal)
  const wanted = (await from.wal.list(systemIdentifier, signal)).filter((chunk) => isWanted(chunk, copy))
  return wanted.filter((chunk) => !held.some((range) => covers(range, chunk)))
}

function isWanted(chunk: WalChunkInfo, { fromLsn, untilLsn, fromTimeline }: WalCopy): boolean {
  if (fromTimeline !== undefined && chunk.timeline < fromTimeline) return false
  return chunk.endLsn > fromLsn && (untilLsn === undefined || chunk.startLsn < untilLsn)
}

function covers(range: WalRange, chunk: WalChunkInfo): boolean {
  return range.timeline === chunk.timeline && range.startLsn <= chunk.startLsn && range.endLsn >= chunk.endLsn
}

/** Durable when it resolves. */
export async function copyWal(copy: WalCopy): Promise<{ chunks: number; bytes: number }> {
  const { from, to, systemIdentifier, signal } = copy
  for await (const { name } of from.store.list(systemPrefix(systemIdentifier), { signal })) {
    const timeline = parseHistoryName(name)?.timeline
    if (timeline === undefined) continue
    try {
      const content = await from.wal.history(systemIdentifier, timeline, signal)
      if (content !== undefined) await to.wal.putHistory(systemIdentifier, timeline, content, signal)
    } catch (error) {
      if (!copy.onDamaged || !isReplaceable(error)) throw error
      copy.onDamaged(name, error as Error)
    }
  }
  let chunks = 0
  let bytes = 0
  for (const info of await missingChunks(copy)) {
    try {
      const stored = await to.wal.put(await from.wal.read(info, signal), signal)
      chunks++
      bytes += stored.storedBytes
      copy.onBytes?.(stored.storedBytes)
    } catch (error) {
      if (!copy.onDamaged || !isReplaceable(error)) throw error
      copy.onDamaged(info.object, error as Error)
    }
  }
  return { chunks, bytes }
}

/** Rejects with `repository.wal-gap` unless one range reaches from start to stop. */
export function requireRange(
  ranges: readonly WalRange[],
  of: { timeline: number; startLsn: Lsn; stopLsn: Lsn; location: string },
): void {
  const { timeline, startLsn, stopLsn, location } = of
  const own = ranges.filter((range) => range.timeline === timeline)
  if (own.some((range) => range.startLsn <= startLsn && range.endLsn >= stopLsn)) return
  const begun = own.find((range) => range.startLsn <= startLsn && range.endLsn > startLsn)
  throw errors.walGap({ from: formatLsn(begun?.endLsn ?? startLsn), timeline, location })
}
