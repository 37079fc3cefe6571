import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { WalStatus } from '../backup/contract.ts'
import type { Targets } from './config.ts'
import type { Facts, Known } from './facts.ts'
import { joinedByTime, lossNow } from './loss.ts'
import { judge } from './verdict.ts'

const nowMs = Date.UTC(2026, 10, 21, 12)
const at = (secondsAgo: number) => new Date(nowMs - secondsAgo * 1000).toISOString()
const targets: Targets = { rpo: 60_000, backup_age: 26 * 3_600_000, proof_age: 30 * 86_400_000 }
const known = <T>(value: T): Known<T> => ({ known: true, value })
const unknown: Known<never> = {
  known: false,
  why: {
    what: 'backups of retail',
    code: 'repository.unreachable',
    message: 'no such host',
    hint: 'check the network',
  },
}

const streaming: WalStatus = {
  warehouse: 'retail',
  repository: 'local',
  state: 'streaming',
  timeline: 1,
  durableLsn: '0/5000000',
  serverLsn: '0/5000400',
  lagBytes: 1024,
  lagMs: 700,
  lastMessageAt: at(1),
  error: undefined,
}

const backup = {
  id: 'b1',
  repository: 'local',
  warehouse: 'retail',
  kind: 'full',
  startLsn: 0x2000028n,
  stopLsn: 0x2000158n,
  startedMs: nowMs - 3_700_000,
  finishedMs: nowMs - 3_600_000,
  corruptBlocks: 0,
  unloggedBytes: 0,
  statistics: { clusterBytes: 1, readBytes: 1, newBytes: 1, storedBytes: 1, sharedBytes: 0, durationMs: 1 },
} as unknown as Extract<Facts['backups'], { known: true }>['value'][number]

const range = { timeline: 1, fromLsn: '0/2000158', toLsn: '0/5000000', fromTime: at(3600), toTime: at(1) }

/** A warehouse with nothing wrong at all. */
const good: Facts = {
  warehouse: 'retail',
  repositories: ['local'],
  wal: known([streaming]),
  backups: known([backup]),
  window: known([range]),
  walRanges: known([{ timeline: 1, startLsn: 0x2000000n, endLsn: 0x5000000n }]),
  checks: known([]),
  unlogged: known({ relations: 0, bytes: 0 }),
  estimate: known({
    warehouse: 'retail',
    expectedMs: 60_000,
    lowMs: 40_000,
    highMs: 90_000,
    steps: [],
    basis: 'measured',
  }),
  proof: known({ at: at(7200), backup: 'b1', durationMs: 61_000 }),
  loads: known([]),
}

const codes = (facts: Facts) => judge(facts, targets, nowMs).problems.map((one) => one.code)

test('nothing wrong: protected, with the receiver as the basis of the loss', () => {
  const status = judge(good, targets, nowMs)
  assert.equal(status.verdict, 'protected')
  assert.deepEqual(status.problems, [])
  assert.deepEqual(status.rpo, { ms: 700, bytes: 1024, basis: 'receiver', growing: false, repository: 'local' })
  assert.equal(
    status.sentence,
    'Losing the server now would lose at most the last 700 ms of changes. Back in about 1 min.',
  )
})

test('a scheduled check that does not happen is a problem', () => {
  const overdue = (lastGoodMs: number | undefined) =>
    judge(
      { ...good, checks: known([{ repository: 'local', lastGoodMs, ageMs: 3 * 86_400_000, limitMs: 2 * 86_400_000 }]) },
      targets,
      nowMs,
    )
  const never = overdue(undefined)
  assert.equal(never.verdict, 'degraded')
  assert.deepEqual(never.problems, [
    {
      code: 'assurance.check-overdue',
      severity: 'warning',
      message:
        'repository local was never checked without a finding in the 3 d since its oldest backup, and its schedule allows 2 d',
      hint: '"wharf up" runs scheduled checks; by hand: wharf repository check local',
    },
  ])
  assert.equal(
    overdue(0).problems[0]?.message,
    'the last check of repository local without a finding was 3 d ago, and its schedule allows 2 d',
  )
})

