// The supervisor of servers that we start, on real PostgreSQL of every supported version.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { writeFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { lifeOf } from '../../src/warehouse/server/postmaster.ts'
import { majors, startServer } from '../support/postgres.ts'

for (const major of majors) {
  test(`a server of version ${major} starts, answers, stops, starts again and leaves nothing behind`, async () => {
    let dataDirectory: string
    let pid: number
    {
      await using server = await startServer({ major, settings: { work_mem: '5MB' } })
      dataDirectory = server.dataDirectory
      const [row] = await server.psql<{
        version: string
        checksums: string
        memory: string
        encoding: string
        locale: string
      }>(
        `select current_setting('server_version_num') as version, current_setting('data_checksums') as checksums,
         current_setting('work_mem') as memory, current_setting('server_encoding') as encoding,
         (select datcollate from pg_database where datname = 'postgres') as locale`,
      )
      assert.equal(Math.floor(Number(row?.version) / 10000), major)
      assert.deepEqual([row?.checksums, row?.memory, row?.encoding], ['on', '5MB', 'UTF8'])
      assert.equal(row?.locale, major >= 17 ? 'C.UTF-8' : 'C')
      await server.psql('create table kept as select 1 as one')
      await server.stop()
      assert.equal(await server.pid(), 0)
      await server.start()
      await server.kill9()
      await server.start()
      assert.deepEqual(await server.psql('select one from kept'), [{ one: 1 }])
      pid = await server.pid()
    }
    assert.equal(existsSync(dataDirectory), false)
    assert.notEqual(await lifeOf(pid), 'alive')
  })
}

test('checksums can be off on every version', async () => {
  for (const major of [15, 18] as const) {
    await using server = await startServer({ major, checksums: false })
    assert.deepEqual(await server.psql('show data_checksums'), [{ data_checksums: 'off' }])
  }
})

test('an empty postmaster.pid, as a power cut leaves it, does not keep the server from starting', async () => {
  await using server = await startServer({ major: 18, start: false })
  const file = join(server.dataDirectory, 'postmaster.pid')
  await writeFile(file, '')
  await server.start()
  assert.notEqual(await server.pid(), 0)
  await server.stop()
})

test('a postmaster.pid whose number belongs to another process now does not keep the server from starting', async () => {
  await using server = await startServer({ major: 18, start: false })
  const file = join(server.dataDirectory, 'postmaster.pid')
  await writeFile(
    file,
    `${process.pid}\n${server.dataDirectory}\n1700000000\n5432\n/tmp\n127.0.0.1\n  1234  5678\nready   \n`,
  )
  await server.start()
  assert.notEqual(await server.pid(), 0)
  await server.stop()
  await rm(file, { force: true })
})

test('password authentication keeps out whoever has none', async () => {
  await using server = await startServer({ major: 15, authentication: 'scram-sha-256' })
  assert.deepEqual(await server.psql('select 1 as one'), [{ one: 1 }])
  const { Client } = await import('pg')
  const client = new Client({ connectionString: server.urlFor({ password: 'wrong' }) })
  await assert.rejects(client.connect(), { code: '28P01' })
})
