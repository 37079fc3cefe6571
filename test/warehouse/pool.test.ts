// A connection of the pool that breaks while a caller holds it is an error of the caller's next query, not the end of the process.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { parseConnectionUrl } from '../../src/warehouse/connection.ts'
import { openPool } from '../../src/warehouse/pool.ts'
import { startServer } from '../support/postgres.ts'

void test('the server kills the session between two queries', async () => {
  await using server = await startServer({ major: 18 })
  const signal = new AbortController().signal
  const target = {
    what: 'the control database',
    passwordFile: undefined,
    ...parseConnectionUrl(server.url),
  }
  const pool = await openPool(target, { purpose: 'test', size: 2, clock: systemClock, signal })
  const client = await pool.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const broken = new Promise((resolve) => client.once('end', resolve))
  process.kill(rows[0]!.pid, 'SIGKILL')
  await broken
  await assert.rejects(client.query('select 1'))
  client.release(true)
  await pool.end()
})
