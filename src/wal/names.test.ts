// Names of WAL files, histories, labels: what PostgreSQL writes, and what is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { findAfterTime, findLoad, findTransaction } from './commit-index.ts'
import type { CommitEntry } from './contract.ts'
import { formatTablespaceMap, parseBackupLabel, parseTablespaceMap } from './labels.ts'
import { formatLsn, parseLsn } from './lsn.ts'
import {
  historyName,
  lastSegmentName,
  parseWalFileName,
  segmentCeiling,
  segmentName,
  segmentStart,
} from './segments.ts'
import { formatHistory, isOnHistory, parseHistory, spansOf, timelineAt } from './timelines.ts'

const MB = 1 << 20
const segmentSize = fc.integer({ min: 0, max: 10 }).map((power) => MB << power)

test('an LSN survives text', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (lsn) => assert.equal(parseLsn(formatLsn(lsn)), lsn)),
  )
})

test('segment names are those of pg_walfile_name(), for every segment size', () => {
  assert.equal(segmentName(1, parseLsn('0/3000060'), 16 * MB), '000000010000000000000003')
  assert.equal(segmentName(1, parseLsn('0/3000060'), MB), '000000010000000000000030')
  assert.equal(segmentName(10, parseLsn('2/C0000000'), 1024 * MB), '0000000A0000000200000003')
  // At a border the byte at the LSN is the next segment's, and the byte before it the last that a backup needs.
  assert.equal(segmentName(1, parseLsn('0/4000000'), 16 * MB), '000000010000000000000004')
  assert.equal(lastSegmentName(1, parseLsn('0/4000000'), 16 * MB), '000000010000000000000003')
  assert.equal(segmentName(1, parseLsn('1/0'), 16 * MB), '000000010000000100000000')
  const property = fc.property(
    fc.bigInt({ min: 0n, max: (1n << 62n) - 1n }),
    segmentSize,
    fc.integer({ min: 1, max: 0xffff_ffff }),
    (lsn, size, timeline) => {
      const name = segmentName(timeline, lsn, size)
      assert.deepEqual(parseWalFileName(name, size), { kind: 'segment', timeline, startLsn: segmentStart(lsn, size) })
      assert.ok(segmentCeiling(lsn, size) - segmentStart(lsn, size) <= BigInt(size))
    },
  )
  fc.assert(property)
})

test('other names', () => {
  assert.deepEqual(parseWalFileName('0000000A.history', 16 * MB), { kind: 'history', timeline: 10 })
  assert.equal(historyName(10), '0000000A.history')
  assert.equal(parseWalFileName('000000010000000000000003.partial', 16 * MB)?.kind, 'partial')
  assert.equal(parseWalFileName('000000010000000000000003.00000028.backup', 16 * MB)?.kind, 'backup')
  for (const bad of [
    '00000001000000000000000',
    '0000000100000000000000FG',
    '000000010000000000000100',
    'x.history',
    'RECOVERYXLOG',
  ]) {
    assert.equal(parseWalFileName(bad, 16 * MB), undefined, bad)
  }
  assert.throws(() => segmentName(1, 0n, 3 * MB), {
    code: 'wal.bad-segment-size',
    message: 'not a WAL segment size: 3145728 bytes',
  })
})

const history = '1\t0/5000000\tno recovery target specified\n\n2\t0/9000108\tbefore 2026-11-20 10:00:00+00\n'

test('a history file, and what is on it', () => {
  const steps = parseHistory(3, history)
  assert.equal(formatHistory(steps), history.replace('\n\n', '\n'))
  const spans = spansOf(3, steps)
  assert.equal(timelineAt(spans, parseLsn('0/4FFFFFF')), 1)
  assert.equal(timelineAt(spans, parseLsn('0/5000000')), 2)
  assert.equal(timelineAt(spans, parseLsn('1/0')), 3)
  assert.equal(isOnHistory(spans, 1, parseLsn('0/5000000')), true)
  assert.equal(isOnHistory(spans, 1, parseLsn('0/5000001')), false)
  assert.equal(isOnHistory(spans, 3, parseLsn('5/0')), true)
  assert.equal(isOnHistory(spans, 4, 0n), false)
  assert.deepEqual(spansOf(1, []), [{ timeline: 1, startLsn: 0n, endLsn: undefined }])
})

