import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

import fc from 'fast-check'

import { shellQuoted } from './shell.ts'

test('a shell gives back what was quoted', () => {
  const awkward = fc.string({
    unit: fc.constantFrom("'", '"', ' ', '%', '$', '\\', '`', '*', '\n', ';', 'a', 'é'),
    maxLength: 12,
  })
  fc.assert(
    fc.property(awkward, (text) => {
      const said = execFileSync('/bin/sh', ['-c', `printf %s ${shellQuoted(text)}x`], { encoding: 'utf8' })
      assert.equal(said, `${text}x`)
    }),
    { numRuns: 60, examples: [["it's"], ["'"], ["''"]] },
  )
})
