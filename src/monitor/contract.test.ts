import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseSeriesKey, seriesKey, type Probe } from './contract.ts'
import { fastLane } from './probes/fast.ts'
import { slowLane } from './probes/slow.ts'
import { samplesOf, sqlFor } from './probes/choose.ts'

test('keys of series go there and back, whatever the labels hold', () => {
  assert.equal(seriesKey('m'), 'm')
  assert.equal(seriesKey('m', { b: 'x', a: 'y' }), 'm{a="y",b="x"}')
  for (const labels of [{}, { a: '' }, { a: 'q"\\{},=', b: 'line\nend' }]) {
    assert.deepEqual(parseSeriesKey(seriesKey('m', labels)), { name: 'm', labels })
  }
})

const probe: Probe = {
  name: 'p',
  lane: 'fast',
  sql: { 15: 'old', 17: 'new' },
  labels: ['who'],
  metrics: { n: { name: 'm', type: 'gauge', help: 'h' } },
}

test('the newest SQL that fits is taken', () => {
  assert.deepEqual(
    [14, 15, 16, 17, 18].map((version) => sqlFor(probe, version)),
    [undefined, 'old', 'old', 'new', 'new'],
  )
})

test('rows become samples; what is no number is left out', () => {
  const rows = [
    { who: 'a', n: '12' },
    { who: 'b', n: null },
    { who: 'c', n: 'x' },
    { who: 'd', n: 1.5 },
  ]
  assert.deepEqual(samplesOf(probe, rows), [
    { key: 'm{who="a"}', value: 12 },
    { key: 'm{who="d"}', value: 1.5 },
  ])
  assert.equal(
    samplesOf(
      probe,
      Array.from({ length: 1000 }, (_, n) => ({ who: String(n), n })),
    ).length,
    200,
  )
})

test('no metric has two descriptions, and every probe per object has a limit', () => {
  const names = [...fastLane, ...slowLane].flatMap((one) => Object.values(one.metrics).map((metric) => metric.name))
  assert.equal(new Set(names).size, names.length)
  for (const one of [...fastLane, ...slowLane]) {
    if (one.labels.some((label) => ['slot', 'client', 'database'].includes(label))) {
      for (const sql of Object.values(one.sql)) assert.match(sql, /limit \d+/, one.name)
    }
  }
})
