// The rule for clock changes (orchestration: once per local date; the gap moves to the first valid instant; of a repeated time the first).
import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { dueOccurrences, nextOccurrences, occurrencesBetween } from './calendar.ts'

const berlin = (cron: string) => ({ cron, timezone: 'Europe/Berlin' })
const iso = (dates: readonly Date[]): string[] => dates.map((at) => at.toISOString().replace(':00.000Z', 'Z'))

test('a time in the gap happens at the first valid instant, once', () => {
  const found = nextOccurrences(berlin('30 2 * * *'), new Date('2026-03-28T00:00:00Z'), 3)
  assert.deepEqual(iso(found), ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z'])
})

test('a time that happens twice counts at its first', () => {
  const found = nextOccurrences(berlin('30 2 * * *'), new Date('2026-10-24T00:00:00Z'), 3)
  assert.deepEqual(iso(found), ['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T01:30Z'])
})

test('a step follows elapsed time across the gap', () => {
  const found = nextOccurrences(
    { cron: '0 */2 * * *', timezone: 'America/Toronto' },
    new Date('2026-03-08T04:59:00Z'),
    3,
  )
  assert.deepEqual(iso(found), ['2026-03-08T05:00Z', '2026-03-08T08:00Z', '2026-03-08T10:00Z'])
})

test('a daily time happens exactly once per local date, in every zone and year', () => {
  const zones = Intl.supportedValuesOf('timeZone')
  const day = fc.record({
    zone: fc.constantFrom(...zones),
    hour: fc.integer({ min: 0, max: 23 }),
    minute: fc.integer({ min: 0, max: 59 }),
    year: fc.integer({ min: 2024, max: 2034 }),
  })
  fc.assert(
    fc.property(day, ({ zone, hour, minute, year }) => {
      // Around both usual changes of the clock.
      for (const month of ['03-25', '10-20']) {
        const after = new Date(`${year}-${month}T00:00:00Z`)
        const found = nextOccurrences({ cron: `${minute} ${hour} * * *`, timezone: zone }, after, 10)
        const dates = found.map((at) => at.toLocaleDateString('en-CA', { timeZone: zone }))
        if (new Set(dates).size !== 10) return false
      }
      return true
    }),
    { numRuns: 150, seed: 7 },
  )
})

test('between two instants: the first excluded, the last included, at most the newest hundred', () => {
  const range = { after: new Date('2026-01-01T00:00:00Z'), until: new Date('2026-01-01T00:03:00Z') }
  assert.deepEqual(iso(occurrencesBetween({ cron: '* * * * *', timezone: 'UTC' }, range)), [
    '2026-01-01T00:01Z',
    '2026-01-01T00:02Z',
    '2026-01-01T00:03Z',
  ])
  const long = occurrencesBetween(
    { cron: '* * * * *', timezone: 'UTC' },
    { ...range, until: new Date('2026-01-02T00:00:00Z') },
  )
  assert.equal(long.length, 100)
  assert.deepEqual(iso(long.slice(-1)), ['2026-01-02T00:00Z'])
})

test('missed occurrences: none, or only the newest', () => {
  const now = new Date('2026-01-01T12:00:30Z')
  const due = ['2026-01-01T10:00:00Z', '2026-01-01T11:00:00Z'].map((text) => new Date(text))
  assert.deepEqual(dueOccurrences(due, { now, missed: 'skip' }), [])
  assert.deepEqual(dueOccurrences(due, { now, missed: 'last' }), [due[1]])
  const onTime = [...due, new Date('2026-01-01T12:00:00Z')]
  for (const missed of ['skip', 'last'] as const) assert.deepEqual(dueOccurrences(onTime, { now, missed }), [onTime[2]])
})

test('what is no schedule is refused', () => {
  assert.throws(() => nextOccurrences(berlin('61 * * * *'), new Date(), 1), { code: 'runs.bad-cron' })
  assert.throws(() => nextOccurrences(berlin('* * * * * *'), new Date(), 1), { code: 'runs.bad-cron' })
  assert.throws(() => nextOccurrences({ cron: '* * * * *', timezone: 'Europe/Berlinn' }, new Date(), 1), {
    code: 'runs.bad-timezone',
    message: 'unknown time zone "Europe/Berlinn"',
  })
})
