import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { emptyManifest } from '../../../test/support/sample-manifest.ts'
import { DAY_MS } from '../../base/units.ts'
import type { Manifest, ManifestFile } from '../../repository/contract.ts'
import { changeMapOf, ChangeMapBuilder } from '../../wal/change-map.ts'
import { BLOCK_BYTES } from '../../wal/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { ListedEntry } from '../source/cluster-files.ts'
import { changedSetting, imagesOf, mayKeepImage, obstacleTo, olderImages, type Deferral } from './defer.ts'
import { planFiles, type Base } from './files.ts'
import { planSegment, type SegmentFacts } from './segment.ts'

const PATH = 'base/5/16400'
const KEY = '1663/5/16400'
const labelOf = (lsn: Lsn, more: { timeline?: number; from?: string } = {}): string =>
  [
    `START WAL LOCATION: ${formatLsn(lsn)} (file 000000010000000000000001)`,
    `CHECKPOINT LOCATION: ${formatLsn(lsn + 56n)}`,
    'BACKUP METHOD: streamed',
    `BACKUP FROM: ${more.from ?? 'primary'}`,
    'START TIME: 2026-11-20 14:05:00 UTC',
    'LABEL: wharf',
    `START TIMELINE: ${more.timeline ?? 1}`,
    '',
  ].join('\n')
const segment = (imageLsn: Lsn, path = PATH, blocks = 10): ManifestFile => ({
  kind: 'segment',
  path,
  mode: 0o600,
  modifiedMs: 0,
  bytes: blocks * BLOCK_BYTES,
  map: { object: 'maps/1', offset: 0, bytes: 1, sha256: 'ab'.repeat(32) },
  storedBy: 'older',
  imageLsn,
  auditedMs: 0,
  auditBlock: 0,
})
const image = (lsn: Lsn, atMs = 0) => ({ lsn, backup: `b${lsn}`, atMs, label: labelOf(lsn) })
/** Started at 200 with the file as the image of `imageLsn` has it. */
const parentWith = (files: readonly ManifestFile[]): Manifest => ({
  ...emptyManifest('parent', 'dw'),
  startLsn: 200n,
  startedMs: 2 * DAY_MS,
  backupLabel: labelOf(200n),
  olderImages: [{ ...image(100n, DAY_MS), bytes: 1 }],
  replayFromLsn: 100n,
  files,
  corrupt: [],
  distrusted: [],
})

type Write = { readonly at: Lsn; readonly block: number }
/** The map of what was written at or after a position: WAL before it is not known. */
function mapSince(from: Lsn, writes: readonly Write[]) {
  const builder = new ChangeMapBuilder(from)
  for (const { at, block } of writes) if (at >= from) builder.fork(1663, 5, 16_400, 0).add(block)
  return builder.finish(300n)
}

async function* listing(blocks = 10, path = PATH): AsyncGenerator<ListedEntry> {
  yield { kind: 'segment', path, mode: 0o600, modifiedMs: 1, bytes: blocks * BLOCK_BYTES }
}

const deferral = (files: readonly (readonly [string, number])[], nowMs = 3 * DAY_MS): Deferral => ({
  files: new Map(files),
  images: new Map([image(100n, DAY_MS), image(200n, 2 * DAY_MS)].map((one) => [one.lsn, one])),
  nowMs,
})

async function planOf(base: Base, more: { deferral?: Deferral; blocks?: number } = {}) {
  const plan = await planFiles(listing(more.blocks), { tablespaces: [], base, deferral: more.deferral })
  return plan.segments[0]!.plan
}

const baseOn = (imageLsn: Lsn, writes: readonly Write[], purpose: Base['purpose'] = 'increment'): Base => ({
  parent: parentWith([segment(imageLsn)]),
  purpose,
  changes: mapSince(200n, writes),
  doubt: undefined,
  older: { changes: mapSince(100n, writes), doubt: undefined },
})

