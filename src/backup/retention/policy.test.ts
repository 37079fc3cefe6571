import assert from 'node:assert/strict'
import { test } from 'node:test'

import { seededRandom, type Random } from '../../base/random.ts'
import type { BackupSummary, WalRange } from '../../repository/contract.ts'
import type { TimelineStep } from '../../wal/contract.ts'
import { recoverableRanges } from '../protection/window.ts'
import { windowOf } from './config.ts'
import { decide, type Held, type KnownBackup, type NamedRule, type RetentionRule } from './policy.ts'
import { expiredWal, historyKey, leadsTo, windowBases, type KnownChunk } from './wal.ts'

const DAY = 86_400_000
const SEGMENT = 1 << 20
const START = Date.UTC(2026, 0, 1)

function backup(id: string, day: number, more: Partial<KnownBackup> = {}): KnownBackup {
  const at = BigInt(Math.round(day * 100)) * BigInt(SEGMENT)
  return {
    id,
    systemIdentifier: 7n,
    timeline: 1,
    replayFromLsn: at + 40n,
    stopLsn: at + 900n,
    atMs: START + day * DAY,
    doneMs: START + day * DAY + 3_600_000,
    walSegmentBytes: SEGMENT,
    ...more,
  }
}

const rule = (more: Partial<RetentionRule>): NamedRule => ({ name: 'retention', keepAtLeast: 1, ...more })
const noBases = { holds: [], windowBases: () => [] }
const keptOf = (backups: readonly KnownBackup[], rules: readonly NamedRule[], holds: readonly Held[] = []) =>
  [...decide(backups, rules, { ...noBases, holds }).kept.keys()].join(' ')

const week = Array.from({ length: 7 }, (_, day) => backup(`b${day}`, day))

test('without a rule everything is kept, and it is said why', () => {
  const { kept, expired } = decide(week, [], noBases)
  assert.equal(expired.length, 0)
  assert.deepEqual(kept.get('b3'), ['no retention is configured'])
})

test('count, age and keep_at_least; a hold keeps whatever the rules say', () => {
  assert.equal(keptOf(week, [rule({ count: 2 })]), 'b5 b6')
  assert.equal(keptOf(week, [rule({ ageMs: 2 * DAY })]), 'b4 b5 b6')
  assert.equal(keptOf(week, [rule({ ageMs: DAY, keepAtLeast: 4 })]), 'b3 b4 b5 b6')
  assert.equal(keptOf(week, [rule({ count: 1 })], [{ backup: 'b0', reason: 'audit', wal: 'own' }]), 'b0 b6')
})

test('the longest of the rules decides: per tier', () => {
  const tiers = [rule({ count: 1 }), { ...rule({ ageMs: 3 * DAY }), name: 'tier critical' }]
  const { kept } = decide(week, tiers, noBases)
  assert.equal([...kept.keys()].join(' '), 'b3 b4 b5 b6')
  assert.deepEqual(kept.get('b3'), ['tier critical: age'])
})

test('grandfather, father, son: the newest of each of the last days, weeks, months, years that have one', () => {
  const year = Array.from({ length: 400 }, (_, day) => backup(`d${String(day).padStart(3, '0')}`, day))
  const kept = keptOf(year, [rule({ gfs: { daily: 3, weekly: 2, monthly: 3, yearly: 5 } })]).split(' ')
  const dates = kept.map((id) => new Date(START + Number(id.slice(1)) * DAY).toISOString().slice(0, 10))
  // 2027-02-04 (a Thursday) is the last day.
  const expected = ['2026-12-31', '2027-01-31', '2027-02-02', '2027-02-03', '2027-02-04']
  assert.deepEqual(dates, expected)
})

test('ages count from the newest backup: nothing expires because backups stopped or the clock jumped', () => {
  const old = week.map((one) => ({ ...one, atMs: one.atMs - 1000 * DAY }))
  assert.equal(keptOf(old, [rule({ ageMs: 10 * DAY })]).split(' ').length, 7)
})

test('wal-g 636: after pg_upgrade the timeline begins anew, and the new backups are the newest all the same', () => {
  const before = [0, 1, 2].map((day) => backup(`old${day}`, day, { timeline: 5 }))
  const after = [3, 4].map((day) =>
    backup(`new${day}`, day, { systemIdentifier: 8n, timeline: 1, replayFromLsn: 40n, stopLsn: 900n }),
  )
  assert.equal(keptOf([...after, ...before], [rule({ count: 2 })]), 'new3 new4')
})

