// The commit index of a WAL chunk as bytes (doc/design/repository-format.md section 6).
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { CommitEntry } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'

const kinds = ['commit', 'abort', 'restore-point', 'prepare', 'load'] as const satisfies readonly CommitEntry['kind'][]

export function encodeCommits(commits: readonly CommitEntry[]): Buffer {
  const writer = new ByteWriter(commits.length * 20 + 16)
  writer.varint(commits.length)
  for (const entry of commits) {
    const kind = kinds.indexOf(entry.kind) + 1
    if (kind === 0) throw new RangeError(`unknown kind of commit entry "${entry.kind}"`)
    writer
      .u8(kind)
      .u64(entry.startLsn)
      .varint(Number(entry.endLsn - entry.startLsn))
    writer
      .u32(entry.xid)
      .i64(entry.timeUs)
      .u8(entry.name === undefined ? 0 : 1)
    if (entry.name !== undefined) writer.text(entry.name)
  }
  return Buffer.from(writer.done())
}

/** Rejects by RangeError or `bytes.past-end`. */
export function decodeCommits(bytes: Buffer, what: string): CommitEntry[] {
  const reader = new ByteReader(bytes, what)
  const commits: CommitEntry[] = []
  for (let left = reader.varint(); left > 0; left--) {
    const kind = kinds[reader.u8() - 1]
    if (kind === undefined) throw new RangeError(`${what} has an entry of an unknown kind`)
    const startLsn: Lsn = reader.u64()
    const entry = {
      kind,
      startLsn,
      endLsn: startLsn + BigInt(reader.varint()),
      xid: reader.u32(),
      timeUs: reader.i64(),
    }
    commits.push(reader.u8() === 1 ? { ...entry, name: reader.text() } : entry)
  }
  if (reader.remaining > 0) throw new RangeError(`${what} is longer than it should be`)
  return commits
}
