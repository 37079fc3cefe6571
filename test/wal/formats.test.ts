// Control file, data pages and file names of real clusters, against what the servers say themselves.
import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'

import { BLOCK_BYTES, BLOCKS_PER_SEGMENT } from '../../src/wal/contract.ts'
import { invalidateCheckpoint, parseControlFile, recoverAtLeastTo } from '../../src/wal/control-file.ts'
import { pageChecksum, pageLsn, verifyPage } from '../../src/wal/data-page.ts'
import { formatLsn } from '../../src/wal/lsn.ts'
import { segmentName } from '../../src/wal/segments.ts'
import { majors, startServer, type TestServer } from '../support/postgres.ts'
import { currentLsn } from './pg-wal.ts'

/** Every page of every relation of the cluster. */
async function* pages(server: TestServer): AsyncGenerator<{ file: string; bytes: Buffer; block: number }> {
  for (const folder of [
    'global',
    ...(await readdir(join(server.dataDirectory, 'base'))).map((name) => `base/${name}`),
  ]) {
    for (const name of await readdir(join(server.dataDirectory, folder))) {
      const match = /^\d+(?:_(?:fsm|vm|init))?(?:\.(\d+))?$/.exec(name)
      if (!match) continue
      const bytes = await readFile(join(server.dataDirectory, folder, name))
      for (let at = 0; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
        yield {
          file: `${folder}/${name}`,
          bytes: bytes.subarray(at, at + BLOCK_BYTES),
          block: Number(match[1] ?? 0) * BLOCKS_PER_SEGMENT + at / BLOCK_BYTES,
        }
      }
    }
  }
}

/** The server's functions read the file anew each time, and refuse a wrong checksum. */
async function checkMinimum(server: TestServer): Promise<void> {
  const path = join(server.dataDirectory, 'global/pg_control')
  const stored = await readFile(path)
  const minimum = async (of: Buffer): Promise<readonly (string | number)[]> => {
    await writeFile(path, of)
    const [row] = await server.psql<{ lsn: string; timeline: number; checkpoint: string }>(
      `SELECT min_recovery_end_lsn::text AS lsn, min_recovery_end_timeline AS timeline,
         (SELECT checkpoint_lsn::text FROM pg_control_checkpoint()) AS checkpoint FROM pg_control_recovery()`,
    )
    return [row!.lsn, row!.timeline, row!.checkpoint]
  }
  const checkpoint = formatLsn(parseControlFile(stored).checkpointLsn)
  const later = recoverAtLeastTo(stored, { lsn: 0x12_3456_7890n, timeline: 7 })
  assert.deepEqual(await minimum(later), ['12/34567890', 7, checkpoint])
  assert.deepEqual(await minimum(recoverAtLeastTo(later, { lsn: 0x12_0000_0000n, timeline: 8 })), [
    '12/34567890',
    7,
    checkpoint,
  ])
  const torn = Buffer.from(later)
  torn[136]! ^= 1
  assert.throws(() => recoverAtLeastTo(torn, { lsn: 1n, timeline: 1 }), /its checksum is wrong/)
  assert.deepEqual(await minimum(stored), ['0/0', 0, checkpoint])
}

