// The WAL that a stopped server has in its pg_wal: which of it the repository lacks, and how far it can be read.
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { messageOf } from '../../base/errors.ts'
import type { WalArchive, WalRange } from '../../repository/contract.ts'
import type { ChangeMap, CommitEntry, WalContents } from '../../wal/contract.ts'
import { WalIndexer } from '../../wal/indexer.ts'
import { LONG_HEADER_BYTES, pageFlags, pageMagics, WAL_PAGE_BYTES } from '../../wal/layouts.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { RecordStream } from '../../wal/record-stream.ts'
import { parseWalFileName, segmentName } from '../../wal/segments.ts'

export interface WalShape {
  readonly systemIdentifier: bigint
  readonly majorVersion: number
  /** server_version_num. */
  readonly postgresVersion: number
  readonly segmentBytes: number
}

export interface OwnSegment {
  readonly name: string
  readonly path: string
  readonly timeline: number
  readonly startLsn: Lsn
}

export interface OwnSegments {
  /** Of the cluster, by timeline and position. Those that were only made ready for later use (recycled, or of zeros) are none. */
  readonly segments: readonly OwnSegment[]
  /** That bear the name of one and do not begin as one: what they held nobody can tell. */
  readonly unreadable: readonly (OwnSegment & { readonly why: string })[]
}

export async function ownSegments(folder: string, shape: WalShape): Promise<OwnSegments> {
  const segments: OwnSegment[] = []
  const unreadable: (OwnSegment & { why: string })[] = []
  for (const name of (await readdir(folder)).toSorted()) {
    const parsed = parseWalFileName(name, shape.segmentBytes)
    if (parsed?.kind !== 'segment') continue
    const { timeline, startLsn } = parsed
    const one = { name, path: join(folder, name), timeline, startLsn }
    const found = await beginningOf(one.path, { ...shape, startLsn }).catch((error: unknown) => messageOf(error))
    if (found === 'filled') segments.push(one)
    else if (found !== 'prepared') unreadable.push({ ...one, why: found })
  }
  segments.sort((one, other) => one.timeline - other.timeline || (one.startLsn < other.startLsn ? -1 : 1))
  return { segments, unreadable }
}

/** `filled`, `prepared` for later use, or why neither can be said. Rejects where it cannot be read. */
async function beginningOf(path: string, at: WalShape & { startLsn: Lsn }): Promise<string> {
  const { size } = await stat(path)
  if (size !== at.segmentBytes) return `it has ${size} bytes instead of ${at.segmentBytes}`
  await using handle = await open(path, 'r')
  const head = Buffer.alloc(LONG_HEADER_BYTES)
  await handle.read(head, 0, head.length, 0)
  if (head.every((byte) => byte === 0)) return 'prepared'
  const isOurs =
    head.readUInt16LE(0) === pageMagics[at.majorVersion] && head.readBigUInt64LE(24) === at.systemIdentifier
  if (!isOurs) return 'its first page is not one of this cluster'
  const address = head.readBigUInt64LE(8)
  if (address === at.startLsn) return 'filled'
  // Under its new name a recycled one still begins with its old address.
  return address < at.startLsn ? 'prepared' : 'its first page has the address of a later segment'
}

/** Those of which the repository lacks a byte, as far as names tell. */
export function lackingOf<Segment extends OwnSegment>(
  segments: readonly Segment[],
  ranges: readonly WalRange[],
  segmentBytes: number,
): readonly Segment[] {
  return segments.filter((one) => !holds(ranges, { ...one, endLsn: one.startLsn + BigInt(segmentBytes) }))
}

export function holds(
  ranges: readonly WalRange[],
  wanted: { readonly timeline: number; readonly startLsn: Lsn; readonly endLsn: Lsn },
): boolean {
  return ranges.some(
    (range) => range.timeline === wanted.timeline && range.startLsn <= wanted.startLsn && range.endLsn >= wanted.endLsn,
  )
}

