// sslmode against a real server with a certificate of our own authority.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, chown, copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { requirement } from '../support/requirements.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { warehouseFor } from '../support/warehouse.ts'

const never = new AbortController().signal

/** A certificate for `localhost`, signed by an authority whose file is returned. */
async function giveCertificate(server: TestServer): Promise<string> {
  const place = (name: string): string => join(server.socketDirectory, name)
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' })
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=authority',
    '-keyout',
    place('ca.key'),
    '-out',
    place('ca.pem'),
  )
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=localhost',
    '-keyout',
    place('server.key'),
    '-out',
    place('server.csr'),
  )
  await writeFile(place('names'), 'subjectAltName=DNS:localhost')
  openssl(
    'x509',
    '-req',
    '-in',
    place('server.csr'),
    '-CA',
    place('ca.pem'),
    '-CAkey',
    place('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    place('names'),
    '-out',
    place('server.crt'),
  )
  for (const name of ['server.key', 'server.crt']) {
    const target = join(server.dataDirectory, name)
    await copyFile(place(name), target)
    await chmod(target, 0o600)
    if (server.account) await chown(target, server.account.uid, server.account.gid)
  }
  return place('ca.pem')
}

void test('every sslmode does what libpq says', async (t) => {
  if (!requirement(t, 'openssl')) return
  await using server = await startServer({ major: 18 })
  const authority = await giveCertificate(server)
  await server.psql('alter system set ssl = on')
  await server.stop()
  await server.start()
  const url = (host: string, rest: string): string => `postgresql://postgres@${host}:${server.port}/postgres?${rest}`
  const encrypted = async (target: string): Promise<boolean | undefined> => {
    await using session = await warehouseFor({ url: target }).connect({ purpose: 'test', signal: never })
    const [row] = await session.query<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    return row?.ssl
  }
  assert.equal(await encrypted(url('127.0.0.1', 'sslmode=disable')), false)
  assert.equal(await encrypted(url('127.0.0.1', 'sslmode=prefer')), true)
  assert.equal(await encrypted(url('127.0.0.1', 'sslmode=require')), true)
  assert.equal(await encrypted(url('localhost', `sslmode=verify-full&sslrootcert=${authority}`)), true)
  assert.equal(await encrypted(url('127.0.0.1', `sslmode=verify-ca&sslrootcert=${authority}`)), true)
  const refused = async (target: string): Promise<{ code: string; message: string }> => {
    const error = await encrypted(target).catch((error: unknown) => error)
    assert.ok(isWharfError(error), String(error))
    return { code: error.code, message: error.message }
  }
  const name = await refused(url('127.0.0.1', `sslmode=verify-full&sslrootcert=${authority}`))
  assert.equal(name.code, 'warehouse.tls-refused')
  assert.match(
    name.message,
    /^the TLS certificate of warehouse "retail" at 127\.0\.0\.1:\d+ is not accepted: .*altnames/,
  )
  assert.equal((await refused(url('localhost', 'sslmode=verify-full'))).code, 'warehouse.tls-refused')
  assert.deepEqual(await refused(url('localhost', 'sslmode=verify-full&sslrootcert=/nosuch.pem')), {
    code: 'warehouse.bad-certificate-file',
    message: 'the certificate file /nosuch.pem of warehouse "retail" cannot be read: it does not exist',
  })

  await t.test('and a cancel request goes the same way', async () => {
    const stop = new AbortController()
    const warehouse = warehouseFor({ url: url('localhost', `sslmode=verify-full&sslrootcert=${authority}`) })
    await using session = await warehouse.connect({ purpose: 'slow', signal: stop.signal })
    const refusal = assert.rejects(session.query('select pg_sleep(600)'), /stop it/)
    const active = `select 1 from pg_stat_activity where pid = ${session.backendPid} and state = 'active'`
    while ((await server.psql(active)).length === 0);
    stop.abort(new Error('stop it'))
    await refusal
    while ((await server.psql(active)).length > 0);
  })
})