describe('formats on disk', { concurrency: 1 }, () => {
  for (const major of majors) {
    it(`of PostgreSQL ${major} are read as the server reads them`, { timeout: 120_000 }, async (t) => {
      await using server = await startServer({ major, settings: { autovacuum: 'off', max_connections: '57' } })
      await server.psql(
        'CREATE EXTENSION pageinspect; CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 20000) n; CREATE INDEX ON t (n)',
      )
      await server.psql('VACUUM t')
      await server.psql('CHECKPOINT')
      const control = parseControlFile(await readFile(join(server.dataDirectory, 'global/pg_control')))
      const [truth] = await server.psql<Record<string, string>>(
        `SELECT s.system_identifier::text AS id, s.catalog_version_no::text AS catalog, c.checkpoint_lsn::text AS checkpoint, c.redo_lsn::text AS redo,
           c.timeline_id::text AS timeline, i.database_block_size::text AS block, i.bytes_per_wal_segment::text AS segment,
           i.data_page_checksum_version::text AS checksums, i.blocks_per_segment::text AS blocks, c.full_page_writes::text AS fpw,
           c.next_xid AS xid
         FROM pg_control_system() s, pg_control_checkpoint() c, pg_control_init() i`,
      )
      assert.deepEqual(
        {
          id: String(control.systemIdentifier),
          catalog: String(control.catalogVersion),
          checkpoint: formatLsn(control.checkpointLsn),
          redo: formatLsn(control.redoLsn),
          timeline: String(control.timeline),
          block: String(control.blockBytes),
          segment: String(control.walSegmentBytes),
          checksums: String(control.dataChecksumVersion),
          blocks: String(control.blocksPerSegment),
          fpw: String(control.fullPageWrites),
          xid: `${control.nextXid >> 32n}:${BigInt.asUintN(32, control.nextXid)}`,
        },
        { ...truth },
      )
      assert.deepEqual(
        [control.majorVersion, control.state, control.crcIsGood, control.walLevel, control.maxConnections],
        [major, 'in production', true, 'replica', 57],
      )
      const lsn = await currentLsn(server)
      const [name] = await server.psql<{ name: string }>(`SELECT pg_walfile_name('${formatLsn(lsn + 1n)}') AS name`)
      assert.equal(segmentName(1, lsn + 1n, control.walSegmentBytes), name?.name)
      const [page] = await server.psql<{ lsn: string; sum: number; path: string }>(
        "SELECT lsn::text AS lsn, page_checksum(get_raw_page('t', 7), 7)::int AS sum, pg_relation_filepath('t') AS path FROM page_header(get_raw_page('t', 7))",
      )
      const heap = await readFile(join(server.dataDirectory, page!.path))
      assert.equal(formatLsn(pageLsn(heap, 7 * BLOCK_BYTES)), page!.lsn)
      assert.equal(pageChecksum(heap, 7 * BLOCK_BYTES, 7), page!.sum & 0xffff)
      await checkMinimum(server)
      await server.stop('fast')
      const verdicts = new Map<string, number>()
      for await (const { file, bytes, block } of pages(server)) {
        const verdict = verifyPage(bytes, 0, { block, checksums: true })
        verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
        assert.ok(verdict === 'good' || verdict === 'zero', `${file}, block ${block}: ${verdict}`)
      }
      t.diagnostic(`${verdicts.get('good')} good pages, ${verdicts.get('zero') ?? 0} empty ones`)
      const damaged = Buffer.from(heap.subarray(0, BLOCK_BYTES))
      damaged[5000]! ^= 1
      assert.equal(verifyPage(damaged, 0, { block: 0, checksums: true }), 'checksum')
      assert.equal(verifyPage(heap, 0, { block: 1, checksums: true }), 'checksum', 'a page in the wrong place')
      assert.equal(parseControlFile(await readFile(join(server.dataDirectory, 'global/pg_control'))).state, 'shut down')
    })

    it(
      `a cluster of PostgreSQL ${major} with an invalidated checkpoint refuses to start`,
      { timeout: 60_000 },
      async () => {
        await using server = await startServer({ major, startTimeoutMs: 10_000 })
        await server.stop('fast')
        const path = join(server.dataDirectory, 'global/pg_control')
        const made = invalidateCheckpoint(await readFile(path))
        assert.equal(parseControlFile(made).crcIsGood, true)
        assert.equal(made.length, 8192)
        await writeFile(path, made)
        await assert.rejects(server.start())
        assert.match(
          await readFile(server.logFile, 'utf8'),
          /could not locate a valid checkpoint record|invalid primary checkpoint|invalid checkpoint/,
        )
      },
    )
  }
})