/** What can be read of a segment, from its first byte on. */
export interface ReadSegment {
  readonly bytes: Buffer
  readonly changeMap: ChangeMap | undefined
  readonly contents: WalContents | undefined
  readonly commits: readonly CommitEntry[]
  readonly problem: string | undefined
  /** Why it was not read to its end; undefined where it was. */
  readonly ended: string | undefined
}

/** Reads segments that follow one another, each once. */
export class OwnWalReader {
  private readonly shape: WalShape
  private readonly folder: string
  private readonly wal: Pick<WalArchive, 'segment'>
  private stream: RecordStream | undefined
  private indexer: WalIndexer | undefined
  /** End of the last whole record. */
  private lastEnd: Lsn = 0n

  constructor(parts: { shape: WalShape; folder: string; wal: Pick<WalArchive, 'segment'> }) {
    this.shape = parts.shape
    this.folder = parts.folder
    this.wal = parts.wal
  }

  async read(segment: OwnSegment, signal: AbortSignal): Promise<ReadSegment> {
    const bytes = await readFile(segment.path)
    const { startLsn } = segment
    const goesOn = this.stream?.endLsn === startLsn && this.stream.problems.length === 0
    if (!goesOn) await this.prime(segment, signal)
    const blind = !this.stream!.synced && (bytes.readUInt16LE(2) & pageFlags.continuation) !== 0
    this.pushPages(bytes)
    const found = this.stream!.problems[0]
    const endLsn =
      found === undefined ? startLsn + BigInt(bytes.length) : this.lastEnd > startLsn ? this.lastEnd : startLsn
    const { changeMap, commits, contents } = this.indexer!.cut(endLsn)
    const problem = blind ? 'it begins within a record of which nothing is known' : undefined
    return {
      bytes: bytes.subarray(0, Number(endLsn - startLsn)),
      changeMap: problem === undefined ? changeMap : undefined,
      contents: problem === undefined ? contents : undefined,
      commits,
      problem,
      ended: found?.message,
    }
  }

  /** A page at a time: behind a fault the stream would go on at the next page. */
  private pushPages(bytes: Buffer): void {
    const { stream } = this
    for (let at = 0; at < bytes.length && stream!.problems.length === 0; at += WAL_PAGE_BYTES)
      stream!.push(bytes.subarray(at, at + WAL_PAGE_BYTES))
  }

  /** A record may begin in the segment before. */
  private async prime(segment: OwnSegment, signal: AbortSignal): Promise<void> {
    const { segmentBytes, majorVersion, systemIdentifier } = this.shape
    const size = BigInt(segmentBytes)
    const begin = (startLsn: Lsn): void => {
      const indexer = new WalIndexer(majorVersion, startLsn)
      this.lastEnd = startLsn
      const sink = {
        record: (...[record, at]: Parameters<WalIndexer['record']>): void => {
          this.lastEnd = at.baseLsn + BigInt(record.end)
          indexer.record(record, at)
        },
      }
      this.indexer = indexer
      this.stream = new RecordStream({ startLsn, majorVersion, segmentBytes, systemIdentifier }, sink)
    }
    const before = segment.startLsn < size ? undefined : await this.before(segment, signal)
    if (before !== undefined) {
      begin(segment.startLsn - size)
      this.pushPages(before)
      if (this.stream!.problems.length === 0 && this.stream!.synced) {
        this.indexer!.cut(segment.startLsn)
        return
      }
    }
    begin(segment.startLsn)
  }

  private async before(segment: OwnSegment, signal: AbortSignal): Promise<Buffer | undefined> {
    const startLsn = segment.startLsn - BigInt(this.shape.segmentBytes)
    for (let timeline = segment.timeline; timeline > 0; timeline--) {
      const name = segmentName(timeline, startLsn, this.shape.segmentBytes)
      const path = join(this.folder, name)
      const found = await beginningOf(path, { ...this.shape, startLsn }).catch(() => undefined)
      if (found === 'filled') return await readFile(path)
      const stored = await this.wal.segment(this.shape.systemIdentifier, name, signal).catch(() => undefined)
      if (stored && !stored.partial) return stored.bytes
    }
    return undefined
  }
}
