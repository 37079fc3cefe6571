// WAL of a repository: chunks put durably, listed, read.
import { isWharfError } from '../../base/errors.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { replayStops, type ReplayStop } from '../../wal/minimal.ts'
import type { WalArchive, WalChunk, WalChunkInfo, WalIndexed, WalPlace, WalRange } from '../contract.ts'
import { errors } from '../errors.ts'
import { storeErrors } from '../store-errors.ts'
import { orReplacement } from '../heal/fall-back.ts'
import { damaged, readObject, type ReadOptions } from '../object/decode.ts'
import { encodeObject } from '../object/encode.ts'
import { encodeChunk, hashOf, readChunk, readChunkIndex } from './chunk.ts'
import {
  chunkName,
  chunkPosition,
  historyName,
  partialName,
  segmentPrefix,
  systemPrefix,
  timelinePrefix,
  type ChunkRange,
} from './names.ts'
import { coverOf, cutRanges, describeRange, joinRanges, sliceOf } from './ranges.ts'
import { Segments } from './segments.ts'
import { listChunks, MOST_COPIES, orCopy } from './stored-chunks.ts'

/** How many objects are remembered as durable. */
const MOST_SETTLED = 1024

export class StoredWal implements WalArchive {
  private readonly parts: Omit<ReadOptions, 'signal'>
  private readonly segments: Segments

  constructor(parts: Omit<ReadOptions, 'signal'>) {
    this.parts = parts
    this.segments = new Segments(parts, (systemIdentifier, timeline, signal) =>
      this.history(systemIdentifier, timeline, signal),
    )
  }

  async put(chunk: WalChunk, signal: AbortSignal): Promise<WalChunkInfo> {
    const range = rangeOf(chunk)
    const held = await this.heldAlready(range, chunk, signal)
    if (held) return held
    const sha256 = hashOf(chunk.bytes)
    for (let copy = 1; copy <= MOST_COPIES; copy++) {
      const name = chunkName(range, copy)
      const stored = await this.putAs(name, { chunk, range, sha256 }, signal)
      if (stored) return stored
    }
    throw damaged(chunkName(range), `all ${MOST_COPIES} copies are damaged`)
  }

  /** Undefined where the name is taken by a damaged object. */
  private async putAs(
    name: string,
    what: { chunk: WalChunk; range: ChunkRange; sha256: string },
    signal: AbortSignal,
  ): Promise<WalChunkInfo | undefined> {
    const { store, ring } = this.parts
    try {
      await store.put(name, encodeChunk(ring, { name, sha256: what.sha256 }, what.chunk), { signal, durable: true })
    } catch (error) {
      if (!isWharfError(error, 'repository.object-exists')) throw error
      const info = await this.info(name, what.range, signal)
      try {
        const { head } = await readChunkIndex(info, { ...this.parts, signal })
        if (head.sha256 !== what.sha256) throw errors.walConflict({ object: name, what: describeRange(what.range) })
        await readChunk(info, { ...this.parts, signal })
        // It may have been put by another process that has not come to its barrier.
        await store.barrier({ signal })
        return info
      } catch (failure) {
        if (isWharfError(failure, 'repository.damaged-object')) return undefined
        throw failure
      }
    }
    return this.info(name, what.range, signal)
  }

  /** The stored bytes are put once more under their name: that it is taken is no error, and the barrier covers it then. Nothing is decoded for that. */
  async settle(info: WalChunkInfo, signal: AbortSignal): Promise<void> {
    const { store } = this.parts
    const bytes = await store.get(info.object, { signal })
    try {
      await store.put(info.object, [bytes], { signal, durable: true })
    } catch (error) {
      if (!isWharfError(error, 'repository.object-exists')) throw error
      await store.barrier({ signal })
    }
  }

  private async info(name: string, range: ChunkRange, signal: AbortSignal): Promise<WalChunkInfo> {
    const found = await this.parts.store.stat(name, { signal })
    if (!found) throw storeErrors.objectMissing({ name, location: this.parts.store.location })
    return { ...range, object: name, storedBytes: found.bytes, modifiedMs: found.modifiedMs }
  }

