// What the checks of a `copy` task take, PostgreSQL takes too, in its oldest and newest version: our check never lets through what the server
// would then refuse without knowing the place.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { checkFor } from '../../src/loads/copy/types.ts'
import { startServer } from '../support/postgres.ts'
import { skipUnless } from '../support/requirements.ts'

const types: Readonly<Record<string, readonly string[]>> = {
  smallint: ['-', '+', '0', '3', '7', '32767', '6'],
  integer: ['-', '+', '0', '2147483647', '8', '12'],
  bigint: ['-', '+', '9223372036854775807', '8', '0'],
  'double precision': ['-', '+', '.', 'e', 'E', '1', '23', '0', 'NaN', 'inf', 'Infinity', '-Infinity'],
  numeric: ['-', '+', '.', 'e', '1', '23', '0', 'NaN', 'inf'],
  boolean: ['t', 'f', 'true', 'No', 'y', 'on', 'off', '1', '0', 'o'],
  date: ['2013-', '0001-', '12-', '02-', '29', '30', '31', '00', '2012-', '-'],
  'timestamp without time zone': ['2013-02-28', '2012-02-29', 'T', ' ', '23:59', ':59', '.123456', '00:00', '24:00'],
  'timestamp with time zone': [
    '2013-02-28T23:59',
    '2012-02-29 00:00',
    ':59',
    '.123',
    ',5',
    'Z',
    ' z',
    '+05:30',
    '-0930',
    '+15',
    '-15:59',
  ],
}

for (const major of [15, 18] as const) {
  describe(`texts of types on PostgreSQL ${major}`, { skip: skipUnless('all-postgres') }, () => {
    test('what we take, the server takes', async () => {
      await using server = await startServer({ major })
      await server.psql(`create function refused(type text, value text) returns text language plpgsql as $$
        begin execute format('select %L::%s', value, type); return null; exception when others then return sqlerrm; end $$`)
      for (const [type, parts] of Object.entries(types)) {
        const check = checkFor(type)!
        const texts = fc
          .sample(fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 4 }), { numRuns: 4000, seed: 11 })
          .map((one) => one.join(''))
        const taken = [...new Set(texts.filter((text) => check(text) === undefined))]
        assert.ok(taken.length > 5, `${type}: only ${taken.length} texts are taken`)
        const list = taken.map((text) => `('${text}')`).join(',')
        const rows = await server.psql(
          `select value, why from (select value, refused('${type}', value) as why from (values ${list}) v(value)) r where why is not null limit 5`,
        )
        // A float too large for the type is the server's to find.
        assert.deepEqual(
          rows.filter((row) => !/out of range|overflow/.test(String(row['why'])) || type.endsWith('int')),
          [],
          type,
        )
      }
    })
  })
}
