// How many transactions committed when, from the commit index of the repository's WAL: what a person sees who looks for the moment to go back to.
import { MINUTE_MS } from '../../base/units.ts'
import type { WalArchive, WalChunkInfo } from '../../repository/contract.ts'

/** Clocks of the store and of the server may differ by so much. */
const SKEW_MS = 5 * MINUTE_MS
/** Indexes read in one call: half a minute of a busy warehouse costs one, a first look at a long time is continued by the next call. */
const MOST_READ = 1000
const AT_ONCE = 8
/** Chunks whose counts are kept: some megabytes. */
const MOST_KEPT = 20_000

/** A repository, as far as this is concerned. */
export interface CommitSource {
  readonly wal: Pick<WalArchive, 'list' | 'readIndex'>
}

/** Second of the epoch → commits in it. */
type Counts = ReadonlyMap<number, number>

/** Chunks never change: what was counted once is kept as long as the repository is open. */
const counted = new WeakMap<CommitSource, Map<string, Counts>>()

export interface CommitCounts {
  /** Epoch milliseconds of the start of the first bucket, and how long each is. */
  readonly fromMs: number
  readonly bucketMs: number
  readonly commits: readonly number[]
  /** From when on all WAL was looked through; earlier buckets are too low. */
  readonly completeFromMs: number
  /** Chunks whose WAL could not be decoded: their commits are not known. */
  readonly undecoded: number
}

export interface CommitSpan {
  readonly systemIdentifier: bigint
  readonly fromMs: number
  readonly toMs: number
  readonly buckets: number
}

export async function countCommits(
  repository: CommitSource,
  span: CommitSpan,
  signal: AbortSignal,
): Promise<CommitCounts> {
  const { systemIdentifier, fromMs, toMs, buckets } = span
  const kept = counted.get(repository) ?? new Map<string, Counts>()
  counted.set(repository, kept)
  const bucketMs = Math.max(1000, Math.ceil((toMs - fromMs) / buckets / 1000) * 1000)
  const commits = Array.from({ length: Math.ceil((toMs - fromMs) / bucketMs) }, () => 0)
  const found: CommitCounts = { fromMs, bucketMs, commits, completeFromMs: fromMs, undecoded: 0 }
  const chunks = (await repository.wal.list(systemIdentifier, signal))
    .filter((one) => one.modifiedMs >= fromMs - SKEW_MS)
    .toSorted((one, other) => other.modifiedMs - one.modifiedMs)
  const unread = chunks.filter((one) => !kept.has(one.object))
  const undecoded = await readCounts(repository, { chunks: unread.slice(0, MOST_READ), kept, signal })
  for (const { object } of chunks) {
    for (const [second, count] of kept.get(object) ?? []) {
      const bucket = Math.floor((second * 1000 - fromMs) / bucketMs)
      if (bucket >= 0 && bucket < commits.length) commits[bucket]! += count
    }
  }
  const missing = unread[MOST_READ]
  forgetSome(kept)
  return { ...found, undecoded, completeFromMs: missing ? missing.modifiedMs + SKEW_MS : fromMs }
}

async function readCounts(
  repository: CommitSource,
  of: { chunks: readonly WalChunkInfo[]; kept: Map<string, Counts>; signal: AbortSignal },
): Promise<number> {
  const waiting = [...of.chunks]
  let undecoded = 0
  const one = async (): Promise<void> => {
    for (let info = waiting.shift(); info; info = waiting.shift()) {
      const index = await repository.wal.readIndex(info, of.signal)
      if (index.problem !== undefined) undecoded++
      const counts = new Map<number, number>()
      for (const { kind, timeUs } of index.commits) {
        if (kind !== 'commit') continue
        const second = Number(timeUs / 1_000_000n)
        counts.set(second, (counts.get(second) ?? 0) + 1)
      }
      of.kept.set(info.object, counts)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  return undecoded
}

/** The oldest first: a map remembers the order. */
function forgetSome(kept: Map<string, Counts>): void {
  for (const object of kept.keys()) {
    if (kept.size <= MOST_KEPT) return
    kept.delete(object)
  }
}