  /**
   * Chunks of the same segment that overlap must agree; the same range is compared when its name is found taken. Where others hold all of it, with
   * their change maps, the first of them comes back: WAL that is streamed and archived is kept once.
   */
  private async heldAlready(
    range: ChunkRange,
    chunk: WalChunk,
    signal: AbortSignal,
  ): Promise<WalChunkInfo | undefined> {
    const agreeing: WalChunkInfo[] = []
    for (const other of await this.listPrefix(segmentPrefix(range, chunk.walSegmentBytes), signal)) {
      if (other.startLsn >= range.endLsn || other.endLsn <= range.startLsn) continue
      // That name is asked when it is found taken; with and without a mark they are two.
      const isSame = other.startLsn === range.startLsn && other.endLsn === range.endLsn
      if (isSame && other.minimal === range.minimal) continue
      const stored = await this.readForComparing(other, signal)
      if (!stored) continue
      const from = other.startLsn > range.startLsn ? other.startLsn : range.startLsn
      const to = other.endLsn < range.endLsn ? other.endLsn : range.endLsn
      if (!sliceOf(stored.bytes, other.startLsn, from, to).equals(sliceOf(chunk.bytes, range.startLsn, from, to))) {
        throw errors.walConflict({
          object: other.object,
          what: describeRange({ ...range, startLsn: from, endLsn: to }),
        })
      }
      if (stored.changeMap || !chunk.changeMap) agreeing.push(other)
    }
    const covering = coverOf(range, agreeing)
    for (const info of covering) await this.settleOnce(info, signal)
    return covering[0]
  }

  private lastRead: { object: string; chunk: WalChunk } | undefined
  /** Undefined for a damaged one. A streamed segment that was pushed before is compared piece by piece with the same chunk. */
  private async readForComparing(info: WalChunkInfo, signal: AbortSignal): Promise<WalChunk | undefined> {
    if (this.lastRead?.object === info.object) return this.lastRead.chunk
    try {
      const chunk = await readChunk(info, { ...this.parts, signal })
      this.lastRead = { object: info.object, chunk }
      return chunk
    } catch (error) {
      if (isWharfError(error, 'repository.damaged-object')) return undefined
      throw error
    }
  }

  private readonly settled = new Set<string>()
  /** What others put may not be durable yet. */
  private async settleOnce(info: WalChunkInfo, signal: AbortSignal): Promise<void> {
    if (this.settled.has(info.object)) return
    await this.settle(info, signal)
    if (this.settled.size >= MOST_SETTLED) this.settled.clear()
    this.settled.add(info.object)
  }

  async putHistory(systemIdentifier: bigint, timeline: number, content: string, signal: AbortSignal): Promise<void> {
    const name = historyName(systemIdentifier, timeline)
    const { store } = this.parts
    try {
      await writeHistory(name, content, { ...this.parts, signal })
    } catch (error) {
      if (!isWharfError(error, 'repository.object-exists')) throw error
      if ((await this.history(systemIdentifier, timeline, signal)) !== content) {
        throw errors.walConflict({ object: name, what: `the history of timeline ${timeline}` })
      }
      await store.barrier({ signal })
    }
  }

  async history(systemIdentifier: bigint, timeline: number, signal: AbortSignal): Promise<string | undefined> {
    const name = historyName(systemIdentifier, timeline)
    if (!(await this.parts.store.stat(name, { signal }))) return undefined
    const options = { ...this.parts, signal }
    return orReplacement(name, options, (one) => readHistory(one, options))
  }

  list(systemIdentifier: bigint, signal: AbortSignal, timeline?: number): Promise<readonly WalChunkInfo[]> {
    return this.listPrefix(
      timeline === undefined ? systemPrefix(systemIdentifier) : timelinePrefix(systemIdentifier, timeline),
      signal,
    )
  }

