import assert from 'node:assert/strict'
import { test } from 'node:test'

import { chooseFiles } from './choose.ts'
import type { FoundFile } from './find.ts'
import { parsePattern } from './pattern.ts'

test('patterns find files and their business dates', () => {
  const daily = parsePattern('{date}.csv')
  assert.deepEqual(daily.match('2013-01-05.csv'), { businessDate: '2013-01-05' })
  assert.equal(daily.match('2013-02-30.csv'), undefined)
  assert.equal(daily.match('2013-01-05xcsv'), undefined)
  assert.equal(daily.match('x2013-01-05.csv'), undefined)
  assert.deepEqual(parsePattern('in/sales-{date:DDMMYYYY}-*.csv.gz').match('in/sales-05012013-a.csv.gz'), {
    businessDate: '2013-01-05',
  })
  assert.equal(parsePattern('*.csv').match('a/b.csv'), undefined)
  assert.deepEqual(parsePattern('planes.csv').match('planes.csv'), { businessDate: undefined })
  assert.equal(parsePattern('*/x/{date}.csv').depth, 2)
})

test('patterns that cannot be meant are refused', () => {
  const refused = (text: string): string => {
    try {
      parsePattern(text)
      return 'taken'
    } catch (error) {
      return (error as Error).message
    }
  }
  assert.equal(refused('{day}.csv'), 'unknown placeholder {day}; only {date} and {date:FORMAT} are known')
  assert.equal(refused('{date'), 'unknown placeholder {date; only {date} and {date:FORMAT} are known')
  assert.equal(refused('{date:YYMMDD}'), 'the format in {date:YYMMDD} must have YYYY, MM and DD once each')
  assert.equal(refused('{date}-{date}.csv'), 'a pattern has at most one {date}')
  assert.equal(refused('../x.csv'), 'a pattern stays within its folder')
})

const file = (businessDate: string, more: Partial<FoundFile> = {}): FoundFile => ({
  name: `${businessDate}.csv`,
  path: '',
  businessDate,
  bytes: 10,
  modifiedMs: 0,
  ...more,
})
const base = { ledger: new Map(), nowMs: 100_000, settleMs: 1000, again: 'never' as const }

test('new files are chosen; loaded ones are not, and a change of them is told', () => {
  const ledger = new Map([
    ['a.csv', { sha256: 'x', bytes: 10, modifiedMs: 0 }],
    ['b.csv', { sha256: 'x', bytes: 9, modifiedMs: 0 }],
  ])
  const found = [file('2013-01-01', { name: 'a.csv' }), file('2013-01-02', { name: 'b.csv' }), file('2013-01-03')]
  const never = chooseFiles(found, { ...base, ledger })
  assert.deepEqual(
    never.load.map((one) => one.name),
    ['2013-01-03.csv'],
  )
  assert.deepEqual(
    never.touched.map((one) => one.name),
    ['b.csv'],
  )
  const again = chooseFiles(found, { ...base, ledger, again: 'when_changed' })
  assert.deepEqual(
    again.load.map((one) => one.name),
    ['b.csv', '2013-01-03.csv'],
  )
})

test('a file that is still being written holds up those behind it', () => {
  const found = [file('2013-01-01'), file('2013-01-02', { modifiedMs: 99_500 }), file('2013-01-03')]
  const chosen = chooseFiles(found, base)
  assert.deepEqual(
    chosen.load.map((one) => one.businessDate),
    ['2013-01-01'],
  )
  assert.equal(chosen.unsettled?.businessDate, '2013-01-02')
})

test('a range of business dates narrows the choice', () => {
  const found = ['2013-01-01', '2013-01-02', '2013-01-03'].map((date) => file(date))
  const chosen = chooseFiles(found, { ...base, dates: { from: '2013-01-02', to: '2013-01-02' } })
  assert.deepEqual(
    chosen.load.map((one) => one.businessDate),
    ['2013-01-02'],
  )
})
