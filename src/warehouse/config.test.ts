import assert from 'node:assert/strict'
import { test } from 'node:test'

import { warehousesSection } from './config.ts'

function messages(entry: Record<string, unknown>, all: Record<string, unknown> = {}): readonly string[] {
  const value = warehousesSection.schema.parse({ retail: entry })
  return (warehousesSection.check?.(value, all) ?? []).map((one) => `${one.path.join('.')}: ${one.message}`)
}

test('a sound entry has no findings', () => {
  assert.deepEqual(messages({ url: 'postgresql://u@h/d', repositories: ['main'] }, { repositories: { main: {} } }), [])
  assert.deepEqual(messages({ host: 'h', user: 'u', password_file: 'p', sslmode: 'require' }), [])
  assert.deepEqual(messages({ managed: true, database: 'd', settings: { work_mem: '8MB', jit: false } }), [])
})

const bad: readonly (readonly [Record<string, unknown>, string])[] = [
  [{}, 'warehouses.retail.url: warehouse "retail" says neither url nor host and user'],
  [{ url: 'postgresql://h/d' }, 'warehouses.retail.url: not a connection URL: it names no user'],
  [{ url: 'postgresql://u@h/d', port: 1 }, 'warehouses.retail.port: "port" is given beside "url"'],
  [
    { managed: true, url: 'postgresql://u@h/d' },
    'warehouses.retail.url: "url" has no use in a warehouse that wharf runs itself',
  ],
  [
    { host: 'h', user: 'u', password: 'x', password_file: 'y' },
    'warehouses.retail.password_file: both password and password_file are given',
  ],
  [
    { url: 'postgresql://u@h/d', settings: {} },
    'warehouses.retail.settings: "settings" is for managed warehouses only',
  ],
  [
    { url: 'postgresql://u@h/d', repositories: ['mian'] },
    'warehouses.retail.repositories.0: no repository is called "mian"',
  ],
]

for (const [entry, message] of bad) {
  test(message, () => assert.deepEqual(messages(entry, { repositories: { main: {} } }), [message]))
}

test('names and keys are strict', () => {
  assert.equal(warehousesSection.schema.safeParse({ Retail: { url: 'postgresql://u@h/d' } }).success, false)
  assert.equal(warehousesSection.schema.safeParse({ retail: { urll: 'x' } }).success, false)
})
