// What a receiver that died had acknowledged and not stored: it goes from its spool into every repository before anything else, with no server needed.
import { rm } from 'node:fs/promises'

import { isWharfError } from '../../../base/errors.ts'
import type { Repository, WalRange } from '../../../repository/contract.ts'
import type { Lsn } from '../../../wal/lsn.ts'
import { ChunkCutter, freshParser, type SealedChunk } from '../chunk-cutter.ts'
import type { Member } from '../members.ts'
import { primeParser } from '../prime.ts'
import { settleNewest } from '../settle.ts'
import { readSpoolFile, type SpoolContent } from './frames.ts'
import { spoolFiles } from './spool.ts'

/**
 * Resolves to the files that are stored in all of `members` now: to be removed by whoever has the slot. Where one cannot be reached the others get what
 * is there, and the files stay.
 */
export async function completeSpool(
  folder: string,
  members: readonly Member[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const files = await spoolFiles(folder)
  const contents = files.flatMap((path) => readSpoolFile(path) ?? [])
  if (files.length === 0) return []
  let failure: { readonly error: unknown } | undefined
  let stored = 0
  for (const member of members) {
    try {
      await completeInto(await member.open(signal), contents, signal)
      stored++
    } catch (error) {
      if (signal.aborted || isWharfError(error, 'repository.wal-conflict')) throw error
      failure ??= { error }
    }
  }
  if (stored === 0 && failure) throw failure.error
  return failure ? [] : files
}

async function completeInto(
  repository: Repository,
  contents: readonly SpoolContent[],
  signal: AbortSignal,
): Promise<void> {
  for (const systemIdentifier of new Set(contents.map(({ shape }) => shape.systemIdentifier)))
    await settleNewest(repository, { systemIdentifier, signal })
  for (const stretch of joined(contents)) await storeStretch(repository, stretch, signal)
}

export async function removeSpool(files: readonly string[]): Promise<void> {
  for (const path of files) await rm(path, { force: true })
}

/** Files of one timeline that touch, as one; where they overlap the bytes are the server's both times. */
function joined(contents: readonly SpoolContent[]): SpoolContent[] {
  const all: SpoolContent[] = []
  for (const one of contents) {
    const last = all.at(-1)
    const follows =
      last?.timeline === one.timeline &&
      last.shape.systemIdentifier === one.shape.systemIdentifier &&
      one.startLsn <= last.endLsn
    if (!last || !follows) {
      if (one.pieces.length > 0) all.push(one)
    } else if (one.endLsn > last.endLsn) {
      const more = from(one, last.endLsn)
      all[all.length - 1] = { ...last, pieces: [...last.pieces, ...more], endLsn: one.endLsn }
    }
  }
  return all
}

/** The pieces from `lsn` on. */
function from(content: SpoolContent, lsn: Lsn): Buffer[] {
  let at = content.startLsn
  const pieces: Buffer[] = []
  for (const piece of content.pieces) {
    const end = at + BigInt(piece.length)
    if (end > lsn) pieces.push(at >= lsn ? piece : piece.subarray(Number(lsn - at)))
    at = end
  }
  return pieces
}

async function storeStretch(repository: Repository, stretch: SpoolContent, signal: AbortSignal): Promise<void> {
  const { shape, timeline } = stretch
  const startLsn = heldUntil(await repository.wal.ranges(shape.systemIdentifier, signal), stretch)
  if (startLsn >= stretch.endLsn) return
  const at = { timeline, lsn: startLsn }
  const cutter = new ChunkCutter({
    ...at,
    shape,
    parser: (await primeParser(repository.wal, at, shape, signal)) ?? freshParser(shape, startLsn),
  })
  for (const piece of from(stretch, startLsn)) {
    for (const chunk of cutter.push(piece, 0)) await put(chunk)
  }
  const last = cutter.seal()
  if (last) await put(last)

  async function put(sealed: SealedChunk): Promise<void> {
    const { bytes, changeMap, contents, commits, problem } = sealed
    await repository.wal.put(
      {
        systemIdentifier: shape.systemIdentifier,
        timeline,
        startLsn: sealed.startLsn,
        walSegmentBytes: shape.segmentBytes,
        postgresVersion: shape.postgresVersion,
        bytes,
        changeMap,
        contents,
        commits,
        problem,
      },
      signal,
    )
  }
}

/** Up to where the repository holds the stretch from its start on. */
function heldUntil(ranges: readonly WalRange[], { timeline, startLsn }: SpoolContent): Lsn {
  const range = ranges.find((one) => one.timeline === timeline && one.startLsn <= startLsn && one.endLsn >= startLsn)
  return range?.endLsn ?? startLsn
}
