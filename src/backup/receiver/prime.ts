// Brings the parser to where receiving goes on: a record may have begun in chunks that are stored already.
import type { WalArchive, WalChunkInfo } from '../../repository/contract.ts'
import { WalIndexer } from '../../wal/indexer.ts'
import { RecordStream } from '../../wal/record-stream.ts'
import { freshParser, type PrimedParser, type WalShape } from './chunk-cutter.ts'
import type { WalPosition } from './resume.ts'

/** Chunks that are read back at most: a record longer than that is not followed, and the next chunk says so. */
const MOST_CHUNKS = 64

/** Parser and indexer at `at`, fed from stored chunks that end there. */
export async function primeParser(
  wal: WalArchive,
  at: WalPosition,
  shape: WalShape,
  signal: AbortSignal,
): Promise<PrimedParser> {
  const chain = chainBefore(await wal.list(shape.systemIdentifier, signal, at.timeline), at)
  if (chain.length === 0) return freshParser(shape, at.lsn)
  for (let count = 1; count <= Math.min(chain.length, MOST_CHUNKS); count = grow(count, chain, shape)) {
    const parser = await feed(wal, chain.slice(0, count).reverse(), { shape, signal })
    if (parser) return parser
    if (count === chain.length) break
  }
  return { ...freshParser(shape, at.lsn), continues: true }
}

/** Chunks that lead to `at` without a hole, the last first. */
function chainBefore(chunks: readonly WalChunkInfo[], at: WalPosition): WalChunkInfo[] {
  const chain: WalChunkInfo[] = []
  let lsn = at.lsn
  for (;;) {
    const before = chunks.find((one) => one.endLsn === lsn)
    if (!before) return chain
    chain.push(before)
    lsn = before.startLsn
  }
}

/** One chunk mostly does; else back to the start of a segment, then segment by segment. */
function grow(count: number, chain: readonly WalChunkInfo[], shape: WalShape): number {
  for (let next = count; next < chain.length; next++) {
    if (chain[next]!.startLsn % BigInt(shape.segmentBytes) === 0n) return next + 1
  }
  return chain.length
}

async function feed(
  wal: WalArchive,
  chunks: readonly WalChunkInfo[],
  options: { shape: WalShape; signal: AbortSignal },
): Promise<PrimedParser | undefined> {
  const { shape, signal } = options
  const startLsn = chunks[0]!.startLsn
  const indexer = new WalIndexer(shape.majorVersion, startLsn)
  // Chunks are mostly cut where a record ends. If this one is not, the record's checksum tells.
  const atRecord = startLsn % BigInt(shape.segmentBytes) !== 0n
  const { majorVersion, segmentBytes, systemIdentifier } = shape
  const stream = new RecordStream({ startLsn, majorVersion, segmentBytes, systemIdentifier, atRecord }, indexer)
  for (const info of chunks) {
    const chunk = await wal.read(info, signal)
    stream.push(chunk.bytes)
  }
  if (!stream.synced || stream.recordCount === 0 || stream.problems.length > 0) return undefined
  indexer.cut(stream.endLsn)
  return { stream, indexer, continues: true }
}
