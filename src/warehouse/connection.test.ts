import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'

import { isWharfError } from '../base/errors.ts'
import { parseConnectionUrl, showTarget, whereOf } from './connection.ts'

test('a URL is read like libpq reads it, and shown without its password', () => {
  const target = parseConnectionUrl(
    'postgresql://wh%40rf:s%2Fecret@dw1:6432/re%20tail?sslmode=verify-full&sslrootcert=/ca.pem',
  )
  assert.equal(target.password?.reveal(), 's/ecret')
  const { password, ...rest } = target
  assert.equal(String(password), '***')
  assert.deepEqual(rest, {
    host: 'dw1',
    port: 6432,
    user: 'wh@rf',
    database: 're tail',
    tls: { mode: 'verify-full', rootCertificate: '/ca.pem', certificate: undefined, key: undefined },
    connectTimeoutMs: 10_000,
  })
  assert.equal(showTarget(target), 'postgresql://wh%40rf@dw1:6432/re%20tail?sslmode=verify-full')
  assert.equal(inspect(target, { depth: 9 }).includes('ecret'), false)
})

test('defaults, sockets and IPv6', () => {
  const plain = parseConnectionUrl('postgres://u@h')
  assert.deepEqual([plain.port, plain.database, plain.tls.mode], [5432, 'u', 'prefer'])
  const socket = parseConnectionUrl('postgresql://u@/d?host=/run/postgresql&port=5433')
  assert.deepEqual([socket.host, socket.port, socket.tls.mode], ['/run/postgresql', 5433, 'disable'])
  assert.equal(showTarget(socket), 'postgresql://u@/d?host=%2Frun%2Fpostgresql&port=5433')
  const six = parseConnectionUrl('postgresql://u@[::1]:5432/d')
  assert.deepEqual([six.host, whereOf(six), showTarget(six)], ['::1', '[::1]:5432', 'postgresql://u@[::1]:5432/d'])
  for (const one of [plain, socket, six]) assert.deepEqual(parseConnectionUrl(showTarget(one)), one)
})

const bad: readonly (readonly [string, string])[] = [
  ['mysql://u@h/d', 'it starts with "mysql://" instead of "postgresql://"'],
  ['nonsense', 'it cannot be parsed (is a special character in the password not percent-encoded?)'],
  ['postgresql://h/d', 'it names no user'],
  ['postgresql://u:sec%ret@h/d', 'a % in it is not followed by two hexadecimal digits'],
  [
    'postgresql://u@h/d?sslmod=require',
    'unknown parameter "sslmod" (known: host, port, user, dbname, password, sslmode, sslrootcert, sslcert, sslkey, connect_timeout)',
  ],
  [
    'postgresql://u@h/d?sslmode=strict',
    'sslmode is "strict" (known: disable, prefer, require, verify-ca, verify-full)',
  ],
  ['postgresql://u@h/d?port=0', 'the port is not a number from 1 to 65535'],
  ['postgresql://u@/d?host=a,b', 'it names several hosts'],
]

for (const [url, reason] of bad) {
  test(`not a URL: ${reason}`, () => {
    assert.throws(
      () => parseConnectionUrl(url),
      (error: unknown) => {
        assert.ok(isWharfError(error, 'warehouse.bad-url'))
        assert.equal(error.message, `not a connection URL: ${reason}`)
        assert.equal(error.hint, 'postgresql://user@host:5432/database?sslmode=verify-full')
        return true
      },
    )
  })
}
