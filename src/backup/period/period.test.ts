import assert from 'node:assert/strict'
import { test } from 'node:test'

import { backupSection } from '../config.ts'
import { totalsOf, type PeriodReport, type ReportedBackup } from './collect.ts'
import { coverageOf } from './coverage.ts'
import { periodHtml, periodText } from './render.ts'

const at = (text: string): number => Date.parse(text)

void test('an occurrence is made by a backup of its kind or a fuller one before the next; what is not due is not missed', () => {
  const { retail } = backupSection.schema.parse({
    retail: {
      schedules: {
        nightly: { cron: '0 3 * * *', timezone: 'Europe/Berlin' },
        weekly: { cron: '0 4 * * 0', timezone: 'UTC', kind: 'full' },
        loaded: { after: 'nightly' },
      },
    },
  })
  const made = [
    { kind: 'incremental', startedMs: at('2026-11-16T02:00:05Z') },
    { kind: 'full', startedMs: at('2026-11-18T02:30:00Z') },
    { kind: 'incremental', startedMs: at('2026-11-22T04:00:00Z') },
  ] as const
  const period = { fromMs: at('2026-11-16T00:00:00Z'), untilMs: at('2026-11-19T01:00:00Z') }
  const [nightly, weekly, loaded] = coverageOf(retail!, made, period)
  assert.deepEqual([nightly!.expected, nightly!.made, nightly!.missed], [3, 2, ['2026-11-17T02:00:00.000Z']])
  assert.deepEqual([weekly!.expected, weekly!.made, weekly!.missed], [0, 0, []])
  assert.deepEqual([loaded!.expected, loaded!.made], [null, 2])
  // An increment is not the full one that was asked for.
  const week = { fromMs: at('2026-11-16T00:00:00Z'), untilMs: at('2026-11-23T00:00:00Z') }
  assert.deepEqual(coverageOf(retail!, made, week)[1]!.missed, ['2026-11-22T04:00:00.000Z'])
})

const backup: ReportedBackup = {
  id: 'B1',
  repository: 'main',
  kind: 'full',
  startedAt: '2026-11-18T02:30:00.000Z',
  durationMs: 2000,
  readBytes: 4_000_000,
  newBytes: 4_000_000,
  storedBytes: 1_000_000,
  sharedBytes: 0,
  staticBytes: 0,
  deferredBytes: 0,
  auditedBytes: 0,
  clusterBytes: 4_000_000,
  readBytesPerSecond: 2_000_000,
  corruptBlocks: 0,
  gone: false,
}

void test('totals: medians, the longest, the rate over all time spent', () => {
  const totals = totalsOf([backup, { ...backup, durationMs: 6000, readBytes: 0 }, { ...backup, kind: 'incremental' }])
  assert.deepEqual(
    totals.map((one) => [one.kind, one.count, one.medianMs, one.longestMs, one.readBytesPerSecond]),
    [
      ['full', 2, 2000, 6000, 500_000],
      ['incremental', 1, 2000, 2000, 2_000_000],
    ],
  )
})

void test('text and HTML say the same; nothing from outside is taken as HTML', () => {
  const report: PeriodReport = {
    warehouse: 'retail',
    from: '2026-11-16T00:00:00.000Z',
    to: '2026-11-19T00:00:00.000Z',
    backups: [backup],
    totals: totalsOf([backup]),
    failures: [
      {
        at: '2026-11-17T02:00:00.000Z',
        repository: 'main',
        kind: null,
        code: null,
        message: '<script>alert(1)</script> & "more"',
      },
    ],
    alerts: [],
    wal: [{ repository: 'main', chunks: 3, storedBytes: 2048 }],
    coverage: [],
    warnings: ['repository <b> could not be asked'],
  }
  const text = periodText([report])
  const html = periodHtml([report])
  for (const said of ['retail', 'B1', 'no schedules are declared']) {
    assert.ok(text.includes(said), said)
    assert.ok(html.includes(said), said)
  }
  assert.match(text, /FAILURES\nAT .*\n2026-11-17T02:00:00\.000Z .*<script>/)
  assert.doesNotMatch(html, /<script|<b>/)
  assert.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt; &amp; &quot;more&quot;/)
})
