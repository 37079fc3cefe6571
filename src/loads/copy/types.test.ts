import assert from 'node:assert/strict'
import { test } from 'node:test'

import { checkFor } from './types.ts'

/** Type, texts that are taken, texts that are refused with why. test/loads/types.test.ts asks PostgreSQL about the first. */
const cases: readonly [string, readonly string[], Readonly<Record<string, string>>][] = [
  [
    'smallint',
    ['0', '-1', '+7', '32767', '-32768', '00012'],
    {
      '32768': 'is out of range for smallint',
      '-40000': 'is out of range for smallint',
      '1.5': 'is not a whole number (smallint)',
      '': 'is not a whole number (smallint)',
      ' 1': 'is not a whole number (smallint)',
      '0x1F': 'is not a whole number (smallint)',
      '1_000': 'is not a whole number (smallint)',
    },
  ],
  [
    'integer',
    ['2147483647', '-2147483648'],
    { '2147483648': 'is out of range for integer', '1e3': 'is not a whole number (integer)' },
  ],
  [
    'bigint',
    ['9223372036854775807', '-9223372036854775808', '+9223372036854775807'],
    { '9223372036854775808': 'is out of range for bigint' },
  ],
  [
    'double precision',
    ['1', '-1.5', '.5', '5.', '1e-10', '10.357019999999999', 'NaN', 'Infinity', '-inf'],
    {
      '1,5': 'is not a number (double precision)',
      '3x': 'is not a number (double precision)',
      e5: 'is not a number (double precision)',
      '1e': 'is not a number (double precision)',
    },
  ],
  ['numeric(10,2)', ['1.23'], { NA: 'is not a number (numeric(10,2))' }],
  ['boolean', ['t', 'FALSE', '1', 'off'], { '2': 'is not a boolean', ja: 'is not a boolean' }],
  [
    'date',
    ['2013-02-28', '2012-02-29', '12013-01-01'],
    {
      '2013-02-29': 'is not a date (wanted: YYYY-MM-DD)',
      '01/02/2013': 'is not a date (wanted: YYYY-MM-DD)',
      tomorrow: 'is not a date (wanted: YYYY-MM-DD)',
      '0000-01-01': 'is not a date (wanted: YYYY-MM-DD)',
    },
  ],
  [
    'timestamp without time zone',
    ['2013-01-01 00:00', '2013-01-01T23:59:59.123456'],
    {
      '2013-01-01T24:00:00': 'is not a time (wanted: YYYY-MM-DDThh:mm:ss)',
      '2013-01-01T00:00:00Z': 'has a time zone, which the column would drop',
    },
  ],
  [
    'timestamp with time zone',
    ['2013-01-01T00:00:00Z', '2013-01-01 00:00:00+05:30', '2013-01-01T00:00:00-05'],
    {
      '2013-01-01T00:00:00': 'lacks its time zone (wanted: YYYY-MM-DDThh:mm:ssZ or with an offset)',
      now: 'is not a time (wanted: YYYY-MM-DDThh:mm:ss)',
    },
  ],
]

for (const [type, taken, refused] of cases) {
  test(`${type}: what is taken and what is refused`, () => {
    const check = checkFor(type)!
    for (const text of taken) assert.equal(check(text), undefined, text)
    for (const [text, why] of Object.entries(refused)) assert.equal(check(text), why, text)
  })
}

test('types that are not listed are left to the server', () => {
  for (const type of ['text', 'character varying(10)', 'uuid', 'jsonb', 'integer[]', 'mood'])
    assert.equal(checkFor(type), undefined)
})
