// Ends of transactions, restore points and load marks of a stretch of WAL: as bytes, and what recovery asks of them.
import { ByteReader, ByteWriter } from '../base/bytes.ts'
import { WharfError, messageOf } from '../base/errors.ts'
import type { CommitEntry } from './contract.ts'
import { errors } from './errors.ts'

const MAGIC = 0x4943_4857 // "WHCI"
const VERSION = 1
const kinds = ['commit', 'abort', 'restore-point', 'prepare', 'load'] as const
const HAS_NAME = 0x10

/** Entries in order of their start. */
export function encodeCommitIndex(entries: readonly CommitEntry[]): Buffer {
  const out = new ByteWriter(1024).u32(MAGIC).u8(VERSION).varint(entries.length)
  let lsn = 0n
  let timeUs = 0n
  for (const entry of entries) {
    out.u8(kinds.indexOf(entry.kind) | (entry.name === undefined ? 0 : HAS_NAME))
    out
      .varint(Number(entry.startLsn - lsn))
      .varint(Number(entry.endLsn - entry.startLsn))
      .varint(entry.xid)
    const step = entry.timeUs - timeUs
    // Zigzag: clocks may jump back.
    out.varint(Number(step < 0n ? -step * 2n - 1n : step * 2n))
    if (entry.name !== undefined) out.text(entry.name)
    lsn = entry.startLsn
    timeUs = entry.timeUs
  }
  return out.done()
}

/** Rejects with `wal.bad-commit-index`. */
export function decodeCommitIndex(bytes: Buffer): readonly CommitEntry[] {
  try {
    return decode(new ByteReader(bytes, 'commit index'))
  } catch (error) {
    if (error instanceof WharfError && error.code === 'wal.bad-commit-index') throw error
    throw errors.badCommitIndex(messageOf(error), { cause: error })
  }
}

function decode(reader: ByteReader): readonly CommitEntry[] {
  if (reader.u32() !== MAGIC) throw errors.badCommitIndex('it does not start as one')
  const version = reader.u8()
  if (version !== VERSION) throw errors.badCommitIndex(`its version is ${version}, ${VERSION} is known`)
  const count = reader.varint()
  if (count > reader.remaining)
    throw errors.badCommitIndex(`it announces ${count} entries where ${reader.remaining} bytes are left`)
  const entries: CommitEntry[] = []
  let lsn = 0n
  let timeUs = 0n
  for (let n = 0; n < count; n++) {
    const tag = reader.u8()
    const kind = kinds[tag & ~HAS_NAME]
    if (kind === undefined) throw errors.badCommitIndex(`an entry of kind ${tag} is not known`)
    lsn += BigInt(reader.varint())
    const endLsn = lsn + BigInt(reader.varint())
    const xid = reader.varint()
    const zigzag = BigInt(reader.varint())
    timeUs += zigzag & 1n ? -(zigzag + 1n) / 2n : zigzag / 2n
    const entry = { kind, startLsn: lsn, endLsn, xid, timeUs }
    entries.push(tag & HAS_NAME ? { ...entry, name: reader.text() } : entry)
  }
  if (reader.remaining > 0) throw errors.badCommitIndex(`${reader.remaining} bytes follow its end`)
  return entries
}

/** The restore point of that name that comes first, as PostgreSQL's recovery_target_name takes it. */
export function findRestorePoint(entries: Iterable<CommitEntry>, name: string): CommitEntry | undefined {
  for (const entry of entries) if (entry.kind === 'restore-point' && entry.name === name) return entry
  return undefined
}

/** How the transaction `xid` ended first in these entries. */
export function findTransaction(entries: Iterable<CommitEntry>, xid: number): CommitEntry | undefined {
  for (const entry of entries) if (isEnd(entry) && entry.xid === xid) return entry
  return undefined
}

/**
 * Where recovery to a time stops: the first end of a transaction after `timeUs` (or at it, if exclusive). Recovery to just before its
 * `startLsn` holds everything up to the time. Undefined where all entries are earlier.
 */
export function findAfterTime(
  entries: Iterable<CommitEntry>,
  timeUs: bigint,
  inclusive = true,
): CommitEntry | undefined {
  for (const entry of entries) {
    if (isEnd(entry) && (inclusive ? entry.timeUs > timeUs : entry.timeUs >= timeUs)) return entry
  }
  return undefined
}

/**
 * The commit of the load `id`: the mark is in the load's own transaction. A load that was tried several times is the one that committed.
 * `mark` alone is given where its end is not in these entries.
 */
export function findLoad(
  entries: Iterable<CommitEntry>,
  id: string,
): { readonly mark: CommitEntry; readonly commit: CommitEntry | undefined } | undefined {
  const open = new Map<number, CommitEntry>()
  let newest: CommitEntry | undefined
  for (const entry of entries) {
    if (entry.kind === 'load' && entry.name === id) {
      open.set(entry.xid, entry)
      newest = entry
    } else if (isEnd(entry)) {
      const mark = open.get(entry.xid)
      if (mark && entry.kind === 'commit') return { mark, commit: entry }
      open.delete(entry.xid)
    }
  }
  return newest && { mark: newest, commit: undefined }
}

function isEnd(entry: CommitEntry): boolean {
  return entry.kind === 'commit' || entry.kind === 'abort'
}
