import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { isWharfError } from '../../base/errors.ts'
import { forks, type ChangeMap, type CommitEntry, type ForkName } from '../../wal/contract.ts'
import { decodeExtentLabel, encodeExtentLabel } from '../pack/label.ts'
import { deletableKind } from '../prune/names.ts'
import { decodeChangeMap, encodeChangeMap } from './change-map.ts'
import { decodeCommits, encodeCommits } from './commits.ts'
import { chunkName, historyName, parseChunkName, parseHistoryName, parseWalFileName, segmentPrefix } from './names.ts'

/** Plain objects, as decoders make them. */
function record<T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true })
}

const u32 = fc.nat(0xffff_ffff)
const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const blocks = fc
  .uniqueArray(fc.oneof(fc.nat(300), fc.nat(0xffff_fffe)), { maxLength: 60 })
  .map((list) => Uint32Array.from(list).sort())

type Entry = ReturnType<ChangeMap['entries']> extends Iterable<infer One> ? One : never
const entry: fc.Arbitrary<Entry> = record({
  file: record({ tablespace: u32, database: u32, relfilenode: u32 }),
  fork: fc.constantFrom(...(Object.keys(forks) as ForkName[])),
  change: record({ blocks, cut: fc.option(u32, { nil: undefined }) }),
})

function changeMap(parts: {
  startLsn: bigint
  endLsn: bigint
  doubts: string[]
  databases: { tablespace: number; database: number }[]
  all: Entry[]
}): ChangeMap {
  return {
    startLsn: parts.startLsn,
    endLsn: parts.endLsn,
    doubts: parts.doubts,
    entries: () => parts.all,
    doubtfulDatabases: () => parts.databases,
    fork: () => undefined,
    isDatabaseDoubtful: () => false,
  }
}

test('any change map comes back as it went in', () => {
  const pair = record({ tablespace: u32, database: u32 })
  const key = (one: Entry) => `${one.file.tablespace}/${one.file.database}/${one.file.relfilenode}/${one.fork}`
  const parts = record({
    startLsn: lsn,
    endLsn: lsn,
    doubts: fc.array(fc.string(), { maxLength: 3 }),
    databases: fc.uniqueArray(pair, { maxLength: 3, selector: (one) => `${one.tablespace}/${one.database}` }),
    all: fc.uniqueArray(entry, { maxLength: 10, selector: key }),
  })
  fc.assert(
    fc.property(parts, (from) => {
      const read = decodeChangeMap(encodeChangeMap(changeMap(from)), 'a map')
      assert.equal(read.startLsn, from.startLsn)
      assert.equal(read.endLsn, from.endLsn)
      assert.deepEqual(read.doubts, from.doubts)
      assert.deepEqual([...read.entries()], from.all)
      assert.deepEqual([...read.doubtfulDatabases()], from.databases)
      for (const { file, fork, change } of from.all) assert.deepEqual(read.fork(file, fork), change)
      for (const one of from.databases) assert.equal(read.isDatabaseDoubtful(one.tablespace, one.database), true)
      assert.equal(read.fork({ tablespace: 1, database: 2, relfilenode: 3 }, 'main'), undefined)
    }),
  )
})

test('any commit index comes back as it went in', () => {
  const commit: fc.Arbitrary<CommitEntry> = fc
    .record(
      {
        kind: fc.constantFrom('commit', 'abort', 'restore-point', 'prepare', 'load'),
        startLsn: fc.bigInt({ min: 0n, max: 2n ** 63n }),
        length: fc.nat(2 ** 31),
        xid: u32,
        timeUs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        name: fc.string(),
      },
      { requiredKeys: ['kind', 'startLsn', 'length', 'xid', 'timeUs'] },
    )
    .map(({ length, ...rest }) => ({ ...rest, endLsn: rest.startLsn + BigInt(length) }))
  fc.assert(
    fc.property(fc.array(commit, { maxLength: 20 }), (commits) =>
      assert.deepEqual(decodeCommits(encodeCommits(commits), 'commits'), commits),
    ),
  )
})

test('any label of an extent comes back as it went in; blocks out of order are refused', () => {
  fc.assert(
    fc.property(fc.string(), blocks, (file, list) => {
      assert.deepEqual(decodeExtentLabel(encodeExtentLabel(file, list), 'a label'), { file, blocks: list })
    }),
  )
  assert.throws(
    () => encodeExtentLabel('f', Uint32Array.of(5, 4)),
    new RangeError('blocks of an extent of f must rise: 4 after 5'),
  )
  assert.throws(() => encodeExtentLabel('f', Uint32Array.of(5, 5)), RangeError)
})

test('what is none of these is refused, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      for (const decode of [decodeChangeMap, decodeCommits, decodeExtentLabel]) {
        try {
          decode(Buffer.from(bytes), 'bytes')
        } catch (error) {
          assert.ok(error instanceof RangeError || isWharfError(error, 'bytes.past-end'), String(error))
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('names of chunks tell their range and sort by it', () => {
  const range = record({
    systemIdentifier: lsn,
    timeline: u32,
    startLsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 2n ** 31n }),
    length: fc.integer({ min: 1, max: 2 ** 30 }),
  }).map(({ length, ...rest }) => ({ ...rest, endLsn: rest.startLsn + BigInt(length) }))
  fc.assert(
    fc.property(range, fc.integer({ min: 1, max: 9 }), (one, copy) => {
      assert.deepEqual(parseChunkName(chunkName(one, copy)), one)
      assert.deepEqual(parseChunkName(chunkName({ ...one, minimal: true }, copy)), { ...one, minimal: true })
      assert.equal(deletableKind(chunkName({ ...one, minimal: true }, copy)), 'wal')
      assert.ok(chunkName(one).startsWith(segmentPrefix(one, 16 << 20)))
      assert.ok(chunkName(one).startsWith(segmentPrefix(one, 1 << 30)))
    }),
  )
  assert.equal(
    chunkName({ systemIdentifier: 7n, timeline: 10, startLsn: 0x12_3456_7000n, endLsn: 0x12_3500_0000n }),
    'wal/7/0000000a/00000012/0000001234567000-0000001235000000',
  )
  assert.equal(historyName(7n, 10), 'wal/7/0000000a.history')
  assert.deepEqual(parseHistoryName('wal/7/0000000a.history'), { systemIdentifier: 7n, timeline: 10 })
  for (const name of [
    'wal/7/0000000a/00000012/0000001334567000-0000001235000000',
    'wal/7/a/b/c',
    'wal/7/0000000A/00000012/0000001234567000-0000001235000000',
  ]) {
    assert.equal(parseChunkName(name), undefined)
  }
})

test('names of WAL files as PostgreSQL has them, and nothing else', () => {
  assert.deepEqual(parseWalFileName('0000000100000002000000FF'), { timeline: 1, log: 2, segment: 255 })
  assert.deepEqual(parseWalFileName('0000000A.history'), { history: 10 })
  for (const name of [
    '',
    '0000000100000002000000F',
    '0000000100000002000000fF',
    '0000000100000002000000FF.partial',
    '../0000000A.history',
  ]) {
    assert.throws(
      () => parseWalFileName(name),
      (error) => isWharfError(error, 'repository.bad-wal-name') && error.message === `not a WAL file name: "${name}"`,
    )
  }
})
