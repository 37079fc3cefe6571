// Where records stand near the end of what a repository holds: read from the WAL itself.
import type { WalArchive } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { WAL_PAGE_BYTES } from '../../wal/layouts.ts'
import { RecordStream } from '../../wal/record-stream.ts'
import type { HistoryView, PlacedChunk } from './commit-index.ts'

interface ReadParts {
  readonly wal: Pick<WalArchive, 'read'>
  readonly view: HistoryView
  readonly endLsn: Lsn
  readonly signal: AbortSignal
}

/**
 * Where a replay that must not start any record at or after `lsn` ends: the start of the first whole record from there on that ends by `endLsn`; undefined
 * where there is none. Where the records of the page of `lsn` cannot be told apart, `lsn` itself, and never a later record.
 */
export async function firstRecordFrom(parts: ReadParts, lsn: Lsn): Promise<Lsn | undefined> {
  const chunks = upTo(parts, parts.endLsn)
  // Where records start is known from a page's header on: all that come from the page of `lsn` must be read, be it cut into however many chunks.
  const first = chunks.findLastIndex((one) => one.fromLsn <= lsn - (lsn % BigInt(WAL_PAGE_BYTES)))
  let found: Lsn | undefined
  await decode({ ...parts, chunks: chunks.slice(Math.max(0, first)) }, (startLsn, endLsn) => {
    if (startLsn >= lsn && endLsn <= parts.endLsn) found ??= startLsn
    return found === undefined
  })
  return found !== undefined && first < 0 ? lsn : found
}

/** End of the last whole record that ends by `endLsn`; undefined where none was found. */
export async function lastRecordEnd(parts: ReadParts): Promise<Lsn | undefined> {
  return (await lastRecord(parts))?.endLsn
}

/** The last whole record that ends by `endLsn`; undefined where none was found. */
export async function lastRecord(
  parts: ReadParts,
): Promise<{ readonly startLsn: Lsn; readonly endLsn: Lsn } | undefined> {
  const chunks = upTo(parts, parts.endLsn)
  for (let first = chunks.length - 1; first >= 0; first--) {
    let last: { startLsn: Lsn; endLsn: Lsn } | undefined
    await decode({ ...parts, chunks: chunks.slice(first) }, (startLsn, endLsn) => {
      if (endLsn <= parts.endLsn) last = { startLsn, endLsn }
      return true
    })
    if (last !== undefined) return last
    // A record larger than a chunk: look at more of them.
    if (chunks.length - first > 64) return undefined
  }
  return undefined
}

/** The unbroken row of chunks that ends at `endLsn`. */
function upTo(parts: ReadParts, endLsn: Lsn): readonly PlacedChunk[] {
  const before = parts.view.chunks.filter((one) => one.fromLsn < endLsn)
  const broken = before.findLastIndex((one, index) => index > 0 && before[index - 1]!.toLsn !== one.fromLsn)
  return before.slice(Math.max(0, broken))
}

/** Hands over the borders of records until `next` says no more. */
async function decode(
  parts: ReadParts & { chunks: readonly PlacedChunk[] },
  next: (startLsn: Lsn, endLsn: Lsn) => boolean,
): Promise<void> {
  let stream: RecordStream | undefined
  let goesOn = true
  for (const chunk of parts.chunks) {
    const { bytes, postgresVersion, walSegmentBytes } = await parts.wal.read(chunk.info, parts.signal)
    stream ??= new RecordStream(
      { startLsn: chunk.fromLsn, majorVersion: Math.floor(postgresVersion / 10_000), segmentBytes: walSegmentBytes },
      {
        record: (record, source) => {
          goesOn &&= next(source.baseLsn + BigInt(record.start), source.baseLsn + BigInt(record.end))
        },
      },
    )
    stream.push(bytes.subarray(Number(chunk.fromLsn - chunk.info.startLsn), Number(chunk.toLsn - chunk.info.startLsn)))
    if (!goesOn) return
  }
}
