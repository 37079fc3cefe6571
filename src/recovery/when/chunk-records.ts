// The records of chosen chunks of WAL. A record counts where it ends, as in change maps: what begins in the chunk before is read there.
import type { WalArchive } from '../../repository/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { RecordStream } from '../../wal/record-stream.ts'
import type { WalRecord } from '../../wal/record.ts'
import type { PlacedChunk } from '../target/commit-index.ts'

/** A record longer than so many chunks is not looked for. */
const MOST_BEFORE = 64

export type OnRecord = (record: WalRecord, at: { readonly startLsn: Lsn; readonly endLsn: Lsn }) => void

export class ChunkRecords {
  private readonly wal: Pick<WalArchive, 'read'>
  private readonly chunks: readonly PlacedChunk[]
  private readonly onRecord: OnRecord
  private readonly signal: AbortSignal
  private stream: RecordStream | undefined
  private next = -1
  /** Records that end at or before it were handed out, or not asked for. */
  private fromLsn: Lsn = 0n
  bytesRead = 0

  constructor(parts: {
    wal: Pick<WalArchive, 'read'>
    chunks: readonly PlacedChunk[]
    onRecord: OnRecord
    signal: AbortSignal
  }) {
    this.wal = parts.wal
    this.chunks = parts.chunks
    this.onRecord = parts.onRecord
    this.signal = parts.signal
  }

  /** Hands out the records of the chunk; indexes ascend from call to call. */
  async read(index: number): Promise<void> {
    if (this.next !== index || !this.stream || !this.follows(index)) await this.begin(index)
    await this.push(index)
    this.next = index + 1
  }

  private follows(index: number): boolean {
    return index === 0 || this.chunks[index - 1]!.toLsn === this.chunks[index]!.fromLsn
  }

  /** Goes back as far as it takes to know where records start. */
  private async begin(index: number): Promise<void> {
    this.fromLsn = this.chunks[index]!.fromLsn
    for (let first = index - 1; index - first <= MOST_BEFORE; first--) {
      this.stream = undefined
      if (first < 0 || !this.follows(first + 1)) return
      for (let at = first; at < index; at++) await this.push(at)
      if (this.isSynced()) return
    }
    this.stream = undefined
  }

  private isSynced(): boolean {
    return this.stream?.synced ?? false
  }

  private async push(index: number): Promise<void> {
    const { info, fromLsn, toLsn } = this.chunks[index]!
    const { bytes, postgresVersion, walSegmentBytes } = await this.wal.read(info, this.signal)
    this.stream ??= new RecordStream(
      {
        startLsn: fromLsn,
        majorVersion: Math.floor(postgresVersion / 10_000),
        segmentBytes: walSegmentBytes,
        // The bytes are proven by the chunk's own hash.
        checkCrc: false,
      },
      {
        record: (record, { baseLsn }) => {
          const endLsn = baseLsn + BigInt(record.end)
          if (endLsn > this.fromLsn) this.onRecord(record, { startLsn: baseLsn + BigInt(record.start), endLsn })
        },
      },
    )
    this.bytesRead += bytes.length
    this.stream.push(bytes.subarray(Number(fromLsn - info.startLsn), Number(toLsn - info.startLsn)))
  }
}