test('whatever could not be asked is never protected', () => {
  for (const name of ['backups', 'window', 'wal'] as const) {
    const status = judge({ ...good, [name]: unknown }, targets, nowMs)
    assert.equal(status.verdict, 'unknown', name)
    assert.deepEqual(status.unknown, [name])
    assert.equal(status.problems[0]?.message, 'cannot tell backups of retail: no such host')
    assert.equal(status.problems[0]?.hint, 'check the network')
  }
  for (const name of ['walRanges', 'checks', 'unlogged', 'estimate', 'proof', 'loads'] as const) {
    assert.equal(judge({ ...good, [name]: unknown }, targets, nowMs).verdict, 'degraded', name)
  }
})

test('no complete backup: everything is lost, however well WAL arrives', () => {
  const status = judge({ ...good, backups: known([]), window: known([]), walRanges: known([]) }, targets, nowMs)
  assert.equal(status.verdict, 'unprotected')
  assert.equal(status.rpo.basis, 'everything')
  assert.equal(status.rpo.ms, null)
  assert.equal(status.rto, null)
  assert.ok(status.problems.some((one) => one.code === 'assurance.no-backup'))
})

test('a backup whose WAL is not there serves no moment: everything is lost', () => {
  assert.equal(lossNow({ ...good, window: known([]) }, nowMs).basis, 'everything')
})

test('a row that nobody touched for a while is silent, whatever state it names, and the loss grows', () => {
  const status = judge({ ...good, wal: known([{ ...streaming, lastMessageAt: at(300) }]) }, targets, nowMs)
  assert.equal(status.verdict, 'unprotected')
  assert.equal(status.receivers[0]?.state, 'silent')
  assert.deepEqual(status.rpo, { ms: 300_700, bytes: null, basis: 'last-contact', growing: true, repository: 'local' })
})

test('a receiver that is cut off for less than the target is a warning, for longer critical', () => {
  const failing = {
    ...streaming,
    state: 'failing' as const,
    error: { code: 'x', message: 'disk full', hint: 'free some' },
  }
  assert.equal(
    judge({ ...good, wal: known([{ ...failing, lastMessageAt: at(20) }]) }, targets, nowMs).verdict,
    'degraded',
  )
  const long = judge({ ...good, wal: known([{ ...failing, lastMessageAt: at(90) }]) }, targets, nowMs)
  assert.equal(long.verdict, 'unprotected')
  assert.equal(
    long.problems[0]?.message,
    'WAL of retail is not reaching repository local (failing, last heard of the server 1 min 30 s ago): disk full',
  )
  assert.equal(long.problems[0]?.hint, 'free some')
})

test('nobody receives: loss counts from the end of the window', () => {
  const status = judge({ ...good, wal: known([]), window: known([{ ...range, toTime: at(600) }]) }, targets, nowMs)
  assert.equal(status.verdict, 'unprotected')
  assert.deepEqual(status.rpo, { ms: 600_000, bytes: null, basis: 'window', growing: true, repository: null })
})

test('WAL behind a hole counts for nothing', () => {
  const cut: Facts = {
    ...good,
    window: known([{ ...range, toLsn: '0/3000000', toTime: at(900) }]),
    walRanges: known([
      { timeline: 1, startLsn: 0x2000000n, endLsn: 0x3000000n },
      { timeline: 1, startLsn: 0x4000000n, endLsn: 0x5000000n },
    ]),
  }
  const status = judge(cut, targets, nowMs)
  assert.equal(status.rpo.basis, 'window')
  assert.equal(status.rpo.ms, 900_000)
  assert.equal(status.verdict, 'unprotected')
  assert.ok(status.problems.some((one) => one.code === 'assurance.wal-hole'))
})

test('of several repositories the one that loses least counts, and the other is still named', () => {
  const other = { ...streaming, repository: 'far', state: 'failing' as const, lastMessageAt: at(400) }
  const status = judge({ ...good, repositories: ['local', 'far'], wal: known([other, streaming]) }, targets, nowMs)
  assert.equal(status.rpo.repository, 'local')
  assert.equal(status.rpo.ms, 700)
  assert.equal(status.verdict, 'degraded')
})

