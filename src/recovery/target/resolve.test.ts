import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  backup,
  commit,
  promoted,
  resolve,
  simple,
  stop,
  time,
  type World,
} from '../../../test/support/resolve-world.ts'
import { targetRequest, type TargetOptions } from './request.ts'

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
