// Which records of WAL change certain blocks: from a repository's chunks, or from a server's own pg_wal.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import type { WalArchive } from '../../repository/contract.ts'
import { heapInfo, heapRmgr } from '../../wal/heap-records.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { RecordStream } from '../../wal/record-stream.ts'
import type { WalRecord } from '../../wal/record.ts'
import { segmentName, segmentStart, withoutPageHeader } from '../../wal/segments.ts'
import { fileAt } from '../../wal/transaction-end.ts'
import { LONG_HEADER_BYTES, pageFlags, rmgr, SHORT_HEADER_BYTES, smgrInfo, WAL_PAGE_BYTES } from '../../wal/layouts.ts'
import type { PlacedChunk } from '../target/commit-index.ts'
import { ChunkRecords } from '../when/chunk-records.ts'
import { keyOf, type WantedBlock } from './wanted.ts'

const forkNumbers = { main: 0, fsm: 1, vm: 2, init: 3 } as const
/** Sets bits of the visibility map, and one on the heap page; whether that page's own position moves, and reaches the disk, depends on the server. */
const HEAP2_VISIBLE = 0x40

/** Remembers for each block the end of the last record that changes it. */
export class Touches {
  readonly last = new Map<string, Lsn>()
  private readonly withVisible: boolean
  private readonly byNumber = new Map<number, WantedBlock[]>()

  /** `withVisible`: a page without the bit that says what the visibility map says counts as an older one. */
  constructor(blocks: readonly WantedBlock[], { withVisible }: { readonly withVisible: boolean }) {
    this.withVisible = withVisible
    for (const block of blocks) {
      const same = this.byNumber.get(block.file.relfilenode)
      if (same) same.push(block)
      else this.byNumber.set(block.file.relfilenode, [block])
    }
  }

  record(record: WalRecord, endLsn: Lsn): void {
    if (record.rmgr === rmgr.smgr && record.kind === smgrInfo.truncate) this.truncated(record, endLsn)
    if (!this.withVisible && record.rmgr === heapRmgr.heap2 && (record.info & heapInfo.mask) === HEAP2_VISIBLE) return
    for (let n = 0; n < record.blockCount; n++) {
      for (const one of this.byNumber.get(record.relfilenode[n]!) ?? []) {
        const isSame =
          record.block[n] === one.block &&
          record.fork[n] === forkNumbers[one.fork] &&
          record.database[n] === one.file.database &&
          record.tablespace[n] === one.file.tablespace
        if (isSame) this.last.set(keyOf(one), endLsn)
      }
    }
  }

  private truncated({ view, dataAt }: WalRecord, endLsn: Lsn): void {
    const file = fileAt(view, dataAt + 4)
    for (const one of this.byNumber.get(file.relfilenode) ?? [])
      if (one.block >= view.getUint32(dataAt, true)) this.last.set(keyOf(one), endLsn)
  }
}

/** Of records that end in (`fromLsn`, `toLsn`], by the chunks that the change maps name. */
export async function touchesInRepository(
  blocks: readonly WantedBlock[],
  of: {
    readonly wal: Pick<WalArchive, 'read' | 'readIndex'>
    readonly chunks: readonly PlacedChunk[]
    readonly fromLsn: Lsn
    readonly toLsn: Lsn
    readonly signal: AbortSignal
  },
): Promise<ReadonlyMap<string, Lsn>> {
  const touches = new Touches(blocks, { withVisible: false })
  const records = new ChunkRecords({
    wal: of.wal,
    chunks: of.chunks,
    onRecord: (record, { endLsn }) => {
      if (endLsn > of.fromLsn && endLsn <= of.toLsn) touches.record(record, endLsn)
    },
    signal: of.signal,
  })
  for (const [index, chunk] of of.chunks.entries()) {
    if (chunk.toLsn <= of.fromLsn || chunk.fromLsn >= of.toLsn) continue
    const { changeMap } = await of.wal.readIndex(chunk.info, of.signal)
    const isNamed =
      !changeMap ||
      blocks.some((one) => {
        const change = changeMap.fork(one.file, one.fork)
        return change !== undefined && (change.cut !== undefined || change.blocks.includes(one.block))
      })
    if (isNamed) await records.read(index)
  }
  return touches.last
}

/** Of records of a server's own WAL that end in (`fromLsn`, `toLsn`]. Undefined where a segment of it is gone. */
export async function touchesInServer(
  blocks: readonly WantedBlock[],
  of: {
    readonly dataDirectory: string
    readonly timeline: number
    readonly segmentBytes: number
    readonly majorVersion: number
    readonly fromLsn: Lsn
    readonly toLsn: Lsn
    readonly signal: AbortSignal
  },
): Promise<ReadonlyMap<string, Lsn> | undefined> {
  const touches = new Touches(blocks, { withVisible: true })
  const { segmentBytes, majorVersion } = of
  // Right behind a page's header no record exists yet.
  const toLsn = withoutPageHeader(of.toLsn, segmentBytes)
  if (toLsn <= of.fromLsn) return touches.last
  const startLsn = await firstSegment(of)
  if (startLsn === undefined) return undefined
  let stream: RecordStream | undefined
  for (let at = startLsn; at < toLsn; at += BigInt(segmentBytes)) {
    of.signal.throwIfAborted()
    const bytes = await readSegment(of, at)
    if (!bytes) return undefined
    const wanted = bytes.subarray(0, Number(toLsn - at < BigInt(segmentBytes) ? toLsn - at : BigInt(segmentBytes)))
    stream ??= new RecordStream(
      { startLsn: at, majorVersion, segmentBytes },
      {
        record: (record, { baseLsn }) => {
          const endLsn = baseLsn + BigInt(record.end)
          if (endLsn > of.fromLsn && endLsn <= toLsn) touches.record(record, endLsn)
        },
      },
    )
    stream.push(wanted)
  }
  // What was not understood may have named anything.
  if (stream && (stream.problems.length > 0 || !stream.synced)) return undefined
  return touches.last
}

/**
 * The segment in which the first record begins that ends after `fromLsn`: it may lie across segments, and what was received ends anywhere. Undefined where
 * that is gone.
 */
async function firstSegment(of: {
  readonly dataDirectory: string
  readonly timeline: number
  readonly segmentBytes: number
  readonly fromLsn: Lsn
}): Promise<Lsn | undefined> {
  const size = BigInt(of.segmentBytes)
  for (let at = segmentStart(of.fromLsn, of.segmentBytes); ; at -= size) {
    const bytes = await readSegment(of, at)
    if (!bytes) return undefined
    if (at === 0n || at + BigInt(continuedBytes(bytes)) <= of.fromLsn) return at
  }
}

/** How far the record that began in the segment before goes into this one; 0 where none does. */
function continuedBytes(segment: Buffer): number {
  if ((segment.readUInt16LE(2) & pageFlags.continuation) === 0) return 0
  const remaining = segment.readUInt32LE(16)
  const pages = Math.ceil(remaining / (WAL_PAGE_BYTES - SHORT_HEADER_BYTES))
  return LONG_HEADER_BYTES + remaining + pages * SHORT_HEADER_BYTES + 8
}

async function readSegment(
  of: { dataDirectory: string; timeline: number; segmentBytes: number },
  at: Lsn,
): Promise<Buffer | undefined> {
  try {
    return await readFile(join(of.dataDirectory, 'pg_wal', segmentName(of.timeline, at, of.segmentBytes)))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