  listFrom(from: WalPlace, signal: AbortSignal): Promise<readonly WalChunkInfo[]> {
    return listChunks(systemPrefix(from.systemIdentifier), { ...this.parts, signal }, chunkPosition(from))
  }

  private listPrefix(prefix: string, signal: AbortSignal): Promise<WalChunkInfo[]> {
    return listChunks(prefix, { ...this.parts, signal })
  }

  async ranges(systemIdentifier: bigint, signal: AbortSignal): Promise<readonly WalRange[]> {
    return joinRanges(await this.list(systemIdentifier, signal))
  }

  async replayable(systemIdentifier: bigint, signal: AbortSignal): Promise<readonly WalRange[]> {
    const chunks = await this.list(systemIdentifier, signal)
    const stops: (ReplayStop & { timeline: number })[] = []
    for (const info of chunks) {
      if (!info.minimal) continue
      for (const stop of await this.stopsIn(info, signal)) stops.push({ ...stop, timeline: info.timeline })
    }
    return cutRanges(joinRanges(chunks), stops)
  }

  /** Of a damaged chunk nothing is known but that it has one: nothing replays over it anyway. */
  private async stopsIn(info: WalChunkInfo, signal: AbortSignal): Promise<readonly ReplayStop[]> {
    try {
      return replayStops((await this.readIndex(info, signal)).changeMap?.doubts ?? [])
    } catch (error) {
      if (!isWharfError(error, 'repository.damaged-object')) throw error
      return [info]
    }
  }

  read(info: WalChunkInfo, signal: AbortSignal): Promise<WalChunk> {
    const options = { ...this.parts, signal }
    return orCopy(info, options, (one) => readChunk(one, options))
  }

  async readIndex(info: WalChunkInfo, signal: AbortSignal): Promise<WalIndexed> {
    const options = { ...this.parts, signal }
    const { head: _, ...index } = await orCopy(info, options, (one) => readChunkIndex(one, options))
    return index
  }

  async putPartial(segment: Omit<WalChunk, keyof WalIndexed>, signal: AbortSignal): Promise<void> {
    const chunk: WalChunk = {
      ...segment,
      changeMap: undefined,
      commits: [],
      problem: 'a segment that was never finished',
    }
    const range = rangeOf(chunk)
    const name = partialName(range)
    if (!(await this.putAs(name, { chunk, range, sha256: hashOf(chunk.bytes) }, signal)))
      throw damaged(name, 'it cannot be read')
  }

  segment(systemIdentifier: bigint, name: string, signal: AbortSignal, until?: Lsn): ReturnType<WalArchive['segment']> {
    return this.segments.read(systemIdentifier, name, { signal, until })
  }
}

/** That object and no replacement of it. */
export async function readHistory(name: string, options: ReadOptions): Promise<string> {
  const [section, ...others] = await readObject(name, 'history', options)
  if (section?.type !== 'history' || others.length > 0) throw damaged(name, 'it holds no history')
  return section.plain.toString('utf8')
}

/** `name`: that of the history, or of a replacement. */
export async function writeHistory(name: string, content: string, options: ReadOptions): Promise<void> {
  const section = { type: 'history', label: Buffer.alloc(0), plain: Buffer.from(content) } as const
  const { store, ring, signal } = options
  await store.put(name, encodeObject(ring, { name, kind: 'history' }, [section]), { signal, durable: true })
}

function rangeOf(chunk: WalChunk): ChunkRange {
  const { systemIdentifier, timeline, startLsn } = chunk
  const endLsn = startLsn + BigInt(chunk.bytes.length)
  const size = BigInt(chunk.walSegmentBytes)
  if (chunk.bytes.length === 0 || startLsn / size !== (endLsn - 1n) / size) {
    throw errors.walChunkBounds({ from: formatLsn(startLsn), to: formatLsn(endLsn) })
  }
  const minimal = replayStops(chunk.changeMap?.doubts ?? []).length > 0
  return { systemIdentifier, timeline, startLsn, endLsn, ...(minimal ? { minimal } : {}) }
}
