// Targets where WAL has holes, and where timelines were left.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { backup, promoted, resolve, simple, stop, time, type World } from '../../../test/support/resolve-world.ts'

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