test('pgbackrest 680: the first backup into a new repository leaves the WAL there that the old one leads to; it goes with the first that expires', () => {
  const chunks = [chunkAt(7n, 1, 0), chunkAt(7n, 1, 1), chunkAt(7n, 1, 300), chunkAt(7n, 1, 500)]
  const of = { chunks, histories: new Map(), holds: [], windowMs: undefined }
  const [first, second] = [backup('first', 3), backup('second', 5)]
  assert.deepEqual(expiredWal({ ...of, kept: [first], expired: [] }), [])
  assert.deepEqual(expiredWal({ ...of, kept: [first, second], expired: [] }), [])
  assert.deepEqual(
    expiredWal({ ...of, kept: [second], expired: [first] }).map((one) => one.startLsn / BigInt(SEGMENT)),
    [0n, 1n, 300n],
  )
})

test('wal-g 230: no backup, no expiry of WAL; WAL of a cluster whose first backup is to come stays', () => {
  const chunks = [chunkAt(7n, 1, 0), chunkAt(9n, 1, 1)]
  const none = { expired: [], chunks, histories: new Map(), holds: [], windowMs: undefined }
  assert.deepEqual(expiredWal({ ...none, kept: [] }), [])
  const later = backup('b', 3)
  assert.deepEqual(
    expiredWal({ ...none, kept: [later], expired: [backup('a', 1)] }).map((one) => one.systemIdentifier),
    [7n],
  )
})

test('WAL of a timeline whose history nobody knows may belong to any backup before it', () => {
  const one = backup('b', 0, { timeline: 2 })
  assert.equal(leadsTo(one, chunkAt(7n, 3, 5), new Map()), true)
  assert.equal(leadsTo(one, chunkAt(7n, 1, 5), new Map()), false)
})

function chunkAt(systemIdentifier: bigint, timeline: number, segment: number, modifiedMs = START): KnownChunk {
  const startLsn = BigInt(segment) * BigInt(SEGMENT)
  const object = `${systemIdentifier}/${timeline}/${segment}`
  return { object, systemIdentifier, timeline, startLsn, endLsn: startLsn + BigInt(SEGMENT), modifiedMs }
}

// ---------------------------------------------------------------- any history

interface History {
  readonly backups: KnownBackup[]
  readonly chunks: KnownChunk[]
  readonly histories: Map<string, readonly TimelineStep[]>
  readonly rules: NamedRule[]
  readonly holds: Held[]
}

/** Days pass: WAL grows, holes appear, backups are taken, the server is promoted, restored from earlier, upgraded. */
function randomHistory(random: Random): History {
  const made: History = { backups: [], chunks: [], histories: new Map(), rules: [], holds: [] }
  let [system, timeline, segment, newestTimeline] = [7n, 1, 1, 1]
  made.histories.set(historyKey(system, 1), [])
  const days = 5 + random.integer(40)
  for (let day = 0; day < days; day++) {
    const atMs = START + day * DAY
    const event = random.integer(20)
    if (event === 0) [system, timeline, segment, newestTimeline] = [system + 1n, 1, 1, 1]
    else if (event === 1 || event === 2) {
      // A promotion; or a restore to an earlier point, which branches off behind.
      const back = event === 2 ? Math.min(segment - 1, random.integer(8)) : 0
      const steps = made.histories.get(historyKey(system, timeline)) ?? []
      const last = steps.at(-1)
      const switchLsn = BigInt(segment - back) * BigInt(SEGMENT) + 77n
      if (!last || switchLsn > last.switchLsn) {
        const from = timeline
        timeline = ++newestTimeline
        segment -= back
        made.histories.set(historyKey(system, timeline), [...steps, { timeline: from, switchLsn, reason: '' }])
      }
    }
    if (!made.histories.has(historyKey(system, timeline))) made.histories.set(historyKey(system, timeline), [])
    const before = segment
    for (let grown = 1 + random.integer(4); grown > 0; grown--) {
      if (random.integer(25) > 0) made.chunks.push(chunkAt(system, timeline, segment, atMs + random.integer(DAY)))
      segment++
    }
    if (random.integer(4) > 0) {
      const startLsn = BigInt(before) * BigInt(SEGMENT) + 100n + BigInt(random.integer(1000))
      const spread = BigInt(random.integer((segment - before) * SEGMENT - 2000))
      const doneMs = atMs + random.integer(DAY)
      made.backups.push({
        id: `b${day}`,
        systemIdentifier: system,
        timeline,
        replayFromLsn: random.integer(3) === 0 ? olderStart(made, { system, timeline, startLsn }) : startLsn,
        stopLsn: startLsn + spread,
        atMs,
        doneMs,
        walSegmentBytes: SEGMENT,
      })
    }
  }
  for (let count = 1 + random.integer(2); count > 0; count--) made.rules.push(randomRule(random, count))
  for (const one of made.backups)
    if (random.integer(8) === 0)
      made.holds.push({ backup: one.id, reason: 'x', wal: random.integer(2) === 0 ? 'own' : 'since' })
  return made
}

