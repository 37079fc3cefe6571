// Sessions with real servers: errors by their exact text, cancellation that reaches the server, TLS, facts.
import assert from 'node:assert/strict'
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Warehouse } from '../../src/warehouse/contract.ts'
import { freePort } from '../../src/warehouse/server/run.ts'
import { isWharfError } from '../../src/base/errors.ts'
import { scratchFolder, startServer } from '../support/postgres.ts'
import { warehouseFor } from '../support/warehouse.ts'

const never = new AbortController().signal

async function failure(warehouse: Warehouse): Promise<{ code: string; message: string; hint: string | undefined }> {
  try {
    await using session = await warehouse.connect({ purpose: 'test', signal: never })
    await session.query('select 1')
  } catch (error) {
    assert.ok(isWharfError(error), String(error))
    const { code, message, hint } = error
    return { code, message, hint }
  }
  return assert.fail('it connected')
}

void test('each way of not getting in has its own error', async () => {
  await using server = await startServer({ major: 18, authentication: 'scram-sha-256' })
  const at = `127.0.0.1:${server.port}`
  assert.deepEqual(await failure(warehouseFor({ url: server.urlFor({ password: 'wrong' }) })), {
    code: 'warehouse.wrong-password',
    message: `warehouse "retail" refused the password of user "postgres" at ${at}`,
    hint: 'check that the role exists (wharf warehouse grants prints it), its password, and where that comes from: password, password_file or the URL in wharf.yaml',
  })
  assert.deepEqual(await failure(warehouseFor({ host: '127.0.0.1', port: server.port, user: 'postgres' })), {
    code: 'warehouse.no-password',
    message: 'warehouse "retail" asks for a password of user "postgres" and none is given',
    hint: 'set password: ${env:NAME} or ${file:PATH}, or password_file: PATH, for this warehouse in wharf.yaml',
  })
  assert.deepEqual(await failure(warehouseFor({ url: server.urlFor({ database: 'nosuch' }) })), {
    code: 'warehouse.no-database',
    message: 'warehouse "retail" has no database "nosuch"',
    hint: 'check the last part of the URL; psql -l lists the databases',
  })
  assert.deepEqual(await failure(warehouseFor({ url: `${server.url}?sslmode=require` })), {
    code: 'warehouse.tls-not-offered',
    message: `warehouse "retail" at ${at} does not offer TLS, and its sslmode demands it`,
    hint: 'turn ssl on at the server, or, on a network that you trust, use sslmode=disable',
  })
  const port = await freePort()
  assert.deepEqual(await failure(warehouseFor({ url: `postgresql://u@127.0.0.1:${port}/d` })), {
    code: 'warehouse.unreachable',
    message: `warehouse "retail" cannot be reached at 127.0.0.1:${port}: connection refused`,
    hint: 'is PostgreSQL running there, do port and listen_addresses match the URL, and does the firewall let this machine in?',
  })
  assert.deepEqual(await failure(warehouseFor({ url: 'postgresql://u@nosuch.invalid/d' })), {
    code: 'warehouse.unknown-host',
    message: 'the host "nosuch.invalid" of warehouse "retail" is not known',
    hint: 'check the spelling in the URL and that the name resolves on this machine',
  })
})

void test('a port where something else answers, or nobody speaks, is named as such', async () => {
  const web = createServer((socket) => void socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const mute = createServer((socket) => void socket.on('error', () => {}))
  for (const one of [web, mute]) await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))
  const portOf = (one: typeof web): number => (one.address() as { port: number }).port
  try {
    const other = await failure(warehouseFor({ url: `postgresql://u@127.0.0.1:${portOf(web)}/d?sslmode=disable` }))
    assert.deepEqual(
      [other.code, other.message],
      [
        'warehouse.not-postgres',
        `what answers for warehouse "retail" at 127.0.0.1:${portOf(web)} does not speak the PostgreSQL protocol`,
      ],
    )
    const silent = await failure(warehouseFor({ url: `postgresql://u@127.0.0.1:${portOf(mute)}/d?connect_timeout=1` }))
    assert.equal(silent.message, `warehouse "retail" cannot be reached at 127.0.0.1:${portOf(mute)}: no answer in time`)
  } finally {
    web.close()
    mute.close()
  }
})

