// global/pg_control of PostgreSQL 15 to 18.
import type { ControlData } from './contract.ts'
import { crc32c } from './crc32c.ts'
import { errors } from './errors.ts'

const STATES = [
  'starting',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
] as const
const WAL_LEVELS = ['minimal', 'replica', 'logical'] as const

/** Offsets that differ between versions of the file; the rest is equal from 15 to 18. */
const crcOffsets: Readonly<Record<number, number>> = { 1300: 288, 1700: 288, 1800: 292 }
const at = {
  systemIdentifier: 0,
  version: 8,
  catalog: 12,
  state: 16,
  checkpoint: 32,
  redo: 40,
  timeline: 48,
  fullPageWrites: 56,
  nextXid: 64,
  minRecovery: 136,
  minRecoveryTimeline: 144,
  walLevel: 172,
  maxConnections: 180,
  maxWorkerProcesses: 184,
  maxWalSenders: 188,
  maxPreparedTransactions: 192,
  maxLocksPerTransaction: 196,
  blockBytes: 216,
  blocksPerSegment: 220,
  walSegmentBytes: 228,
  checksumVersion: 252,
} as const
/** Bytes that hold data in every version; the file itself is padded to 8192. */
const LEAST_BYTES = 296

/** First catalog version of each major version's release; betas of the next are above. */
const catalogVersions: readonly (readonly [number, number])[] = [
  [202_506_291, 18],
  [202_406_281, 17],
  [202_307_071, 16],
  [202_209_061, 15],
]

function crcOffset(bytes: Buffer): number {
  if (bytes.length < LEAST_BYTES) throw errors.badControlFile(`it has ${bytes.length} bytes, ${LEAST_BYTES} are needed`)
  const version = bytes.readUInt32LE(at.version)
  const offset = crcOffsets[version]
  if (offset === undefined) throw errors.badControlFile(`its version is ${version}`)
  return offset
}

/** Reads pg_control. A torn read shows as `crcIsGood: false`: read again. Rejects what it does not know. */
export function parseControlFile(bytes: Buffer): ControlData {
  const crcAt = crcOffset(bytes)
  const crcIsGood = crc32c(bytes.subarray(0, crcAt)) === bytes.readUInt32LE(crcAt)
  const catalogVersion = bytes.readUInt32LE(at.catalog)
  const major = catalogVersions.find(([first]) => catalogVersion >= first)?.[1]
  const state = STATES[bytes.readUInt32LE(at.state)]
  const walLevel = WAL_LEVELS[bytes.readUInt32LE(at.walLevel)]
  if (major === undefined) throw errors.badControlFile(`its catalog version is ${catalogVersion}`)
  if (state === undefined || walLevel === undefined)
    throw errors.badControlFile('its state is none that PostgreSQL has')
  return {
    systemIdentifier: bytes.readBigUInt64LE(at.systemIdentifier),
    pgControlVersion: bytes.readUInt32LE(at.version),
    catalogVersion,
    majorVersion: major,
    state,
    checkpointLsn: bytes.readBigUInt64LE(at.checkpoint),
    redoLsn: bytes.readBigUInt64LE(at.redo),
    timeline: bytes.readUInt32LE(at.timeline),
    minRecoveryLsn: bytes.readBigUInt64LE(at.minRecovery),
    minRecoveryTimeline: bytes.readUInt32LE(at.minRecoveryTimeline),
    nextXid: bytes.readBigUInt64LE(at.nextXid),
    walLevel,
    fullPageWrites: bytes[at.fullPageWrites] !== 0,
    maxConnections: bytes.readInt32LE(at.maxConnections),
    maxWorkerProcesses: bytes.readInt32LE(at.maxWorkerProcesses),
    maxWalSenders: bytes.readInt32LE(at.maxWalSenders),
    maxPreparedTransactions: bytes.readInt32LE(at.maxPreparedTransactions),
    maxLocksPerTransaction: bytes.readInt32LE(at.maxLocksPerTransaction),
    blockBytes: bytes.readUInt32LE(at.blockBytes),
    blocksPerSegment: bytes.readUInt32LE(at.blocksPerSegment),
    walSegmentBytes: bytes.readUInt32LE(at.walSegmentBytes),
    dataChecksumVersion: bytes.readUInt32LE(at.checksumVersion),
    crcIsGood,
  }
}

/** The place of the checkpoint that no cluster has: PostgreSQL starts from it only with a backup_label, which says better. */
const INVALID_CHECKPOINT = 0xdeadn

/**
 * pg_control as a restore must write it: its checkpoint points nowhere, so that a cluster whose backup_label was removed
 * refuses to start instead of replaying from the wrong place. CRC made anew. The input must have a good CRC.
 */
export function invalidateCheckpoint(bytes: Buffer): Buffer {
  const crcAt = crcOffset(bytes)
  if (!parseControlFile(bytes).crcIsGood) throw errors.badControlFile('its checksum is wrong')
  const made = Buffer.from(bytes)
  made.writeBigUInt64LE(INVALID_CHECKPOINT, at.checkpoint)
  made.writeUInt32LE(crc32c(made.subarray(0, crcAt)), crcAt)
  return made
}

/**
 * pg_control of which PostgreSQL takes itself to be consistent only once it has replayed all WAL before `until.lsn`: for a restore that begins at an older
 * backup's start, where that backup's end says nothing about files that are newer. A later point that is in it already stays. CRC made anew; the input
 * must have a good one.
 */
export function recoverAtLeastTo(bytes: Buffer, until: { readonly lsn: bigint; readonly timeline: number }): Buffer {
  const crcAt = crcOffset(bytes)
  const control = parseControlFile(bytes)
  if (!control.crcIsGood) throw errors.badControlFile('its checksum is wrong')
  const made = Buffer.from(bytes)
  if (control.minRecoveryLsn >= until.lsn) return made
  made.writeBigUInt64LE(until.lsn, at.minRecovery)
  made.writeUInt32LE(until.timeline, at.minRecoveryTimeline)
  made.writeUInt32LE(crc32c(made.subarray(0, crcAt)), crcAt)
  return made
}