/** Where an earlier backup of the timeline begins to replay, all WAL since then being there: a tier has deferred what has changed since. */
function olderStart(made: History, at: { system: bigint; timeline: number; startLsn: bigint }): bigint {
  const { system, timeline, startLsn } = at
  const own = made.chunks.filter((one) => one.systemIdentifier === system && one.timeline === timeline)
  const older = made.backups.find((one) => {
    if (one.systemIdentifier !== system || one.timeline !== timeline || one.stopLsn > startLsn) return false
    const from = one.replayFromLsn - (one.replayFromLsn % BigInt(SEGMENT))
    return joined(own).some((range) => range.startLsn <= from && range.endLsn >= startLsn)
  })
  return older?.replayFromLsn ?? startLsn
}

function randomRule(random: Random, number: number): NamedRule {
  const maybe = (most: number) => (random.integer(2) === 0 ? undefined : random.integer(most))
  return {
    name: `rule ${number}`,
    keepAtLeast: random.integer(3),
    count: maybe(6),
    ageMs: (maybe(20) ?? 3) * DAY,
    gfs: { daily: maybe(5), weekly: maybe(4), monthly: maybe(3), yearly: maybe(2) },
    windowMs: random.integer(2) === 0 ? undefined : (random.integer(15) + 1) * DAY,
  }
}

/** What can be reached with these backups and this WAL, in whole segments: by the code that tells users so, not by policy's. */
function reachable(history: History, backups: readonly KnownBackup[], chunks: readonly KnownChunk[]): Set<string> {
  const found = new Set<string>()
  for (const system of new Set(backups.map((one) => one.systemIdentifier))) {
    const own = chunks.filter((one) => one.systemIdentifier === system)
    const ranges: WalRange[] = joined(own)
    const histories = new Map<number, readonly TimelineStep[]>()
    for (const { timeline } of ranges)
      histories.set(timeline, history.histories.get(historyKey(system, timeline)) ?? [])
    for (const one of backups.filter((each) => each.systemIdentifier === system)) {
      const summary = { ...one, startLsn: one.replayFromLsn, finishedMs: one.doneMs, startedMs: one.atMs }
      const stretches = recoverableRanges({
        backups: [summary as unknown as BackupSummary],
        ranges,
        histories,
        endTimeOf: () => 0,
      })
      for (const { timeline, fromLsn, toLsn } of stretches) {
        const [from, to] = [lsn(fromLsn), lsn(toLsn)]
        found.add(`${system}/${timeline} from ${from}`)
        for (let at = from / BigInt(SEGMENT); at * BigInt(SEGMENT) < to; at++) found.add(`${system}/${timeline}/${at}`)
      }
    }
  }
  return found
}

const lsn = (text: string) => {
  const [high, low] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

function joined(chunks: readonly KnownChunk[]): WalRange[] {
  const ranges: { timeline: number; startLsn: bigint; endLsn: bigint }[] = []
  for (const one of chunks.toSorted((a, b) => a.timeline - b.timeline || (a.startLsn < b.startLsn ? -1 : 1))) {
    const before = ranges.at(-1)
    if (before?.timeline === one.timeline && before.endLsn >= one.startLsn)
      before.endLsn = before.endLsn > one.endLsn ? before.endLsn : one.endLsn
    else ranges.push({ timeline: one.timeline, startLsn: one.startLsn, endLsn: one.endLsn })
  }
  return ranges
}

const count = Number(process.env['ACCEPT_COUNT'] ?? 500)
const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))

