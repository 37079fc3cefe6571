// Images of pages in WAL, in every compression that the server offers, against pg_walinspect's own restoring of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatLsn, type Lsn } from '../../src/wal/lsn.ts'
import { pageImage } from '../../src/wal/page-image.ts'
import { RecordStream } from '../../src/wal/record-stream.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { currentLsn, readWal } from './pg-wal.ts'

async function images(server: TestServer, from: Lsn, to: Lsn): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  let stream: RecordStream | undefined
  for await (const { startLsn, bytes } of readWal(server, { from, to, segmentBytes: 16 * 1024 * 1024 })) {
    stream ??= new RecordStream(
      { startLsn, majorVersion: server.major, segmentBytes: 16 * 1024 * 1024 },
      {
        record: (record, { baseLsn }) => {
          const start = baseLsn + BigInt(record.start)
          if (start < from) return
          for (let n = 0; n < record.blockCount; n++) {
            const page = pageImage(record, n)
            if (page) found.set(`${formatLsn(start)} ${record.blockId[n]}`, page)
          }
        },
      },
    )
    stream.push(bytes)
  }
  return found
}

test('PostgreSQL 18: images come out of WAL as the server itself restores them', async () => {
  await using server = await startServer({ major: 18 })
  await server.psql(
    'create extension pg_walinspect; create table t as select n as id, repeat(md5(n::text), 3) as body from generate_series(1, 3000) n; create index on t (body)',
  )
  let compressed = 0
  for (const method of ['off', 'pglz', 'lz4', 'zstd']) {
    const offered = await server.psql(`set wal_compression = ${method}`).then(
      () => true,
      () => false,
    )
    if (!offered) continue
    const from = await currentLsn(server)
    await server.psql(`set wal_compression = ${method}; checkpoint; update t set body = body || 'x' where id % 7 = 0`)
    const to = await currentLsn(server)
    const ours = await images(server, from, to)
    const theirs = await server.psql<{ key: string; page: Buffer }>(
      `select start_lsn::text || ' ' || block_id as key, block_fpi_data as page
         from pg_get_wal_block_info('${formatLsn(from)}', '${formatLsn(to)}', true) where block_fpi_data is not null`,
    )
    assert.ok(theirs.length > 20)
    assert.deepEqual([...ours.keys()].sort(), theirs.map((one) => one.key).sort())
    for (const { key, page } of theirs) assert.ok(ours.get(key)!.equals(page), `${method} ${key}`)
    if (method !== 'off') compressed++
  }
  assert.ok(compressed > 0)
})
