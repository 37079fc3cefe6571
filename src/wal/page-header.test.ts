import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatLsn, parseLsn } from './lsn.ts'
import { withoutPageHeader } from './segments.ts'

test('a position behind a page header is the end of the page before', () => {
  const at = (lsn: string): string => formatLsn(withoutPageHeader(parseLsn(lsn), 16 * 1024 * 1024))
  assert.equal(at('0/E000028'), '0/E000000')
  assert.equal(at('0/E000029'), '0/E000029')
  assert.equal(at('0/E002018'), '0/E002000')
  assert.equal(at('0/E002028'), '0/E002028')
  assert.equal(at('0/E002000'), '0/E002000')
})