test(`what is promised before expiry can be recovered after it: ${count} histories (seed ${seed})`, () => {
  let [expiredBackups, expiredChunks] = [0, 0]
  for (let number = 0; number < count; number++) {
    const history = randomHistory(seededRandom(seed + number))
    const what = `history ${number} of seed ${seed}`
    const { chunks, histories, holds, rules } = history
    const bases = (some: readonly KnownBackup[], windowMs: number) => windowBases(some, { windowMs, chunks, histories })
    const { kept, expired } = decide(history.backups, rules, { holds, windowBases: bases })
    const staying = history.backups.filter((one) => kept.has(one.id))
    const windowMs = windowOf(rules)
    const gone = new Set(expiredWal({ kept: staying, expired, chunks, histories, holds, windowMs }))
    const left = chunks.filter((one) => !gone.has(one))
    expiredBackups += expired.length
    expiredChunks += gone.size

    const newest = history.backups.at(-1)
    if (newest) assert.ok(kept.has(newest.id), `${what}: the newest backup`)
    for (const hold of holds) assert.ok(kept.has(hold.backup), `${what}: held ${hold.backup}`)
    if (history.backups.length === 0) assert.equal(gone.size, 0, `${what}: no backup, no expiry`)

    const before = reachable(history, staying, chunks)
    const after = reachable(history, staying, left)
    if (windowMs === undefined) assert.deepEqual([...after].sort(), [...before].sort(), what)
    // Each kept backup becomes consistent, whatever the window.
    for (const one of staying) {
      const own = reachable(history, [one], chunks)
      if (own.size > 0) assert.ok(reachable(history, [one], left).size > 0, `${what}: ${one.id} by itself`)
    }
    // Every moment of every window that could be reached with all backups can be reached with those that stay.
    const everything = reachable(history, history.backups, chunks)
    for (const { windowMs: back } of rules) {
      if (back === undefined || !newest) continue
      for (const chunk of chunks) {
        if (chunk.modifiedMs < newest.atMs - back) continue
        const point = `${chunk.systemIdentifier}/${chunk.timeline}/${chunk.startLsn / BigInt(SEGMENT)}`
        if (everything.has(point)) assert.ok(after.has(point), `${what}: ${point} of the window`)
      }
    }
    for (const hold of holds.filter((one) => one.wal === 'since')) {
      const held = history.backups.filter((one) => one.id === hold.backup)
      assert.deepEqual(reachable(history, held, left), reachable(history, held, chunks), `${what}: WAL since a hold`)
    }
  }
  assert.ok(count < 100 || (expiredBackups > count && expiredChunks > count), 'too little expired to show anything')
})

test('a backup from before a switch to wal_level = minimal is no base of a window after it; on another timeline it stays one', () => {
  const chunk = (day: number, more: Partial<KnownChunk> = {}): KnownChunk => {
    const startLsn = BigInt(day * 100 + 50) * BigInt(SEGMENT)
    const at = { systemIdentifier: 7n, timeline: 1, startLsn, endLsn: startLsn + BigInt(SEGMENT) }
    return { object: `c${day}`, modifiedMs: START + (day + 0.5) * DAY, ...at, ...more }
  }
  const bases = (chunks: readonly KnownChunk[], histories: Parameters<typeof leadsTo>[2] = new Map()): string =>
    windowBases(
      week.filter((one) => one.id === 'b0' || one.id === 'b6'),
      { windowMs: 3 * DAY, chunks, histories },
    )
      .map((one) => one.id)
      .join(' ')
  assert.equal(bases([chunk(1), chunk(4)]), 'b0')
  assert.equal(bases([chunk(1, { minimal: true }), chunk(4)]), '', 'nothing of the window can be reached with it')
  assert.equal(bases([chunk(1), chunk(4, { minimal: true }), chunk(5)]), 'b0', 'the window is reached up to the switch')
  // Timeline 2 branched off before the switch on timeline 1: replay towards it never reads that.
  const branch = new Map([[historyKey(7n, 2), [{ timeline: 1, switchLsn: 120n * BigInt(SEGMENT), reason: '' }]]])
  assert.equal(bases([chunk(1, { minimal: true }), chunk(4, { timeline: 2 })], branch), 'b0')
  const late = new Map([[historyKey(7n, 2), [{ timeline: 1, switchLsn: 300n * BigInt(SEGMENT), reason: '' }]]])
  assert.equal(bases([chunk(1, { minimal: true }), chunk(4, { timeline: 2 })], late), '')
})
