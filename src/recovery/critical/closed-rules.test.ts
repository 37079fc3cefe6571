import assert from 'node:assert/strict'
import { test } from 'node:test'

import { closedRules } from './closed-rules.ts'

test('a database is closed by its name alone, also where PostgreSQL takes names for regular expressions', () => {
  assert.equal(closedRules(['say "no"'], 180_000), 'local "say ""no""" all reject\nhost "say ""no""" all all reject\n')
  assert.equal(closedRules(['/sales'], 150_010), 'local "/sales" all reject\nhost "/sales" all all reject\n')
  assert.equal(
    closedRules(['/sales.(1', 'plain.'], 160_000),
    String.raw`local "/^/sales\.\(1$" all reject
host "/^/sales\.\(1$" all all reject
local "plain." all reject
host "plain." all all reject
`,
  )
})