test('whatever was written when: what is read of a segment is all that changed since its image, however old that is', async () => {
  const writes = fc.array(fc.record({ at: fc.bigInt(100n, 299n), block: fc.nat(9) }), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(writes, fc.constantFrom(100n, 200n), async (written, imageLsn) => {
      const plan = await planOf(baseOn(imageLsn, written))
      const due = new Set(written.filter(({ at }) => at >= imageLsn).map(({ block }) => block))
      if (plan.kind === 'share') assert.equal(due.size, 0)
      else if (plan.kind === 'blocks') assert.deepEqual(new Set(plan.blocks), due)
      else assert.deepEqual([plan.kind, due.size], ['whole', 10])
    }),
  )
})

test('an image is kept as long as it is younger than its tier asks for, and what has not changed is shared as ever', async () => {
  const early = [{ at: 150n, block: 3 }]
  const late = [{ at: 250n, block: 3 }]
  const kindOf = async (base: Base, ms: number, nowMs?: number) =>
    (await planOf(base, { deferral: deferral([[KEY, ms]], nowMs) })).kind
  assert.deepEqual(await planOf(baseOn(100n, early), { deferral: deferral([[KEY, 3 * DAY_MS]]) }), {
    kind: 'defer',
    imageLsn: 100n,
    instead: { kind: 'blocks', blocks: Uint32Array.from([3]) },
  })
  assert.equal(await kindOf(baseOn(100n, early), 2 * DAY_MS), 'blocks', 'two days old, and due')
  assert.equal(await kindOf(baseOn(100n, early), 2 * DAY_MS + 1), 'defer')
  assert.equal(await kindOf(baseOn(200n, late), 2 * DAY_MS), 'defer')
  assert.equal(await kindOf(baseOn(200n, early), 2 * DAY_MS), 'share', 'its image has that change')
  assert.equal(await kindOf(baseOn(100n, []), 9 * DAY_MS), 'share')
  assert.equal(await kindOf(baseOn(200n, late), 9 * DAY_MS, DAY_MS), 'blocks', 'a clock that went back tells no age')
  assert.equal((await planOf(baseOn(200n, late), { deferral: deferral([['1663/5/1', DAY_MS]]) })).kind, 'blocks')
})

test('a full backup defers nothing, and takes nothing over that was deferred', async () => {
  const all = { deferral: deferral([[KEY, 9 * DAY_MS]]) }
  assert.equal((await planOf(baseOn(200n, [{ at: 250n, block: 1 }], 'static'), all)).kind, 'whole')
  assert.equal((await planOf(baseOn(200n, [], 'static'), all)).kind, 'prove')
  // Changed between its image and its backup, and never since: no change map since the parent names it.
  const { older: _, ...blind } = baseOn(100n, [{ at: 150n, block: 1 }], 'static')
  assert.equal((await planOf(blind, all)).kind, 'whole')
  assert.equal((await planOf({ ...blind, purpose: 'increment' }, all)).kind, 'whole')
  const doubtful: Base = {
    ...blind,
    purpose: 'increment',
    older: { changes: undefined, doubt: 'WAL is missing' },
  }
  assert.deepEqual(await planOf(doubtful, all), { kind: 'whole', reason: 'WAL is missing' })
})

test('with a prepared transaction nothing is deferred', async () => {
  const by = { tablespaces: [], base: baseOn(200n, [{ at: 250n, block: 3 }]), deferral: deferral([[KEY, DAY_MS * 9]]) }
  async function* prepared(): AsyncGenerator<ListedEntry> {
    yield* listing()
    yield { kind: 'plain', path: 'pg_twophase/00000000000002E4', mode: 0o600, modifiedMs: 1, bytes: 100 }
  }
  const deferred = await planFiles(listing(), by)
  assert.deepEqual([deferred.segments[0]!.plan.kind, deferred.hasPrepared], ['defer', false])
  const read = await planFiles(prepared(), by)
  assert.deepEqual([read.segments[0]!.plan.kind, read.hasPrepared], ['blocks', true])
  assert.equal((await planFiles(prepared(), { ...by, deferral: undefined })).hasPrepared, false)
})

const facts = (some: Partial<SegmentFacts>): SegmentFacts => ({
  fork: 'main',
  segment: 0,
  blockCount: 10,
  parentBlockCount: 10,
  change: { blocks: Uint32Array.from([1]), cut: undefined },
  relationTouched: true,
  suspects: [],
  doubt: undefined,
  ...some,
})
const cutTo = (cut: number) => ({ blocks: new Uint32Array(0), cut })

