// What `wharf warehouse grants` prints is enough for everything that wharf does, and no line of it is too much.
import assert from 'node:assert/strict'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { Collector } from '../../src/monitor/collect/collector.ts'
import { fastLane } from '../../src/monitor/probes/fast.ts'
import { slowLane } from '../../src/monitor/probes/slow.ts'
import { checkWarehouse } from '../../src/warehouse/check/check.ts'
import { grantStatements, rights } from '../../src/warehouse/rights.ts'
import type { Warehouse } from '../../src/warehouse/contract.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { warehouseFor } from '../support/warehouse.ts'

const signal = new AbortController().signal
const settings = { max_slot_wal_keep_size: '1GB' }

/** Does, as the role, each thing that wharf does with a warehouse; names what failed. */
async function whatFails(warehouse: Warehouse): Promise<readonly string[]> {
  const failed: string[] = []
  const attempt = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (!isWharfError(error)) throw error
      failed.push(name)
    }
  }
  await using session = await warehouse.connect({ purpose: 'test', signal })
  await attempt('facts', () => warehouse.facts(signal))
  await attempt('backup', async () => {
    await session.query(`select pg_backup_start('test', true)`)
    await session.query('select labelfile from pg_backup_stop(false)')
  })
  await attempt('switch', () => session.query('select pg_switch_wal()'))
  await attempt('restore point', () => session.query(`select pg_create_restore_point('here')`))
  await attempt('journal', async () => {
    await session.query('create schema wharf')
    await session.query('drop schema wharf')
  })
  await attempt('receive', async () => {
    await using replication = await warehouse.connectReplication({ purpose: 'test', signal })
    const { timeline } = await replication.identify()
    const { restartLsn } = await replication.ensureSlot('wharf_test')
    const stream = replication.stream({ slot: 'wharf_test', timeline, startLsn: restartLsn!, signal })
    for await (const piece of stream.messages()) if (piece.bytes.length > 0) break
  })
  await attempt('drop slot', async () => {
    await using replication = await warehouse.connectReplication({ purpose: 'test', signal })
    // The stream above was broken off: the server takes a moment to notice.
    for (;;) {
      const error = await replication.dropSlot('wharf_test').catch((error: unknown) => error)
      if (!isWharfError(error, 'warehouse.slot-busy')) {
        if (error !== undefined) throw error
        return
      }
    }
  })
  let failing = -1
  const write = (_at: Date, samples: readonly { key: string; value: number }[]): Promise<void> => {
    failing = samples.find((one) => one.key === 'monitor_failing_probes')?.value ?? -1
    return Promise.resolve()
  }
  const parts = { warehouse, clock: systemClock, log: silentLog, intervalMs: 10_000, busySessions: 64, write }
  const stop = new AbortController()
  const collector = new Collector({ ...parts, probes: [...fastLane, ...slowLane] })
  await collector.tick(stop.signal)
  await collector.close()
  if (failing !== 0) failed.push('monitor')
  return failed
}

async function failedChecks(warehouse: Warehouse): Promise<readonly string[]> {
  return (await checkWarehouse(warehouse, signal)).filter((one) => one.cure !== undefined).map((one) => one.check)
}

async function createRole(server: TestServer, role: string, without: number | undefined): Promise<Warehouse> {
  const statements = grantStatements(role, 'postgres').filter((_, index) => index !== without)
  for (const sql of statements) await server.psql(sql)
  await server.psql(`alter role ${role} password 'secret'`)
  return warehouseFor({ url: server.urlFor({ user: role, password: 'secret' }), repositories: ['main'] })
}

for (const major of [15, 18] as const) {
  void test(`on ${major} the grants suffice for everything, and each one is needed`, async () => {
    await using server = await startServer({ major, authentication: 'scram-sha-256', settings })
    assert.deepEqual(await whatFails(await createRole(server, 'whole', undefined)), [])
    for (const [index, right] of rights.entries()) {
      const warehouse = await createRole(server, `lacking_${index}`, index + 1)
      const failed = await whatFails(warehouse)
      assert.ok(failed.length > 0, `${right.name} is not needed`)
      assert.ok((await failedChecks(warehouse)).includes(`right ${right.name}`), `check does not miss ${right.name}`)
    }
  })
}

void test('check names what is missing with its cure, and nothing where all is well', async () => {
  await using server = await startServer({
    major: 18,
    checksums: false,
    authentication: 'scram-sha-256',
    settings: { full_page_writes: 'off', fsync: 'on' },
  })
  const warehouse = await createRole(server, 'wharf', undefined)
  await server.psql(`revoke pg_monitor from wharf`)
  const findings = await checkWarehouse(warehouse, signal)
  assert.deepEqual(
    findings.filter((one) => one.state !== 'ok'),
    [
      {
        check: 'right pg_monitor',
        state: 'failed',
        message:
          'role wharf lacks it; needed to read all settings (data_directory), statistics and sizes, and list temporary files',
        cure: 'GRANT pg_monitor TO wharf;',
      },
      {
        check: 'max_slot_wal_keep_size',
        state: 'failed',
        message: '-1: a receiver that is away would fill the disk with WAL',
        cure: `ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; SELECT pg_reload_conf();`,
      },
      {
        check: 'full_page_writes',
        state: 'failed',
        message: 'off: a backup in use could hold torn pages that WAL does not mend',
        cure: 'ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();',
      },
      {
        check: 'data_checksums',
        state: 'warning',
        message: 'off: damaged pages are noticed late or never',
        cure: 'stop the server and run: pg_checksums --enable -D DATA_DIRECTORY',
      },
      {
        check: 'data directory',
        state: 'failed',
        message: 'its path is not shown to this role',
        cure: 'see right pg_monitor',
      },
    ],
  )
  // The cures cure.
  for (const { cure } of findings)
    if (cure?.startsWith('ALTER SYSTEM') || cure?.startsWith('GRANT'))
      for (const sql of cure.split(/(?<=;) /)) await server.psql(sql)
  await systemClock.sleep(300)
  assert.deepEqual(await failedChecks(warehouse), ['data_checksums'])
})

void test('a pg_hba.conf that lets no replication in is named with the line that does', async () => {
  await using server = await startServer({ major: 15, settings })
  const hba = join(server.dataDirectory, 'pg_hba.conf')
  await writeFile(hba, (await readFile(hba, 'utf8')).replaceAll(/^.*replication.*$/gm, ''))
  await server.psql('select pg_reload_conf()')
  const warehouse = warehouseFor({ url: server.url, repositories: ['main'] })
  const find = async (): Promise<unknown> =>
    (await checkWarehouse(warehouse, signal)).find((one) => one.check === 'replication')
  let found = (await find()) as { state: string; cure?: string }
  while (found.state === 'ok') found = (await find()) as typeof found
  assert.equal(
    found.cure,
    'add to pg_hba.conf: host replication postgres 127.0.0.1/32 scram-sha-256 -- then SELECT pg_reload_conf();',
  )
  await appendFile(hba, 'host replication postgres 127.0.0.1/32 trust\n')
  await server.psql('select pg_reload_conf()')
  while (found.state !== 'ok') found = (await find()) as typeof found
})
