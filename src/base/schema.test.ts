import assert from 'node:assert/strict'
import { test } from 'node:test'

import { z } from 'zod'

import { duration } from './config-types.ts'
import { bare, childSchema, choicesOf, chooseOption, elementOf, fieldsOf, takesAnyKey } from './schema.ts'

test('wrappers come off and say what they said', () => {
  const inner = z.string()
  assert.deepEqual(bare(inner.optional().describe('what')), {
    schema: inner,
    type: 'string',
    optional: true,
    defaultValue: undefined,
    description: 'what',
  })
  assert.equal(bare(z.number().default(4).readonly()).defaultValue, 4)
  assert.equal(bare(z.preprocess((value) => value, z.boolean())).type, 'boolean')
  assert.equal(bare(z.string().transform(Number)).type, 'string')
  assert.equal(bare(z.lazy(() => z.number())).type, 'number')
})

test('a configuration type stays whole', () => {
  const grace = duration()
  const seen = bare(grace.prefault('15m').describe('how long'))
  assert.equal(seen.schema, grace)
  assert.equal(seen.defaultValue, '15m')
})

test('fields, elements and choices', () => {
  const schema = z
    .strictObject({ a: z.string() })
    .refine(() => true)
    .prefault({ a: '' })
  assert.deepEqual(Object.keys(fieldsOf(schema)!), ['a'])
  assert.equal(fieldsOf(z.record(z.string(), z.string())), undefined)
  assert.equal(bare(elementOf(z.array(z.number()).optional())!).type, 'number')
  assert.deepEqual(choicesOf(z.enum(['x', 'y']).default('x')), ['x', 'y'])
  assert.deepEqual(choicesOf(z.union([z.literal('a'), z.enum(['b', 'c'])])), ['a', 'b', 'c'])
  assert.equal(choicesOf(z.union([z.literal('a'), z.string()])), undefined)
  assert.equal(takesAnyKey(z.strictObject({})), false)
  assert.equal(takesAnyKey(z.looseObject({})), true)
})

test('the value chooses among the options of a union', () => {
  const copy = z.strictObject({ kind: z.literal('copy'), file: z.string() })
  const sql = z.strictObject({ kind: z.literal('sql'), statement: z.string() })
  const union = z.discriminatedUnion('kind', [copy, sql])
  assert.equal(chooseOption(union, { kind: 'sql' }), sql)
  const after = z.strictObject({ after: z.string() })
  const plain = z.union([z.string(), z.strictObject({ cron: z.string() }), after])
  assert.equal(chooseOption(plain, { after: 'x', more: 1 }), after)
  assert.equal(bare(chooseOption(plain, 'x')).type, 'string')
  assert.equal(bare(childSchema(union, { kind: 'copy' }, 'file')!).type, 'string')
})

test('a key that a strict object does not know has no schema', () => {
  assert.equal(childSchema(z.strictObject({ a: z.string() }), {}, 'b'), undefined)
  assert.equal(bare(childSchema(z.record(z.string(), z.number()), {}, 'b')!).type, 'number')
  assert.equal(bare(childSchema(z.array(z.number()), [], 3)!).type, 'number')
})