test('only the same file keeps an image: new ones, doubtful, bad and inexplicably short ones do not', () => {
  const may = (some: Partial<SegmentFacts>): boolean => mayKeepImage(facts(some), planSegment(facts(some)))
  assert.ok(may({}) && may({ blockCount: 20 }) && may({ fork: 'vm' }) && may({ fork: 'fsm', blockCount: 12 }))
  assert.ok(may({ change: cutTo(5), blockCount: 9 }), 'cut and grown again: replay does both')
  assert.ok(!may({ parentBlockCount: undefined }))
  assert.ok(!may({ change: cutTo(0) }), 'created anew, or cut to nothing')
  assert.ok(!may({ fork: 'vm', change: cutTo(0) }))
  assert.ok(!may({ doubt: 'a gap' }))
  assert.ok(!may({ suspects: [3] }))
  assert.ok(!may({ blockCount: 9 }) && !may({ fork: 'vm', blockCount: 9 }), 'shorter, and no cut says why')
  assert.ok(!may({ change: cutTo(5), blockCount: 5 }), 'nothing to read: nothing to defer')
  assert.ok(!may({ change: undefined, relationTouched: false }), 'not changed')
})

test('replay begins only at an image of our timeline, of a primary, from which all is known and no database was copied', () => {
  const sound = new ChangeMapBuilder(100n).finish(300n)
  const of = { timeline: 1, timelineStart: 0n, changes: sound }
  assert.equal(obstacleTo(image(100n), of), undefined)
  assert.equal(obstacleTo(image(100n), { ...of, timelineStart: 101n }), 'it is of another timeline')
  assert.equal(obstacleTo(image(100n), { ...of, timeline: 2 }), 'it is of another timeline')
  const standby = { ...image(100n), label: labelOf(100n, { from: 'standby' }) }
  assert.equal(obstacleTo(standby, of), 'it was read from a standby')
  assert.equal(obstacleTo({ ...image(100n), label: labelOf(99n) }, of), 'its label is of another backup')
  assert.equal(obstacleTo(image(100n), { ...of, changes: undefined }), 'not all WAL since then is known')
  const databases = [{ tablespace: 1663, database: 7 }]
  const copied = changeMapOf({ startLsn: 100n, endLsn: 300n, doubts: [], databases, entries: [] })
  const why = 'a database was made, moved or dropped since then'
  assert.equal(obstacleTo(image(100n), { ...of, changes: copied }), why)
})

test('a setting that was larger at the time of the image, or is not known, keeps replay from it', () => {
  const names = ['connections', 'worker_processes', 'wal_senders', 'prepared_transactions', 'locks_per_transaction']
  const before = Object.fromEntries(names.map((name) => [`max_${name}`, '100']))
  assert.equal(changedSetting(before, before), undefined)
  for (const name of Object.keys(before)) {
    assert.equal(changedSetting(before, { ...before, [name]: '99' }), name)
    assert.equal(changedSetting(before, { ...before, [name]: '101' }), undefined)
    assert.equal(changedSetting({ ...before, [name]: '' }, { ...before, [name]: undefined! }), name)
  }
  assert.equal(changedSetting(before, { ...before, track_commit_timestamp: 'on' }), 'track_commit_timestamp')
})

test('a manifest lists the images that its segments are still of, with their bytes, oldest first', () => {
  const files = [segment(300n), segment(200n, 'base/5/1', 2), segment(100n, 'base/5/2'), segment(100n, 'base/5/3')]
  const found = olderImages(files, 300n, imagesOf(parentWith([])))
  assert.deepEqual(
    found.map(({ lsn, bytes, backup }) => [lsn, bytes, backup]),
    [
      [100n, 20 * BLOCK_BYTES, 'b100'],
      [200n, 2 * BLOCK_BYTES, 'parent'],
    ],
  )
  assert.deepEqual(olderImages([segment(300n)], 300n, imagesOf(parentWith([]))), [])
})
