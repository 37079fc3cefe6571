// Brings the parser to where receiving goes on: a record may have begun in chunks that are stored already.
import { isWharfError } from '../../base/errors.ts'
import { freeNow } from '../../base/freed-memory.ts'
import { MIB } from '../../base/units.ts'
import type { WalArchive, WalChunkInfo } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { WalIndexer } from '../../wal/indexer.ts'
import { WAL_PAGE_BYTES } from '../../wal/layouts.ts'
import { RecordStream } from '../../wal/record-stream.ts'
import { freshParser, type PrimedParser, type WalShape } from './chunk-cutter.ts'
import type { WalPosition } from './resume.ts'

/** What is read back at most: a record longer than that is not followed, and the next chunk says so. */
const MOST_BYTES = 64n * BigInt(MIB)
const MOST_CHUNKS = 1024

/** A stored chunk, and up to where it counts. */
interface Link {
  readonly info: WalChunkInfo
  readonly untilLsn: Lsn
}

/** Parser and indexer at `at`, fed from stored chunks that lead there; undefined where none do. */
export async function primeParser(
  wal: Pick<WalArchive, 'list' | 'read'>,
  at: WalPosition,
  shape: WalShape,
  signal: AbortSignal,
): Promise<PrimedParser | undefined> {
  const chain = chainBefore(await wal.list(shape.systemIdentifier, signal, at.timeline), at)
  if (chain.length === 0) return undefined
  const read = readOnce(wal)
  if (await endsInVoid(read, chain[0]!, signal)) return voidParser(shape, at.lsn)
  const isAll = at.lsn - chain.at(-1)!.info.startLsn <= MOST_BYTES && chain.length <= MOST_CHUNKS
  for (const { count, atRecord } of tries(chain)) {
    const parser = await feed(read, chain.slice(0, count).reverse(), { shape, signal, atRecord })
    // All that there is may hold no whole record: then it is the start of an archive, and whoever stored it stood where this parser stands.
    if (parser && (parser.continues || (isAll && !atRecord && count === chain.length))) return parser
  }
  return { ...freshParser(shape, at.lsn), continues: true }
}

/** Chunks that lead to `at` without a hole, the last first. */
function chainBefore(chunks: readonly WalChunkInfo[], at: WalPosition): Link[] {
  const chain: Link[] = []
  let lsn = at.lsn
  for (;;) {
    const info = chunks.findLast((one) => one.startLsn < lsn && one.endLsn >= lsn)
    if (!info) return chain
    chain.push({ info, untilLsn: lsn })
    lsn = info.startLsn
    if (at.lsn - lsn > MOST_BYTES || chain.length > MOST_CHUNKS) return chain
  }
}

/** Chunks are mostly cut where a record ends; if the last one is not, the record's checksum tells. Then a record's start is searched, further and further back. */
function* tries(chain: readonly Link[]): Generator<{ count: number; atRecord: boolean }> {
  yield { count: 1, atRecord: true }
  for (let count = 1; count < chain.length; count *= 2) yield { count, atRecord: false }
  yield { count: chain.length, atRecord: false }
}

/** A chunk is looked at up to four times: its bytes are kept for that long. */
function readOnce(wal: Pick<WalArchive, 'read'>): Pick<WalArchive, 'read'> {
  const kept = new Map<string, ReturnType<WalArchive['read']>>()
  return {
    read: (info, signal) => {
      const known = kept.get(info.object)
      if (known) return known
      const reading = wal.read(info, signal)
      kept.set(info.object, reading)
      return reading
    },
  }
}

const ZEROS = Buffer.alloc(WAL_PAGE_BYTES)

/**
 * Every WAL page has a header but those behind a switch record: where the last whole page before `untilLsn` is zeros, and all that follows it, a switch
 * has ended the segment. This is how a backup leaves the WAL, and it saves reading back what came before.
 */
async function endsInVoid(wal: Pick<WalArchive, 'read'>, last: Link, signal: AbortSignal): Promise<boolean> {
  const page = last.untilLsn - (last.untilLsn % BigInt(WAL_PAGE_BYTES)) - BigInt(WAL_PAGE_BYTES)
  if (page < last.info.startLsn) return false
  try {
    const { bytes } = await wal.read(last.info, signal)
    const from = Number(page - last.info.startLsn)
    const tail = bytes.subarray(from, Number(last.untilLsn - last.info.startLsn))
    const isVoid =
      tail.subarray(0, WAL_PAGE_BYTES).equals(ZEROS) && tail.subarray(WAL_PAGE_BYTES).every((byte) => byte === 0)
    // Nobody reads it again: what is received next finds its memory warm.
    if (isVoid) freeNow(bytes)
    return isVoid
  } catch (error) {
    if (isWharfError(error) && error.exit === 'damaged') return false
    throw error
  }
}

function voidParser(shape: WalShape, lsn: Lsn): PrimedParser {
  const { majorVersion, segmentBytes, systemIdentifier } = shape
  const indexer = new WalIndexer(majorVersion, lsn)
  const options = { startLsn: lsn, majorVersion, segmentBytes, systemIdentifier, afterSwitch: true }
  return { indexer, stream: new RecordStream(options, indexer), continues: true }
}

/** Undefined after a fault. `continues` only if a record was found. */
async function feed(
  wal: Pick<WalArchive, 'read'>,
  links: readonly Link[],
  options: { shape: WalShape; signal: AbortSignal; atRecord: boolean },
): Promise<PrimedParser | undefined> {
  const { shape, signal, atRecord } = options
  const startLsn = links[0]!.info.startLsn
  const indexer = new WalIndexer(shape.majorVersion, startLsn)
  const { majorVersion, segmentBytes, systemIdentifier } = shape
  const stream = new RecordStream({ startLsn, majorVersion, segmentBytes, systemIdentifier, atRecord }, indexer)
  for (const { info, untilLsn } of links) {
    try {
      const { bytes } = await wal.read(info, signal)
      stream.push(bytes.subarray(0, Number(untilLsn - info.startLsn)))
    } catch (error) {
      // What is damaged in the repository must not keep new WAL out of it.
      if (isWharfError(error) && error.exit === 'damaged') return undefined
      throw error
    }
  }
  if (stream.problems.length > 0) return undefined
  indexer.cut(stream.endLsn)
  return { stream, indexer, continues: stream.synced && stream.recordCount > 0 }
}
