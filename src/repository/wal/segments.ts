// Whole segment files, put together from the chunks of a repository.
import { isWharfError } from '../../base/errors.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { WalChunkInfo } from '../contract.ts'
import { errors } from '../errors.ts'
import { isReplaceable } from '../heal/fall-back.ts'
import type { ReadOptions } from '../object/decode.ts'
import { readChunk, readChunkIndex } from './chunk.ts'
import {
  chunkInfo,
  chunkPosition,
  parseWalFileName,
  partialName,
  segmentPrefix,
  systemPrefix,
  timelinePrefix,
  type ChunkRange,
} from './names.ts'
import { describeRange, sliceOf } from './ranges.ts'
import { listChunks, orCopy } from './stored-chunks.ts'

export interface Segment {
  readonly bytes: Buffer
  readonly partial: boolean
  /** Of what is there; undefined for what is no segment. */
  readonly endLsn?: Lsn
}

/** Chunks may come while a segment is read: what looks like a hole is looked at again as long as there are more of them each time. */
const MOST_LOOKS = 10

type ReadHistory = (systemIdentifier: bigint, timeline: number, signal: AbortSignal) => Promise<string | undefined>

export class Segments {
  private readonly parts: Omit<ReadOptions, 'signal'>
  private readonly history: ReadHistory
  /** By system, learnt from chunks: names do not tell. */
  private readonly sizes = new Map<bigint, number>()

  constructor(parts: Omit<ReadOptions, 'signal'>, history: ReadHistory) {
    this.parts = parts
    this.history = history
  }

  /** As WalArchive.segment() says. */
  async read(
    systemIdentifier: bigint,
    name: string,
    { signal, until }: { readonly signal: AbortSignal; readonly until?: Lsn | undefined },
  ): Promise<Segment | undefined> {
    const options = { ...this.parts, signal }
    const isPartial = name.endsWith('.partial')
    const parsed = parseWalFileName(isPartial ? name.slice(0, -'.partial'.length) : name)
    if ('history' in parsed) {
      const content = await this.history(systemIdentifier, parsed.history, signal)
      return content === undefined ? undefined : { bytes: Buffer.from(content), partial: false }
    }
    const size = await this.sizeOf(systemIdentifier, options)
    if (size === undefined) return undefined
    if (parsed.segment >= 0x1_0000_0000 / size) throw errors.badWalName({ name })
    const startLsn = (BigInt(parsed.log) << 32n) + BigInt(parsed.segment) * BigInt(size)
    const wanted: ChunkRange = {
      systemIdentifier,
      timeline: parsed.timeline,
      startLsn,
      endLsn: startLsn + BigInt(size),
    }
    if (isPartial) return await readPartial(wanted, options)
    const list = async (): Promise<readonly WalChunkInfo[]> =>
      (await listChunks(segmentPrefix(wanted, size), options)).filter(
        (one) => one.startLsn >= wanted.startLsn && one.endLsn <= wanted.endLsn,
      )
    let chunks = await list()
    for (let looks = 1; ; looks++) {
      try {
        return await assemble(wanted, chunks, { ...options, until })
      } catch (error) {
        if (!isWharfError(error, 'repository.wal-gap') || looks === MOST_LOOKS) throw error
        const known = new Set(chunks.map((one) => one.object))
        chunks = await list()
        if (chunks.every((one) => known.has(one.object))) throw error
      }
    }
  }

  private async sizeOf(systemIdentifier: bigint, options: ReadOptions): Promise<number | undefined> {
    const known = this.sizes.get(systemIdentifier)
    if (known !== undefined) return known
    let failure: unknown
    for await (const object of options.store.list(systemPrefix(systemIdentifier), options)) {
      const info = chunkInfo(object)
      if (!info) continue
      try {
        const { head } = await orCopy(info, options, (one) => readChunkIndex(one, options))
        this.sizes.set(systemIdentifier, head.walSegmentBytes)
        return head.walSegmentBytes
      } catch (error) {
        // Damaged, or gone since it was listed: any other tells as well.
        if (!isReplaceable(error)) throw error
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }
}

async function readPartial(range: ChunkRange, options: ReadOptions): Promise<Segment | undefined> {
  const object = partialName(range)
  const found = await options.store.stat(object, options)
  if (!found) return undefined
  const info = { ...range, object, storedBytes: found.bytes, modifiedMs: found.modifiedMs }
  return { bytes: (await readChunk(info, options)).bytes, partial: true, endLsn: range.endLsn }
}

/** Chunks in order, the longest first where they overlap; what they share must agree. Damaged ones are passed over where others do. */
async function assemble(
  wanted: ChunkRange,
  chunks: readonly WalChunkInfo[],
  { until, ...options }: ReadOptions & { readonly until: Lsn | undefined },
): Promise<Segment | undefined> {
  // Not zeroed: what no chunk fills is, at the end.
  const bytes = Buffer.allocUnsafeSlow(Number(wanted.endLsn - wanted.startLsn))
  let end = wanted.startLsn
  let failure: unknown
  for (const info of chunks) {
    if (info.startLsn > end) break
    // It begins where the last one ended: nothing to compare, and its bytes come to their place without a copy between.
    const place = sliceOf(bytes, wanted.startLsn, info.startLsn, info.endLsn)
    try {
      const chunk = await readChunk(info, options, info.startLsn === end ? place : undefined)
      const to = info.endLsn < end ? info.endLsn : end
      const shared = sliceOf(bytes, wanted.startLsn, info.startLsn, to)
      if (!shared.equals(chunk.bytes.subarray(0, shared.length))) {
        throw errors.walConflict({
          object: info.object,
          what: describeRange({ ...wanted, startLsn: info.startLsn, endLsn: to }),
        })
      }
      if (chunk.bytes !== place) chunk.bytes.copy(place)
      if (info.endLsn > end) end = info.endLsn
    } catch (error) {
      if (!isWharfError(error, 'repository.damaged-object')) throw error
      failure ??= error
    }
  }
  bytes.fill(0, Number(end - wanted.startLsn))
  if (end === wanted.endLsn) return { bytes, partial: false, endLsn: end }
  // Less than the repository should have: a damaged chunk must not look like the end of WAL.
  if (failure !== undefined) throw failure
  if (until !== undefined && end > wanted.startLsn && end >= until) return { bytes, partial: true, endLsn: end }
  const beyond =
    end !== wanted.startLsn &&
    (
      await listChunks(
        timelinePrefix(wanted.systemIdentifier, wanted.timeline),
        options,
        chunkPosition({ ...wanted, startLsn: end }),
      )
    ).some((one) => one.startLsn > end)
  if (beyond || chunks.some((one) => one.startLsn > end)) {
    throw errors.walGap({ from: formatLsn(end), timeline: wanted.timeline, location: options.store.location })
  }
  return end === wanted.startLsn ? undefined : { bytes, partial: true, endLsn: end }
}