void test('a password file is used, and refused when everyone can read it', async () => {
  await using server = await startServer({ major: 15, authentication: 'scram-sha-256' })
  await using scratch = await scratchFolder()
  const file = join(scratch.path, 'password')
  const warehouse = warehouseFor({ host: '127.0.0.1', port: server.port, user: 'postgres', password_file: file })
  assert.equal(
    (await failure(warehouse)).message,
    `the password file ${file} of warehouse "retail" cannot be used: it does not exist`,
  )
  await writeFile(file, `${server.password}\n`, { mode: 0o644 })
  assert.equal(
    (await failure(warehouse)).message,
    `the password file ${file} of warehouse "retail" cannot be used: every user of this machine can read or change it`,
  )
  await chmod(file, 0o600)
  await using session = await warehouse.connect({ purpose: 'purpose', signal: never })
  assert.deepEqual(await session.query('show application_name'), [{ application_name: 'wharf purpose' }])
})

void test('aborting cancels the statement on the server and the query rejects with the reason', async () => {
  await using server = await startServer({ major: 18 })
  const warehouse = warehouseFor({ url: server.url })
  const stop = new AbortController()
  await using session = await warehouse.connect({ purpose: 'slow', signal: stop.signal })
  const running = session.query('select pg_sleep(600)')
  const waiting = session.query('select 1')
  const active = `select 1 from pg_stat_activity where pid = ${session.backendPid} and state = 'active'`
  while ((await server.psql(active)).length === 0);
  stop.abort(new Error('stop it'))
  await assert.rejects(running, /stop it/)
  await assert.rejects(waiting, /stop it/)
  while ((await server.psql(active)).length > 0);
})

void test('a backend that is ended, and a missing right, are passing and lasting errors', async () => {
  await using server = await startServer({ major: 18 })
  await server.psql('create role plain login')
  const warehouse = warehouseFor({ url: server.urlFor({ user: 'plain' }) })
  await using session = await warehouse.connect({ purpose: 'test', signal: never })
  await assert.rejects(session.query('select pg_read_file($1)', ['/etc/passwd']), {
    code: 'warehouse.denied',
    message: 'user "plain" of warehouse "retail" may not do this: permission denied for function pg_read_file',
    passing: false,
  })
  await assert.rejects(session.query('select nosuch'), { code: '42703' })
  const refused = assert.rejects(session.query('select pg_sleep(600)'), {
    code: 'warehouse.connection-lost',
    message: `the connection to warehouse "retail" at 127.0.0.1:${server.port} was lost: terminating connection due to administrator command`,
    passing: true,
  })
  const active = `select pid from pg_stat_activity where pid = ${session.backendPid} and state = 'active'`
  while ((await server.psql(active)).length === 0);
  await server.psql(`select pg_terminate_backend(${session.backendPid})`)
  await refused
})

for (const major of [15, 16, 17, 18] as const) {
  void test(`facts of version ${major} are those of the server`, async () => {
    await using server = await startServer({ major, allowInPlaceTablespaces: true, checksums: major !== 16 })
    const place = join(server.socketDirectory, 'space')
    await mkdir(place)
    if (server.account) await chown(place, server.account.uid, server.account.gid)
    await server.psql(`create tablespace outside location '${place}'`)
    await server.psql(`create tablespace inside location ''`)
    const facts = await warehouseFor({ url: server.url }).facts(never)
    const [truth] = await server.psql<{ id: string; version: number }>(
      `select system_identifier::text as id, current_setting('server_version_num')::int as version from pg_control_system()`,
    )
    assert.equal(facts.systemIdentifier, BigInt(truth!.id))
    assert.equal(facts.version, truth!.version)
    assert.equal(facts.majorVersion, major)
    assert.equal(facts.dataDirectory, server.dataDirectory)
    assert.equal(facts.dataChecksums, major !== 16)
    assert.deepEqual(
      [facts.timeline, facts.walLevel, facts.fullPageWrites, facts.inRecovery],
      [1, 'replica', true, false],
    )
    assert.deepEqual([facts.walSegmentBytes, facts.blockBytes], [16 * 1024 * 1024, 8192])
    assert.deepEqual(
      facts.tablespaces.map(({ name, location, inPlace }) => ({ name, location, inPlace })),
      [
        { name: 'outside', location: place, inPlace: false },
        { name: 'inside', location: `pg_tblspc/${facts.tablespaces[1]?.oid}`, inPlace: true },
      ],
    )
    assert.deepEqual(
      facts.databases.map((one) => one.name),
      ['template1', 'template0', 'postgres'],
    )
    assert.equal(facts.configFiles.hba_file, join(server.dataDirectory, 'pg_hba.conf'))
    assert.equal(facts.settings['max_wal_size'], '256MB')
    assert.ok(facts.insertLsn > 0x1000000n && facts.bytes > 1_000_000)
  })
}
