// A repository as resolving a target sees it: ranges of WAL, backups and commits, told in a few numbers.
import type { BackupSummary, WalChunkInfo, WalRange } from '../../src/repository/contract.ts'
import type { CommitEntry } from '../../src/wal/contract.ts'
import type { WalIndex } from '../../src/recovery/target/commit-index.ts'
import { targetRequest, type TargetOptions } from '../../src/recovery/target/request.ts'
import { resolveTarget, type ResolvedTarget } from '../../src/recovery/target/resolve.ts'

// One chunk is 0x1000 bytes; `at` is a number that stands for both LSN and, times one second, commit time.
export const signal = new AbortController().signal
export const us = (second: number): bigint => BigInt(second) * 1_000_000n + 1_700_000_000_000_000n
export const time = (second: number): string => new Date(Number(us(second) / 1000n)).toISOString()

export function commit(at: number, second: number, extra: Partial<CommitEntry> = {}): CommitEntry {
  return {
    kind: 'commit',
    startLsn: BigInt(at),
    endLsn: BigInt(at + 0x20),
    xid: at % 1000,
    timeUs: us(second),
    ...extra,
  }
}

/** `second`: when it finished. */
export function backup(
  id: string,
  [start, stop]: readonly [number, number],
  second: number,
  extra: Partial<BackupSummary> = {},
): BackupSummary {
  const finishedMs = Number(us(second) / 1000n)
  const fields = {
    id,
    warehouse: 'retail',
    systemIdentifier: 7n,
    timeline: 1,
    startLsn: BigInt(start),
    replayFromLsn: BigInt(start),
    stopLsn: BigInt(stop),
    finishedMs,
    walSegmentBytes: 16 * 1024 * 1024,
  }
  return { ...fields, ...extra } as BackupSummary
}

export interface World {
  readonly ranges: readonly (readonly [timeline: number, start: number, end: number, stopped?: true])[]
  readonly entries: readonly (readonly [timeline: number, entry: CommitEntry])[]
  readonly backups: readonly BackupSummary[]
  readonly histories?: Readonly<Record<number, string>>
  /** Where the last record starts. */
  readonly lastRecord?: number
}

export function indexOf(world: World): WalIndex {
  const ranges: WalRange[] = world.ranges.map(([timeline, start, end, stopped]) => ({
    timeline,
    startLsn: BigInt(start),
    endLsn: BigInt(end),
    ...(stopped ? { stopped } : {}),
  }))
  const chunks: WalChunkInfo[] = ranges.flatMap((range) => {
    const made: WalChunkInfo[] = []
    for (let at = range.startLsn; at < range.endLsn; at += 0x1000n) {
      const endLsn = at + 0x1000n < range.endLsn ? at + 0x1000n : range.endLsn
      made.push({
        object: `${range.timeline}/${at}`,
        systemIdentifier: 7n,
        timeline: range.timeline,
        startLsn: at,
        endLsn,
        storedBytes: 1,
        modifiedMs: 0,
      })
    }
    return made
  })
  return {
    replayable: async () => ranges,
    list: async () => chunks,
    history: async (_system, timeline) => world.histories?.[timeline],
    readIndex: async (info) => ({
      changeMap: undefined,
      problem: undefined,
      commits: world.entries
        .filter(
          // As the receiver makes it: a record is in the index of the chunk in which it ends.
          ([timeline, one]) => timeline === info.timeline && one.endLsn > info.startLsn && one.endLsn <= info.endLsn,
        )
        .map(([, one]) => one),
    }),
  }
}

export function resolve(
  world: World,
  options: TargetOptions & { backup?: string; timeline?: number },
): Promise<ResolvedTarget> {
  return resolveTarget({
    wal: indexOf(world),
    backups: world.backups,
    warehouse: 'retail',
    repository: 'main',
    request: targetRequest(options),
    backup: options.backup,
    timeline: options.timeline,
    // Records start at every 0x100.
    recordFrom: async (_view, lsn) =>
      lsn <= BigInt(world.lastRecord ?? 0x7000) ? ((lsn + 0xffn) / 0x100n) * 0x100n : undefined,
    signal,
  })
}

export const simple: World = {
  ranges: [[1, 0x1000, 0x8000]],
  backups: [backup('a', [0x1000, 0x1800], 5), backup('b', [0x3000, 0x3800], 25)],
  entries: [
    [1, commit(0x1900, 10)],
    [1, commit(0x2900, 20)],
    [1, commit(0x2a00, 21, { kind: 'restore-point', name: 'nightly', xid: 0 })],
    [1, commit(0x3900, 30, { kind: 'load', name: 'L1', xid: 501 })],
    [1, commit(0x3a00, 40, { xid: 500 })],
    [1, commit(0x3b00, 41, { xid: 501 })],
    [1, commit(0x4900, 50, { kind: 'abort', xid: 502 })],
    [1, commit(0x6900, 60, { xid: 503 })],
  ],
}

export const stop = (resolved: ResolvedTarget): string =>
  `${resolved.backup.id} ${resolved.stop.kind} ${resolved.stop.lsn.toString(16)}`

/** Timeline 2 began within what timeline 1 went on to write. */
export const promoted: World = {
  ranges: [
    [1, 0x1000, 0x6000],
    [2, 0x4000, 0x8000],
  ],
  histories: { 2: '1\t0/4000\tno recovery target specified\n' },
  backups: [backup('a', [0x1000, 0x1800], 5), backup('late', [0x5000, 0x5800], 90)],
  entries: [
    [1, commit(0x2000, 10)],
    [1, commit(0x4100, 20, { xid: 900 })],
    [1, commit(0x5900, 95, { xid: 902 })],
    [2, commit(0x4100, 30, { xid: 901 })],
    [2, commit(0x7000, 40)],
  ],
}
