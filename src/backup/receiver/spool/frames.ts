// The files of the synchronous spool: what was received, framed, so that after a crash exactly the whole frames count.
//
//   line of JSON (SpoolHead), then frames: u32 length · u32 CRC-32C of all that follows · u64 LSN · bytes
import { readFileSync } from 'node:fs'

import { crc32c } from '../../../wal/crc32c.ts'
import type { Lsn } from '../../../wal/lsn.ts'
import type { WalShape } from '../chunk-cutter.ts'

const FRAME_HEAD_BYTES = 16
/** A frame is what came at once: nothing near this. */
const LARGEST_FRAME_BYTES = 1 << 30

export interface SpoolHead {
  readonly shape: WalShape
  readonly timeline: number
  readonly startLsn: Lsn
}

export interface SpoolContent extends SpoolHead {
  /** In order, without a hole from startLsn on. */
  readonly pieces: readonly Buffer[]
  readonly endLsn: Lsn
}

export function encodeSpoolHead({ shape, timeline, startLsn }: SpoolHead): Buffer {
  const { systemIdentifier, majorVersion, postgresVersion, segmentBytes } = shape
  const head = {
    version: 1,
    systemIdentifier: String(systemIdentifier),
    majorVersion,
    postgresVersion,
    segmentBytes,
    timeline,
    startLsn: String(startLsn),
  }
  const text = JSON.stringify(head)
  return Buffer.from(`${text} ${crc32c(Buffer.from(text)).toString(16)}\n`)
}

/** The head of a frame over `bytes`, which follow it in the file. */
export function frameHead(lsn: Lsn, bytes: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES)
  head.writeUInt32LE(bytes.length, 0)
  head.writeBigUInt64LE(lsn, 8)
  head.writeUInt32LE(crc32c(bytes, crc32c(head.subarray(8))), 4)
  return head
}

/**
 * What of a file is whole: up to the first frame that is torn or missing. Undefined where not even its head is: then nothing in it was ever
 * acknowledged, since the head is durable before the first frame is.
 */
export function readSpoolFile(path: string): SpoolContent | undefined {
  const file = readFileSync(path)
  const line = file.indexOf(10)
  const head = line < 0 ? undefined : decodeHead(file.subarray(0, line).toString('latin1'))
  if (!head) return undefined
  const pieces: Buffer[] = []
  let endLsn = head.startLsn
  for (let at = line + 1; at + FRAME_HEAD_BYTES <= file.length;) {
    const length = file.readUInt32LE(at)
    const bytes = file.subarray(at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + length)
    if (length === 0 || length > LARGEST_FRAME_BYTES || bytes.length < length) break
    if (file.readUInt32LE(at + 4) !== crc32c(bytes, crc32c(file.subarray(at + 8, at + FRAME_HEAD_BYTES)))) break
    if (file.readBigUInt64LE(at + 8) !== endLsn) break
    pieces.push(bytes)
    endLsn += BigInt(length)
    at += FRAME_HEAD_BYTES + length
  }
  return { ...head, pieces, endLsn }
}

function decodeHead(line: string): SpoolHead | undefined {
  const space = line.lastIndexOf(' ')
  const text = line.slice(0, space)
  if (space < 0 || crc32c(Buffer.from(text)).toString(16) !== line.slice(space + 1)) return undefined
  const head = JSON.parse(text) as Record<string, string | number>
  if (head['version'] !== 1) return undefined
  return {
    shape: {
      systemIdentifier: BigInt(head['systemIdentifier']!),
      majorVersion: Number(head['majorVersion']),
      postgresVersion: Number(head['postgresVersion']),
      segmentBytes: Number(head['segmentBytes']),
    },
    timeline: Number(head['timeline']),
    startLsn: BigInt(head['startLsn']!),
  }
}
