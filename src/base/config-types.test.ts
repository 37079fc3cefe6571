import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'

import fc from 'fast-check'
import { z } from 'zod'

import {
  configTypeOf,
  cron,
  declaredName,
  duration,
  instant,
  secret,
  size,
  timezone,
  whole,
  writeDuration,
  writeSize,
} from './config-types.ts'
import { Secret } from './secret.ts'
import { parseDuration, parseSize } from './units.ts'

function refusal(schema: z.ZodType, value: unknown): { message: string; hint: unknown } {
  const result = schema.safeParse(value)
  assert.ok(!result.success, `${String(value)} was taken`)
  const [issue] = result.error.issues
  return {
    message: issue!.message,
    hint: issue?.code === 'custom' ? issue.params?.['hint'] : undefined,
  }
}

test('durations carry a unit', () => {
  assert.equal(duration().parse('1h30m'), 5_400_000)
  assert.equal(duration().prefault('15m').parse(undefined), 900_000)
  assert.deepEqual(refusal(duration(), '15'), {
    message: 'not a duration: "15"',
    hint: 'a number with a unit, for example 500ms, 30s, 15m, 2h, 7d, or several: 1h30m',
  })
})

test('sizes carry a unit', () => {
  assert.equal(size().parse('64MB'), 64 * 1024 * 1024)
  assert.deepEqual(refusal(size(), '64'), {
    message: 'not a size: "64"',
    hint: 'a number with a unit, for example 512kB, 64MB, 10GB, 2TB (powers of 1024, as PostgreSQL has them)',
  })
})

test('what is written is what was read', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (ms) => parseDuration(writeDuration(ms)) === ms))
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 48 }), (bytes) => parseSize(writeSize(bytes)) === bytes))
  assert.equal(writeDuration(5_400_000), '90m')
  assert.equal(writeSize(64 * 1024 * 1024), '64MB')
})

test('times carry a zone', () => {
  assert.equal(instant().parse('2026-11-20T14:05:00+01:00').toISOString(), '2026-11-20T13:05:00.000Z')
  assert.equal(instant().parse('2026-11-20 13:05Z').toISOString(), '2026-11-20T13:05:00.000Z')
  assert.equal(instant().parse('2026-11-20 14:05:00.250 +01').toISOString(), '2026-11-20T13:05:00.250Z')
  assert.equal(instant().parse('2026-11-20 14:05:00+0100').toISOString(), '2026-11-20T13:05:00.000Z')
  assert.equal(
    refusal(instant(), '2026-11-20T14:05:00').message,
    'not a time with a zone: "2026-11-20T14:05:00" (write it like 2026-11-20T14:05:00+01:00)',
  )
  assert.equal(refusal(instant(), '2026-13-20T14:05:00Z').message, 'no such time: "2026-13-20T14:05:00Z"')
})

test('time zones and cron lines are checked', () => {
  assert.equal(timezone().parse('Europe/Paris'), 'Europe/Paris')
  assert.equal(
    refusal(timezone(), 'Europe/Pariss').message,
    'no such time zone: "Europe/Pariss" (write an IANA name like Europe/Paris, or UTC)',
  )
  assert.equal(cron().parse('30 2 * * 1-5'), '30 2 * * 1-5')
  assert.equal(refusal(cron(), '0 30 2 * * *').message, 'not a cron expression of five fields: "0 30 2 * * *"')
  assert.equal(
    refusal(cron(), '61 2 * * *').message,
    'not a cron expression: "61 2 * * *" (fields: minute hour day-of-month month day-of-week)',
  )
})

test('a secret hides itself wherever it is printed', () => {
  const value = secret().parse('hunter2')
  assert.ok(value instanceof Secret)
  assert.equal(value.reveal(), 'hunter2')
  for (const shown of [String(value), JSON.stringify({ value }), inspect({ value }, { showHidden: true, depth: 9 })]) {
    assert.ok(!shown.includes('hunter2'), shown)
  }
})

test('names are lower case', () => {
  assert.equal(declaredName().parse('retail_2-a'), 'retail_2-a')
  for (const wrong of ['Retail', '2retail', '', 'a b', 'x'.repeat(49)]) refusal(declaredName(), wrong)
})

test('types are known through wrappers', () => {
  assert.equal(configTypeOf(duration())?.name, 'DURATION')
  assert.equal(configTypeOf(whole(1)), undefined)
})

test('JSON Schema of every type can be made', () => {
  const all = z.strictObject({
    a: duration(),
    b: size(),
    c: instant(),
    d: timezone(),
    e: cron(),
    f: secret(),
    g: declaredName(),
    h: whole(1, 5),
  })
  const schema = z.toJSONSchema(all, { io: 'input' }) as { properties: Record<string, { type: string }> }
  assert.deepEqual(
    Object.values(schema.properties).map((one) => one.type),
    ['string', 'string', 'string', 'string', 'string', 'string', 'string', 'integer'],
  )
})
