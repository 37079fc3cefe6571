import assert from 'node:assert/strict'
import { test } from 'node:test'

import { controlSection } from './config.ts'

function messages(control: Record<string, unknown>, all: Record<string, unknown> = {}): readonly string[] {
  return (controlSection.check?.(controlSection.schema.parse(control), all) ?? []).map(
    (one) => `${one.path.join('.')}: ${one.message}`,
  )
}

test('left out, wharf runs its own', () => {
  assert.deepEqual(controlSection.schema.parse(undefined), { keep_events: 90 * 24 * 3_600_000 })
  assert.deepEqual(messages({}), [])
})

test('a password without a url, and a bad url, are named', () => {
  assert.deepEqual(messages({ password: 'x' }), ['control.password: "password" without "url" has no use'])
  assert.deepEqual(messages({ url: 'postgresql://h/d' }), ['control.url: not a connection URL: it names no user'])
})

test('the control database must not live on the server of a warehouse', () => {
  const all = { warehouses: { retail: { url: 'postgresql://u@localhost/shop' } } }
  const url = 'postgresql://wharf@127.0.0.1:5432/wharf'
  assert.deepEqual(messages({ url }, all), ['control.url: control.url names the server of the warehouse "retail"'])
  assert.deepEqual(messages({ url: url.replace('5432', '5433') }, all), [])
})
