// Manifests written before images were dated and audits noted stay readable, and mean what they meant.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { emptyManifest } from '../../../test/support/sample-manifest.ts'
import { ByteWriter } from '../../base/bytes.ts'
import { decodeFiles } from './files.ts'
import { detailsSchema, detailsValue, headSchema, headValue, summaryOf } from './schema.ts'

test('a segment of the old kind has an image as old as its backup, and was never audited', () => {
  const sha256 = 'ab'.repeat(32)
  const old = new ByteWriter(200)
  old.varint(2).text('maps/1').text('20261120T140500Z-7f3a9c1e').varint(1)
  old.text('base/5/16384').u8(1).varint(0o600).varint(7).varint(8192)
  old.varint(0).varint(112).varint(100).bytes(Buffer.from(sha256, 'hex')).varint(1)
  assert.deepEqual(decodeFiles(Buffer.from(old.done()), { what: 'files', startLsn: 0x3000028n }), [
    {
      kind: 'segment',
      path: 'base/5/16384',
      mode: 0o600,
      modifiedMs: 7,
      bytes: 8192,
      map: { object: 'maps/1', offset: 112, bytes: 100, sha256 },
      storedBy: '20261120T140500Z-7f3a9c1e',
      imageLsn: 0x3000028n,
      auditedMs: 0,
      auditBlock: 0,
    },
  ])
})

test('a head without the newer keys shares with others, replays from its start and left nothing out', () => {
  const head = JSON.parse(JSON.stringify(headValue(emptyManifest('b', 'dw'), 1))) as Record<string, unknown>
  delete head['independent']
  delete head['replayFromLsn']
  delete (head['counts'] as Record<string, unknown>)['scratch']
  head['statistics'] = { clusterBytes: 1, readBytes: 2, newBytes: 3, storedBytes: 4, sharedBytes: 5, durationMs: 6 }
  const parsed = headSchema.parse(head)
  const summary = summaryOf(parsed)
  assert.equal(summary.independent, false)
  assert.equal(summary.replayFromLsn, summary.startLsn)
  assert.equal(parsed.counts.scratch, 0)
  assert.equal(summary.statistics.staticBytes, 0)
  const details = detailsSchema.parse({ history: '', backupLabel: '', tablespaceMap: '', settings: {} })
  assert.deepEqual(details.distrusted, [])
  assert.deepEqual(details.olderImages, [])
  assert.equal(summary.statistics.deferredBytes, 0)
})

test('a key that nobody knows is refused', () => {
  const head = { ...(JSON.parse(JSON.stringify(headValue(emptyManifest('b', 'dw'), 1))) as object), fromTheFuture: 1 }
  assert.equal(headSchema.safeParse(head).success, false)
})

test('a manifest that defers nothing has no key that older readers refuse; one that does has two', () => {
  const deferring = emptyManifest('b', 'dw')
  const plain = { ...deferring, olderImages: [], statistics: { ...deferring.statistics, deferredBytes: 0 } }
  const keys = (of: object): readonly string[] => Object.keys(JSON.parse(JSON.stringify(of)) as object)
  const statisticsOf = (of: object): object => (of as { statistics: object }).statistics
  assert.ok(!keys(detailsValue(plain)).includes('olderImages'))
  assert.ok(!keys(statisticsOf(headValue(plain, 1))).includes('deferredBytes'))
  assert.ok(keys(detailsValue(deferring)).includes('olderImages'))
  assert.ok(keys(statisticsOf(headValue(deferring, 1))).includes('deferredBytes'))
})
