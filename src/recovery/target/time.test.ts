import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { formatMoment, parseMoment } from './time.ts'

const us = (text: string): bigint => BigInt(Date.parse(text)) * 1000n

test('a zone is understood as PostgreSQL and ISO 8601 write it', () => {
  const noon = us('2026-11-20T12:00:00Z')
  const texts = [
    '2026-11-20T12:00:00Z',
    '2026-11-20 12:00 UTC',
    '2026-11-20 13:00:00+01',
    '2026-11-20 13:00:00+01:00',
    '2026-11-20T17:30:00+0530',
    '2026-11-20 13:00 Europe/Berlin',
  ]
  for (const text of texts) assert.equal(parseMoment(text, 'America/New_York').timeUs, noon, text)
  assert.equal(parseMoment('2026-11-20 12:00:00.000001+00', 'UTC').timeUs, noon + 1n)
})

test('without a zone the local one holds, and the caller can tell', () => {
  const moment = parseMoment('2026-07-01 12:00', 'Europe/Berlin')
  assert.deepEqual(moment, { timeUs: us('2026-07-01T10:00:00Z'), zone: 'Europe/Berlin', zoneGiven: false })
})

test('whatever is not fully understood is refused', () => {
  const bad = [
    '13am',
    '',
    '2026-11-20',
    '12:00',
    '2026-11-20 24:00',
    '2026-02-30 12:00',
    '2026-11-20 12:60',
    '2026-11-20 12:00 CET',
    '2026-11-20 1:00pm',
    '2026-11-20 12:00:00.1234567Z',
    'yesterday',
    '2026-13-01 00:00',
    '2026-11-20 12:00 +25',
    'x2026-11-20 12:00Z',
  ]
  for (const text of bad) assert.throws(() => parseMoment(text, 'UTC'), { code: 'recovery.bad-time' }, text)
  assert.throws(() => parseMoment('13am', 'UTC'), { message: 'not a time: "13am": not understood' })
})

test('times that the clocks skip or show twice are refused', () => {
  assert.throws(() => parseMoment('2026-03-29 02:30 Europe/Berlin', 'UTC'), {
    message: 'not a time: "2026-03-29 02:30 Europe/Berlin": the clocks in Europe/Berlin skip this time',
  })
  assert.throws(() => parseMoment('2026-10-25 02:30', 'Europe/Berlin'), {
    message: 'not a time: "2026-10-25 02:30": the clocks in Europe/Berlin show this time twice',
  })
  assert.throws(() => parseMoment('2026-10-25 02:30 Mars/Olympus', 'UTC'), {
    message: 'not a time: "2026-10-25 02:30 Mars/Olympus": no time zone is called Mars/Olympus',
  })
})

test('what is printed reads back as the same moment', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 4_102_444_800_000_000n }), (timeUs) => {
      assert.equal(parseMoment(formatMoment(timeUs), 'Asia/Kathmandu').timeUs, timeUs)
    }),
  )
})
