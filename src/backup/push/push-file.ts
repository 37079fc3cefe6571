// One file of pg_wal into every repository, durable there when it resolves.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

import { isWharfError } from '../../base/errors.ts'
import { MIB } from '../../base/units.ts'
import type { WalArchive, WalChunk } from '../../repository/contract.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { parseWalFileName } from '../../wal/segments.ts'
import {
  ChunkCutter,
  freshParser,
  type PrimedParser,
  type SealedChunk,
  type WalShape,
} from '../receiver/chunk-cutter.ts'
import { primeParser } from '../receiver/prime.ts'
import { pushErrors } from './errors.ts'
import { primeFromDisk } from './prime-from-disk.ts'
import { SegmentFile, type SegmentPlace } from './segment-file.ts'

/** A segment is read, parsed and stored in pieces: one of 1 GB must not lie in memory whole. */
const READ_BYTES = 4 * MIB

export interface PushParts {
  /** All that are required must get the file; of the others only a conflict is a failure. */
  readonly archives: readonly { readonly wal: WalArchive; readonly required: boolean }[]
  readonly shape: WalShape
  readonly signal: AbortSignal
  /** WAL that was stored although it cannot be read. */
  readonly onProblem: (what: Readonly<Record<string, string>>) => Promise<void>
}

/** Rejects with `repository.wal-conflict` where one holds other bytes, `backup.bad-wal-file` for what is no segment of this server. */
export async function pushFile(path: string, parts: PushParts): Promise<void> {
  const name = basename(path)
  const parsed = parseWalFileName(name, parts.shape.segmentBytes)
  if (!parsed) throw pushErrors.badPushUsage({ why: `"${name}" is no name of a WAL file` })
  // Labels of backups by others: nothing restores from them, and ours are in the manifests.
  if (parsed.kind === 'backup') return
  if (parsed.kind === 'history') {
    const content = readFileSync(path, 'utf8')
    await everywhere(parts.archives, (wal) =>
      wal.putHistory(parts.shape.systemIdentifier, parsed.timeline, content, parts.signal),
    )
    return
  }
  using file = SegmentFile.open(path)
  file.check(parsed, parts.shape)
  if (parsed.kind === 'partial') await pushPartial(file, parsed, parts)
  else await pushSegment(file, parsed, parts)
}

async function pushSegment(file: SegmentFile, place: SegmentPlace, parts: PushParts): Promise<void> {
  const { shape } = parts
  const cutter = new ChunkCutter({
    timeline: place.timeline,
    lsn: place.startLsn,
    shape,
    parser: primeFromDisk(file.path, place, shape) ?? (await primeFromRepositories(place, parts)),
  })
  for (let at = 0; at < file.bytes; at += READ_BYTES) {
    const bytes = file.read(at, Math.min(READ_BYTES, file.bytes - at))
    for (const chunk of cutter.push(bytes, 0)) await store(chunk, parts)
  }
  const last = cutter.seal()
  if (last) await store(last, parts)
}

async function primeFromRepositories(
  place: SegmentPlace,
  { archives, shape, signal }: PushParts,
): Promise<PrimedParser> {
  for (const { wal } of archives) {
    const parser = await primeParser(wal, { timeline: place.timeline, lsn: place.startLsn }, shape, signal)
    if (parser) return parser
  }
  return freshParser(shape, place.startLsn)
}

async function store(sealed: SealedChunk, parts: PushParts): Promise<void> {
  const { timeline, startLsn, endLsn, bytes, changeMap, contents, commits, problem } = sealed
  const { systemIdentifier, segmentBytes, postgresVersion } = parts.shape
  const about = { systemIdentifier, timeline, startLsn, walSegmentBytes: segmentBytes, postgresVersion }
  const chunk: WalChunk = { ...about, bytes, changeMap, contents, commits, problem }
  await everywhere(parts.archives, (wal) => wal.put(chunk, parts.signal))
  sealed.release()
  if (problem !== undefined)
    await parts.onProblem({
      timeline: String(timeline),
      fromLsn: formatLsn(startLsn),
      toLsn: formatLsn(endLsn),
      problem,
    })
}

async function pushPartial(file: SegmentFile, place: SegmentPlace, parts: PushParts): Promise<void> {
  const { systemIdentifier, segmentBytes, postgresVersion } = parts.shape
  const { timeline, startLsn } = place
  const bytes = file.read(0, file.bytes)
  const about = { systemIdentifier, timeline, startLsn, walSegmentBytes: segmentBytes, postgresVersion }
  await everywhere(parts.archives, (wal) => wal.putPartial({ ...about, bytes }, parts.signal))
}

/** All are tried, whatever becomes of one; then the gravest failure is thrown: a conflict before what may pass. */
async function everywhere<T>(archives: PushParts['archives'], work: (wal: WalArchive) => Promise<T>): Promise<void> {
  const done = await Promise.allSettled(archives.map(({ wal }) => work(wal)))
  let failure: { readonly error: unknown } | undefined
  for (const [at, one] of done.entries()) {
    if (one.status === 'fulfilled') continue
    const error: unknown = one.reason
    if (isWharfError(error, 'repository.wal-conflict')) throw error
    if (archives[at]!.required) failure ??= { error }
  }
  if (failure) throw failure.error
}
