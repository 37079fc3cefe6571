// The messages inside CopyData of a physical replication stream. Numbers are big-endian; times are microseconds since 2000-01-01 UTC.
import type { Lsn } from '../../wal/lsn.ts'

const walData = 0x77 // w
const keepalive = 0x6b // k
const standbyStatus = 0x72 // r
/** Microseconds from 1970 to 2000. */
const postgresEpochUs = 946_684_800_000_000n

export type StreamMessage =
  | {
      readonly kind: 'wal'
      readonly startLsn: Lsn
      readonly serverLsn: Lsn
      /** A view of the message. */ readonly bytes: Buffer
    }
  | { readonly kind: 'keepalive'; readonly serverLsn: Lsn; readonly wantsReply: boolean }

/** Undefined for what we do not know, or what is cut short. */
export function decodeMessage(chunk: Buffer): StreamMessage | undefined {
  if (chunk[0] === walData && chunk.length >= 25) {
    return {
      kind: 'wal',
      startLsn: chunk.readBigUInt64BE(1),
      serverLsn: chunk.readBigUInt64BE(9),
      bytes: chunk.subarray(25),
    }
  }
  if (chunk[0] === keepalive && chunk.length >= 18) {
    return { kind: 'keepalive', serverLsn: chunk.readBigUInt64BE(1), wantsReply: chunk[17] === 1 }
  }
  return undefined
}

/** Standby status update. `flushed` is what the server may forget. */
export function encodeStatus(
  positions: { writtenLsn: Lsn; flushedLsn: Lsn },
  at: { nowMs: number; wantsReply: boolean },
): Buffer {
  const message = Buffer.alloc(34)
  message[0] = standbyStatus
  message.writeBigUInt64BE(positions.writtenLsn, 1)
  message.writeBigUInt64BE(positions.flushedLsn, 9)
  // Applied: we never apply. Reporting the flushed position keeps remote_apply from waiting for ever where someone sets it.
  message.writeBigUInt64BE(positions.flushedLsn, 17)
  message.writeBigInt64BE(BigInt(Math.trunc(at.nowMs)) * 1000n - postgresEpochUs, 25)
  message[33] = at.wantsReply ? 1 : 0
  return message
}
