import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { BackupSummary, WalChunkInfo, WalRange } from '../../repository/contract.ts'
import type { CommitEntry } from '../../wal/contract.ts'
import type { WalIndex } from './commit-index.ts'
import { targetRequest, type TargetOptions } from './request.ts'
import { resolveTarget, type ResolvedTarget } from './resolve.ts'

// One chunk is 0x1000 bytes; `at` is a number that stands for both LSN and, times one second, commit time.
const signal = new AbortController().signal
const us = (second: number): bigint => BigInt(second) * 1_000_000n + 1_700_000_000_000_000n
const time = (second: number): string => new Date(Number(us(second) / 1000n)).toISOString()

function commit(at: number, second: number, extra: Partial<CommitEntry> = {}): CommitEntry {
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
function backup(
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

interface World {
  readonly ranges: readonly (readonly [timeline: number, start: number, end: number, stopped?: true])[]
  readonly entries: readonly (readonly [timeline: number, entry: CommitEntry])[]
  readonly backups: readonly BackupSummary[]
  readonly histories?: Readonly<Record<number, string>>
  /** Where the last record starts. */
  readonly lastRecord?: number
}

function indexOf(world: World): WalIndex {
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

function resolve(
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

const simple: World = {
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

const stop = (resolved: ResolvedTarget): string =>
  `${resolved.backup.id} ${resolved.stop.kind} ${resolved.stop.lsn.toString(16)}`

test('a target of each kind becomes a backup and a record', async () => {
  const cases: readonly (readonly [TargetOptions, string])[] = [
    [{ latest: true }, 'b end 8000'],
    [{ lsn: '0/3A00' }, 'b before 3a00'],
    [{ lsn: '0/3A00', inclusive: true }, 'b after 3a00'],
    [{ lsn: '0/2000' }, 'a before 2000'],
    // Within a record: it is replayed, and recovery stops before the next.
    [{ lsn: '0/2010' }, 'a before 2100'],
    [{ at: time(40) }, 'b before 3b00'],
    [{ at: time(40), inclusive: false }, 'b before 3a00'],
    [{ at: time(10) }, 'a before 2900'],
    [{ at: time(21) }, 'b before 3a00'],
    [{ name: 'nightly' }, 'a after 2a00'],
    [{ xid: '503' }, 'b after 6900'],
    [{ xid: '503', inclusive: false }, 'b before 6900'],
    [{ xid: String((5n << 32n) + 503n) }, 'b after 6900'],
    [{ beforeLoad: 'L1' }, 'b before 3b00'],
  ]
  for (const [options, expected] of cases)
    assert.equal(stop(await resolve(simple, options)), expected, JSON.stringify(options))
})

test('exactly one target must be named', () => {
  assert.throws(() => targetRequest({}), { message: 'no recovery target was named' })
  assert.throws(() => targetRequest({ latest: true, lsn: '0/1' }), { message: '--latest and --lsn exclude each other' })
  assert.throws(() => targetRequest({ xid: '1e3' }), { message: 'not a transaction id: "1e3"' })
  assert.throws(() => targetRequest({ xid: '2' }), { code: 'recovery.bad-xid' })
})

test('a target that cannot be reached says what can', async () => {
  const cases: readonly (readonly [TargetOptions & { backup?: string; timeline?: number }, string, RegExp])[] = [
    [
      { at: time(60) },
      'recovery.beyond-end',
      /the last point that can be reached is the commit of .* \(LSN 0\/6920\): --latest goes there$/,
    ],
    [{ lsn: '0/9000' }, 'recovery.beyond-end', /LSN 0\/8000/],
    [{ lsn: '0/1700' }, 'recovery.before-first', /LSN 0\/1800 \(backup a/],
    [{ at: time(4) }, 'recovery.before-first', /LSN 0\/1800 \(backup a, finished 2023-11-14 22:13:25.000000 UTC\)$/],
    [{ name: 'weekly' }, 'recovery.unknown-name', /case sensitive/],
    [{ xid: '777' }, 'recovery.unknown-xid', /subtransaction/],
    [
      { beforeLoad: 'L2' },
      'recovery.unknown-load',
      /^wharf load journal WAREHOUSE shows the ids; a load that was rolled back needs no recovery$/,
    ],
    [{ latest: true, backup: 'zz' }, 'recovery.unknown-backup', /wharf backup list/],
    [{ lsn: '0/2000', backup: 'b' }, 'recovery.backup-too-late', /leave --backup out/],
    [{ latest: true, timeline: 3 }, 'recovery.unknown-timeline', /1$/],
  ]
  for (const [options, code, hint] of cases) {
    await assert.rejects(resolve(simple, options), (error: { code: string; hint: string }) => {
      assert.equal(error.code, code, JSON.stringify(options))
      assert.match(error.hint, hint)
      return true
    })
  }
})

test('what cannot be reached is said in these words', async () => {
  const twice: World = {
    ...simple,
    entries: [...simple.entries, [1, commit(0x7000, 70, { kind: 'restore-point', name: 'nightly', xid: 0 })]],
  }
  const said = async (world: World, options: Parameters<typeof resolve>[1]): Promise<string> => {
    const error = await resolve(world, options).then(
      () => assert.fail('it can be reached'),
      (reason: unknown) => reason as Error & { hint: string },
    )
    return `${error.message} | ${error.hint}`
  }
  const words: readonly (readonly [World, Parameters<typeof resolve>[1], string])[] = [
    [
      simple,
      { lsn: '0/9000' },
      'LSN 0/9000 is beyond the end of what the repository holds of timeline 1 | the last point that can be reached is LSN 0/8000: --latest goes there',
    ],
    [
      simple,
      { at: time(4) },
      '2023-11-14 22:13:24.000000 UTC is before the end of the first backup on timeline 1 | the earliest point that can be reached is LSN 0/1800 (backup a, finished 2023-11-14 22:13:25.000000 UTC)',
    ],
    [
      simple,
      { name: 'weekly' },
      'no restore point "weekly" is in the WAL that the repository holds | names are those given to pg_create_restore_point(); they are case sensitive',
    ],
    [
      simple,
      { xid: '777' },
      'no end of transaction 777 is in the WAL that the repository holds | it may still run, be a subtransaction, or have ended before the first backup',
    ],
    [
      simple,
      { beforeLoad: 'L2' },
      'no committed load "L2" is in the WAL that the repository holds | wharf load journal WAREHOUSE shows the ids; a load that was rolled back needs no recovery',
    ],
    [
      simple,
      { latest: true, backup: 'zz' },
      'there is no complete backup "zz" of warehouse "retail" | wharf backup list shows what there is',
    ],
    [
      simple,
      { lsn: '0/2000', backup: 'b' },
      'backup b ends at 0/3800, after LSN 0/2000 | leave --backup out: the right one is then chosen',
    ],
    [simple, { latest: true, timeline: 3 }, 'the repository knows no timeline 3 | timelines with WAL: 1'],
    [
      promoted,
      { latest: true, backup: 'late', timeline: 2 },
      'backup late does not lie on the way to timeline 2 | leave --backup out, or name another timeline with --timeline',
    ],
    [
      promoted,
      { at: time(90) },
      '2023-11-14 22:14:50.000000 UTC is beyond the end of what the repository holds of timeline 2 | the last point that can be reached is the commit of 2023-11-14 22:14:00.000000 UTC (LSN 0/7020): --latest goes there; the abandoned timeline 1 goes up to 2023-11-14 22:14:55.000000 UTC: --timeline 1',
    ],
    [
      twice,
      { name: 'nightly' },
      'restore point "nightly" is found several times | choose one with --lsn: 0/2A00 of 2023-11-14 22:13:41.000000 UTC; 0/7000 of 2023-11-14 22:14:30.000000 UTC',
    ],
  ]
  for (const [world, options, text] of words) assert.equal(await said(world, options), text)
})

test('a time between two backups that nothing was committed in: either holds the same, an earlier one is refused', async () => {
  assert.equal(stop(await resolve(simple, { at: time(5) })), 'a before 1900')
  assert.equal(stop(await resolve(simple, { at: time(22) })), 'b before 3a00')
  const early: World = { ...simple, entries: [[1, commit(0x1100, 6)], ...simple.entries] }
  await assert.rejects(resolve(early, { at: time(5) }), { code: 'recovery.before-first' })
})

test('clocks that go back: recovery stops before the first later commit in the order of WAL, as PostgreSQL does', async () => {
  const jumping: World = {
    ...simple,
    entries: [
      [1, commit(0x3900, 30)],
      [1, commit(0x3a00, 90)],
      [1, commit(0x3b00, 31)],
      [1, commit(0x3c00, 99)],
    ],
  }
  assert.equal(stop(await resolve(jumping, { at: time(35) })), 'b before 3a00')
})

test('a commit whose record crosses from one chunk into the next counts', async () => {
  const world = { ...simple, entries: [...simple.entries, [1, commit(0x4ff0, 55, { xid: 777 })] as const] }
  const byTime = await resolve(world, { at: time(55), inclusive: false })
  assert.deepEqual(byTime.stop, { kind: 'before', lsn: 0x4ff0n })
  const byXid = await resolve(world, { xid: '777' })
  assert.deepEqual(byXid.stop, { kind: 'after', lsn: 0x4ff0n, endLsn: 0x5010n })
})

test('a load counts by its committed attempt, not by one that was rolled back', async () => {
  const retried: World = {
    ...simple,
    entries: [
      [1, commit(0x3900, 30, { kind: 'load', name: 'L1', xid: 501 })],
      [1, commit(0x3a00, 31, { kind: 'abort', xid: 501 })],
      [1, commit(0x3b00, 32, { kind: 'load', name: 'L1', xid: 502 })],
      [1, commit(0x3c00, 33, { xid: 502 })],
    ],
  }
  assert.equal(stop(await resolve(retried, { beforeLoad: 'L1' })), 'b before 3c00')
})

test('the end of WAL as an LSN is its end, whether or not a record starts there', async () => {
  assert.equal(stop(await resolve(simple, { lsn: '0/7F00' })), 'b end 8000')
  // Behind the header of a page of which nothing is written: where pg_current_wal_insert_lsn() stands at a border.
  assert.equal(stop(await resolve(simple, { lsn: '0/8018' })), 'b end 8000')
  await assert.rejects(resolve(simple, { lsn: '0/8019' }), { code: 'recovery.beyond-end' })
  await assert.rejects(resolve(simple, { lsn: '0/7F00', inclusive: true }), { code: 'recovery.beyond-end' })
})

const holed: World = {
  ...simple,
  ranges: [
    [1, 0x1000, 0x5000],
    [1, 0x6000, 0x8000],
  ],
}

test('WAL behind a hole is named, not passed over', async () => {
  await assert.rejects(resolve(holed, { at: time(55) }), {
    code: 'recovery.in-hole',
    message: '2023-11-14 22:14:15.000000 UTC cannot be reached: WAL from 0/5000 to 0/6000 is missing',
  })
  await assert.rejects(resolve(holed, { lsn: '0/6900' }), {
    message: 'LSN 0/6900 cannot be reached: WAL from 0/5000 to 0/6000 is missing',
  })
  const latest = await resolve(holed, { latest: true })
  assert.equal(stop(latest), 'b end 5000')
  assert.deepEqual(latest.reach.hole, { fromLsn: 0x5000n, toLsn: 0x6000n })
})

test('replay stops right before a switch to wal_level = minimal; what lies behind it is refused', async () => {
  const minimal: World = {
    ...simple,
    ranges: [
      [1, 0x1000, 0x5000, true],
      [1, 0x5040, 0x8000],
    ],
  }
  const latest = await resolve(minimal, { latest: true })
  assert.equal(stop(latest), 'b before 5000')
  assert.deepEqual(latest.reach.hole, { fromLsn: 0x5000n, toLsn: 0x5040n, stopped: true })
  for (const [wishes, target] of [
    [{ at: time(55) }, '2023-11-14 22:14:15.000000 UTC'],
    [{ lsn: '0/6900' }, 'LSN 0/6900'],
  ] as const)
    await assert.rejects(resolve(minimal, wishes), {
      code: 'recovery.in-hole',
      message: `${target} cannot be reached: at 0/5000 the server went to wal_level = minimal, and no replay goes past that`,
    })
  const after: World = { ...minimal, backups: [...minimal.backups, backup('c', [0x6000, 0x6100], 58)] }
  assert.equal(stop(await resolve(after, { latest: true })), 'c end 8000')
})

test('a backup after the hole serves what comes after it', async () => {
  const after: World = { ...holed, backups: [...holed.backups, backup('c', [0x6000, 0x6100], 58)] }
  assert.equal(stop(await resolve(after, { xid: '503' })), 'c after 6900')
  assert.equal(stop(await resolve(after, { at: time(59) })), 'c before 6900')
  await assert.rejects(resolve(after, { at: time(55) }), (error: { code: string; hint: string }) => {
    assert.equal(error.code, 'recovery.in-hole')
    assert.match(
      error.hint,
      /^before the hole the last point is .* \(LSN 0\/4920\); after it the first is LSN 0\/6100 \(backup c/,
    )
    return true
  })
})

test('a backup that has deferred something is of no use where WAL since its oldest image has a hole', async () => {
  const deferring = backup('c', [0x6000, 0x6100], 58, { replayFromLsn: 0x1000n })
  const after: World = { ...holed, backups: [...holed.backups, deferring] }
  await assert.rejects(resolve(after, { xid: '503' }), { code: 'recovery.in-hole' })
  await assert.rejects(resolve(after, { latest: true }), { code: 'recovery.in-hole' })
  const whole: World = { ...after, ranges: [[1, 0x1000, 0x7000]] }
  assert.equal(stop(await resolve(whole, { xid: '503' })), 'c after 6900')
})

// Timeline 2 left 1 at 0x4000; timeline 1 went on alone for a while.
const promoted: World = {
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

test('the newest timeline is followed, and what was abandoned must be asked for', async () => {
  const latest = await resolve(promoted, { latest: true })
  assert.equal(`${stop(latest)} on ${latest.timeline}`, 'a end 8000 on 2')
  const early = await resolve(promoted, { at: time(20) })
  assert.equal(`${stop(early)} on ${early.timeline}`, 'a before 4100 on 2')
  // Nothing was done on it by then, and something on the one that was left.
  const silent = await resolve(promoted, { at: time(25) })
  assert.equal(`${stop(silent)} on ${silent.timeline}`, 'a before 4100 on 2')
  assert.match(
    silent.aside!,
    /^timeline 1, which was left, had the commit of .* by then; this is timeline 2, and ends with the commit of .*: --timeline 1 leads to the other$/,
  )
  assert.deepEqual(
    [(await resolve(promoted, { at: time(15) })).aside, (await resolve(promoted, { at: time(25), timeline: 2 })).aside],
    [undefined, undefined],
  )
  const before = await resolve(promoted, { at: time(5) })
  assert.equal(`${stop(before)} on ${before.timeline}`, 'a before 2000 on 1')
  await assert.rejects(resolve(promoted, { xid: '902' }), { code: 'recovery.unknown-xid' })
  await assert.rejects(resolve(promoted, { at: time(90) }), (error: { code: string; hint: string }) => {
    assert.equal(error.code, 'recovery.beyond-end')
    assert.match(error.hint, /the abandoned timeline 1 goes up to .*: --timeline 1$/)
    return true
  })
  assert.equal(stop(await resolve(promoted, { xid: '902', timeline: 1 })), 'late after 5900')
  await assert.rejects(resolve(promoted, { latest: true, backup: 'late', timeline: 2 }), {
    code: 'recovery.backup-off-history',
  })
})

test('a timeline without its history file is refused', async () => {
  const { histories: _, ...nameless } = promoted
  await assert.rejects(resolve(nameless, { latest: true }), {
    message: 'the repository holds WAL of timeline 2 but not its history file',
  })
})

test('a restore point given twice must be chosen by LSN', async () => {
  const twice: World = {
    ...simple,
    entries: [...simple.entries, [1, commit(0x7000, 70, { kind: 'restore-point', name: 'nightly', xid: 0 })]],
  }
  await assert.rejects(resolve(twice, { name: 'nightly' }), (error: { code: string; hint: string }) => {
    assert.equal(error.code, 'recovery.ambiguous')
    assert.match(error.hint, /^choose one with --lsn: 0\/2A00 of .*; 0\/7000 of /)
    return true
  })
})

test('a warehouse that was made anew under its name: the newest cluster is meant', async () => {
  const remade: World = {
    ...simple,
    backups: [backup('old', [0x1000, 0x1800], 1, { systemIdentifier: 6n }), ...simple.backups],
  }
  assert.equal(stop(await resolve(remade, { latest: true })), 'b end 8000')
})