test('a history that goes backwards or says nothing is refused', () => {
  const refused = (content: string, text: string, line: number): void =>
    assert.throws(() => parseHistory(3, content), {
      code: 'wal.bad-history',
      message: `history file of timeline 3, line ${line}: "${text}" is no timeline switch`,
    })
  refused('what', 'what', 1)
  refused('1\t0/5\tx\n1\t0/6\tx', '1\t0/6\tx', 2)
  refused('1\t0/6\tx\n2\t0/5\tx', '2\t0/5\tx', 2)
  refused('3\t0/6\tx', '3\t0/6\tx', 1)
})

test('a backup label', () => {
  const label = [
    'START WAL LOCATION: 0/2000028 (file 000000010000000000000002)',
    'CHECKPOINT LOCATION: 0/2000060',
    'BACKUP METHOD: streamed',
    'BACKUP FROM: primary',
    'START TIME: 2026-11-20 12:00:00 UTC',
    'LABEL: nightly: one',
    'START TIMELINE: 1',
    '',
  ].join('\n')
  const parsed = parseBackupLabel(label)
  assert.equal(parsed.startLsn, 0x200_0028n)
  assert.equal(parsed.checkpointLsn, 0x200_0060n)
  assert.equal(parsed.label, 'nightly: one')
  assert.throws(() => parseBackupLabel(label.replace('primary', 'elsewhere')), {
    message: 'backup_label cannot be read: "BACKUP FROM" is "elsewhere"',
  })
  assert.throws(() => parseBackupLabel(''), { message: 'backup_label cannot be read: "START WAL LOCATION" is missing' })
})

test('a tablespace map keeps any path', () => {
  const links = fc.array(
    fc.record({
      oid: fc.integer({ min: 1, max: 0xffff_ffff }),
      path: fc.string({ minLength: 1 }).map((text) => `/${text}`),
    }),
  )
  fc.assert(
    fc.property(links, (all) =>
      assert.deepEqual(
        parseTablespaceMap(formatTablespaceMap(all)),
        all.map((one) => ({ ...one })),
      ),
    ),
  )
  assert.throws(() => parseTablespaceMap('x /a\n'), {
    message: 'tablespace_map cannot be read: "x /a" is not an oid and a path',
  })
})

const entry = (kind: CommitEntry['kind'], xid: number, at: bigint, name?: string): CommitEntry => ({
  kind,
  xid,
  startLsn: at,
  endLsn: at + 8n,
  timeUs: at * 10n,
  ...(name === undefined ? {} : { name }),
})

test('a load is the attempt that committed', () => {
  const entries = [
    entry('load', 1, 10n, 'a'),
    entry('load', 2, 20n, 'b'),
    entry('abort', 1, 30n),
    entry('load', 3, 40n, 'a'),
    entry('commit', 2, 50n),
    entry('commit', 3, 60n),
    // The same number again after a wraparound is another transaction.
    entry('commit', 1, 70n),
  ]
  assert.equal(findLoad(entries, 'a')?.commit?.startLsn, 60n)
  assert.equal(findLoad(entries, 'b')?.commit?.startLsn, 50n)
  assert.equal(findLoad(entries, 'c'), undefined)
  assert.equal(findLoad(entries.slice(0, 4), 'a')?.commit, undefined)
  assert.equal(findTransaction(entries, 1)?.kind, 'abort')
  assert.equal(findAfterTime(entries, 500n)?.startLsn, 60n)
  assert.equal(findAfterTime(entries, 500n, false)?.startLsn, 50n)
  assert.equal(findAfterTime(entries, 700n), undefined)
})