test('lag over the target, an old backup, corrupt blocks, an old proof, a slow return, a failed load: each is named', () => {
  const run = {
    pipeline: 'sales',
    businessDate: '2026-06-30',
    createdAt: at(9),
    startedAt: at(9),
    finishedAt: at(5),
    rows: undefined,
    tasksDone: 0,
    tasks: 1,
  }
  assert.deepEqual(codes({ ...good, wal: known([{ ...streaming, lagMs: 61_000 }]) }), ['assurance.rpo-missed'])
  assert.deepEqual(codes({ ...good, backups: known([{ ...backup, finishedMs: nowMs - 27 * 3_600_000 }]) }), [
    'assurance.backup-old',
  ])
  assert.deepEqual(codes({ ...good, backups: known([{ ...backup, corruptBlocks: 2 }]) }), ['assurance.corrupt-blocks'])
  assert.deepEqual(codes({ ...good, proof: known({ at: at(31 * 86_400), backup: 'b', durationMs: 1 }) }), [
    'assurance.proof-old',
  ])
  assert.deepEqual(codes({ ...good, proof: known(undefined) }), ['assurance.never-proven'])
  assert.deepEqual(codes({ ...good, unlogged: known({ relations: 1, bytes: 8192 }) }), ['assurance.unlogged'])
  const failed = { ...run, runId: 'r2', state: 'failed' as const, error: { code: 'x', message: 'bad number' } }
  assert.deepEqual(codes({ ...good, loads: known([failed]) }), ['assurance.load-failed'])
  const mended = { ...run, runId: 'r3', state: 'succeeded' as const, error: undefined }
  assert.deepEqual(codes({ ...good, loads: known([mended, failed]) }), [], 'a newer run that succeeded makes up for it')
  const slow = judge(good, { ...targets, rto: 30_000 }, nowMs)
  assert.deepEqual(
    slow.problems.map((one) => one.code),
    ['assurance.rto-missed'],
  )
})

test('ranges of several repositories and timelines join by time; what lies between is a hole', () => {
  const one = { ...range, fromTime: at(900), toTime: at(600) }
  const same = { ...range, fromTime: at(800), toTime: at(500) }
  const later = { ...range, fromTime: at(300), toTime: at(1) }
  const joined = joinedByTime([later, same, one])
  assert.deepEqual(
    joined.map(({ from, to }) => [from.fromTime, to.toTime]),
    [
      [at(900), at(500)],
      [at(300), at(1)],
    ],
  )
  assert.equal(judge({ ...good, window: known([later, same, one]) }, targets, nowMs).window.holes, 1)
})

test('a drill that found something is critical until one passes, and evidence that was edited is named', () => {
  const failed = {
    id: '20261121T040000Z-7f3a9c1e',
    at: at(3600),
    outcome: 'failed' as const,
    grave: true,
    findings: ['blocks 0–31 of base/5/16385 (retail.public.sales): damaged'],
  }
  const status = judge({ ...good, drills: known({ count: 3, last: failed, evidenceProblems: [] }) }, targets, nowMs)
  assert.equal(status.verdict, 'unprotected')
  assert.deepEqual(status.problems, [
    {
      code: 'assurance.drill-failed',
      severity: 'critical',
      message:
        'the last drill of retail (20261121T040000Z-7f3a9c1e) failed: blocks 0–31 of base/5/16385 (retail.public.sales): damaged',
      hint: 'wharf drill show 20261121T040000Z-7f3a9c1e; mend it, then prove it: wharf drill run retail',
    },
  ])
  const light = judge(
    { ...good, drills: known({ count: 3, last: { ...failed, grave: false }, evidenceProblems: [] }) },
    targets,
    nowMs,
  )
  assert.equal(light.verdict, 'degraded')
  const passed = { ...failed, outcome: 'passed' as const, findings: [] }
  assert.deepEqual(codes({ ...good, drills: known({ count: 4, last: passed, evidenceProblems: [] }) }), [])
  assert.deepEqual(
    codes({ ...good, drills: known({ count: 4, last: passed, evidenceProblems: ['drill number 2 is missing'] }) }),
    ['assurance.drill-evidence'],
  )
  assert.deepEqual(codes({ ...good, drills: unknown }), ['assurance.unknown'])
})
