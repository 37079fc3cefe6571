// Every record of a real workload, as our reader sees it, against PostgreSQL's own readers: pg_walinspect, and pg_waldump for 15.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'

import { seededRandom } from '../../src/base/random.ts'
import { blockFlags, imageFlags, resourceManagers } from '../../src/wal/layouts.ts'
import type { WalContents } from '../../src/wal/contract.ts'
import { WalIndexer } from '../../src/wal/indexer.ts'
import { formatLsn, parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { RecordStream } from '../../src/wal/record-stream.ts'
import type { WalRecord } from '../../src/wal/record.ts'
import { majors, startServer, type TestServer } from '../support/postgres.ts'
import { currentLsn, readWal } from './pg-wal.ts'
import { runWorkload, workloadSettings } from './workload.ts'

const SEED = Number(process.env['ACCEPT_SEED'] ?? 7)
const waldump15 = '/usr/lib/postgresql/15/bin/pg_waldump'

interface Seen {
  start: string
  end: string
  rmgr: string
  xid: number
  total: number
  main: number
  images: number
  blocks: string[]
}

interface Ours {
  readonly seen: Seen[]
  readonly contents: WalContents
}

async function ours(server: TestServer, range: { from: Lsn; to: Lsn; segmentBytes: number }): Promise<Ours> {
  const random = seededRandom(SEED)
  const seen: Seen[] = []
  const indexer = new WalIndexer(server.major, range.from)
  let stream: RecordStream | undefined
  const sink = {
    record: (record: WalRecord, { baseLsn }: { baseLsn: Lsn }) => {
      const start = baseLsn + BigInt(record.start)
      if (start < range.from) return
      seen.push(describeRecord(record, baseLsn))
      indexer.record(record, { baseLsn })
    },
  }
  for await (const { startLsn, bytes } of readWal(server, range)) {
    stream ??= new RecordStream({ startLsn, majorVersion: server.major, segmentBytes: range.segmentBytes }, sink)
    for (let at = 0; at < bytes.length;) {
      // Small slices now and then, so that every border falls everywhere.
      const count = random.integer(4) === 0 ? 1 + random.integer(40) : 1 + random.integer(60_000)
      stream.push(bytes.subarray(at, at + count))
      at += count
    }
  }
  assert.deepEqual(stream?.problems, [])
  assert.equal(stream?.openRecordLsn, undefined)
  return { seen, contents: indexer.cut(range.to).contents }
}

function describeRecord(record: WalRecord, base: Lsn): Seen {
  const blocks: string[] = []
  let images = 0
  for (let n = 0; n < record.blockCount; n++) {
    const image = record.flags[n]! & blockFlags.hasImage
    const info = record.imageInfo[n]!
    images += record.imageLength[n]!
    const words = [
      info & imageFlags.hasHole && 'HAS_HOLE',
      info & imageFlags.apply && 'APPLY',
      info & imageFlags.pglz && 'COMPRESS_PGLZ',
    ]
    blocks.push(
      `${record.blockId[n]}: ${record.tablespace[n]}/${record.database[n]}/${record.relfilenode[n]} ${record.fork[n]} ${record.block[n]}` +
        ` data ${record.dataLength[n]} image ${record.imageLength[n]} ${image ? words.filter(Boolean).join(',') : ''}`,
    )
  }
  return {
    start: formatLsn(base + BigInt(record.start)),
    end: formatLsn(base + BigInt(record.end)),
    rmgr: resourceManagers[record.rmgr] ?? String(record.rmgr),
    xid: record.xid,
    total: record.totalLength,
    main: record.mainLength,
    images,
    blocks,
  }
}

async function inspected(server: TestServer, from: Lsn, to: Lsn): Promise<Seen[]> {
  const bounds = `'${formatLsn(from)}', '${formatLsn(to)}'`
  const records = await server.psql<Omit<Seen, 'blocks'>>(
    `SELECT start_lsn::text AS start, end_lsn::text AS "end", resource_manager AS rmgr, xid::text::bigint::int AS xid, record_length AS total,
       main_data_length AS main, fpi_length AS images FROM pg_get_wal_records_info(${bounds}) ORDER BY start_lsn`,
  )
  const blocks = new Map<string, string[]>()
  const rows =
    server.major < 16
      ? []
      : await server.psql<{ start: string; text: string }>(
          `SELECT start_lsn::text AS start, format('%s: %s/%s/%s %s %s data %s image %s %s', block_id, reltablespace, reldatabase, relfilenode, relforknumber,
       relblocknumber, coalesce(block_data_length, 0), coalesce(block_fpi_length, 0), array_to_string(block_fpi_info, ',')) AS text
     FROM pg_get_wal_block_info(${bounds}, false) ORDER BY start_lsn, block_id`,
        )
  for (const row of rows) blocks.set(row.start, [...(blocks.get(row.start) ?? []), row.text])
  return records.map((record) => ({ ...record, blocks: blocks.get(record.start) ?? [] }))
}

/** As PostgreSQL counts: a switch ends with its segment. */
async function inspectedContents(server: TestServer, from: Lsn, to: Lsn): Promise<Omit<WalContents, 'reads'>> {
  const [row] = await server.psql<Omit<WalContents, 'reads'>>(
    `SELECT count(*)::int AS records, sum(fpi_length)::int AS "imageBytes",
       coalesce(sum(end_lsn - start_lsn - record_length) FILTER (WHERE record_type = 'SWITCH'), 0)::int AS "voidBytes"
     FROM pg_get_wal_records_info('${formatLsn(from)}', '${formatLsn(to)}')`,
  )
  return { ...row! }
}

/** Start, rmgr, xid, total length and blocks as pg_waldump prints them. */
async function dumped(server: TestServer, from: Lsn, to: Lsn): Promise<string[]> {
  const { stdout } = await promisify(execFile)(
    waldump15,
    ['-p', join(server.dataDirectory, 'pg_wal'), '-t', '1', '-s', formatLsn(from), '-e', formatLsn(to)],
    { maxBuffer: 1 << 29 },
  )
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('rmgr:'))
    .map((line) => {
      const head = /^rmgr: (\S+)\s+len \(rec\/tot\):\s*\d+\/\s*(\d+), tx:\s*(\d+), lsn: ([0-9A-F]+)\/([0-9A-F]+)/.exec(
        line,
      )
      const blocks = [...line.matchAll(/blkref #(\d+): rel (\d+\/\d+\/\d+)(?: fork (\w+))? blk (\d+)( FPW)?/g)]
      const lsn = `${Number.parseInt(head?.[4] ?? '', 16)
        .toString(16)
        .toUpperCase()}/${Number.parseInt(head?.[5] ?? '', 16)
        .toString(16)
        .toUpperCase()}`
      const forks: Record<string, number> = { main: 0, fsm: 1, vm: 2, init: 3 }
      return [
        lsn,
        head?.[1],
        head?.[3],
        head?.[2],
        ...blocks.map((b) => `${b[1]}: ${b[2]} ${forks[b[3] ?? 'main']} ${b[4]}${b[5] ? ' FPW' : ''}`),
      ].join(' ')
    })
}

describe('records of a real workload', { concurrency: 1 }, () => {
  for (const major of majors) {
    it(`equal what PostgreSQL ${major} reads`, { timeout: 180_000 }, async (t) => {
      // One major with tiny segments: more borders. One with checksums off.
      const walSegmentMegabytes = major === 17 ? 1 : 16
      await using server = await startServer({
        major,
        settings: workloadSettings,
        walSegmentMegabytes,
        checksums: major !== 16,
      })
      await server.psql('CREATE EXTENSION pg_walinspect; CHECKPOINT')
      const from = await currentLsn(server)
      await runWorkload(server)
      // What is flushed may end within a record of a background process.
      const [end] = await server.psql<{ lsn: string }>("SELECT pg_logical_emit_message(true, 'end', '')::text AS lsn")
      const to = parseLsn(end!.lsn)
      const { seen: mine, contents } = await ours(server, { from, to, segmentBytes: walSegmentMegabytes << 20 })
      const truth = await inspected(server, from, to)
      t.diagnostic(
        `${mine.length} records, ${to - from} bytes, ${new Set(mine.map((one) => one.rmgr)).size} resource managers`,
      )
      assert.ok(mine.length > 10_000)
      const comparable = major < 16 ? mine.map((one) => ({ ...one, blocks: [] })) : mine
      for (let n = 0; n < Math.max(truth.length, mine.length); n++)
        assert.deepEqual(comparable[n], truth[n], `record ${n}`)
      const { reads, ...counted } = contents
      assert.deepEqual(counted, await inspectedContents(server, from, to))
      assert.ok(counted.imageBytes > 0 && counted.voidBytes > 0)
      assert.ok(reads > 0 && reads < mine.reduce((sum, one) => sum + one.blocks.length, 0) / 2)
      const missing = resourceManagers.filter(
        (name) =>
          !['CommitTs', 'ReplicationOrigin', 'Generic'].includes(name) && !mine.some((one) => one.rmgr === name),
      )
      assert.deepEqual(missing, [], 'the workload must touch every resource manager that it can')
      if (major === 15 && existsSync(waldump15)) {
        const dump = await dumped(server, from, to)
        const lines = mine.map((one) =>
          [
            one.start,
            one.rmgr,
            one.xid,
            one.total,
            ...one.blocks.map((b) =>
              b.replace(/ data \d+ image (\d+).*$/, (_, image) => (image === '0' ? '' : ' FPW')),
            ),
          ].join(' '),
        )
        for (let n = 0; n < Math.max(dump.length, lines.length); n++) assert.equal(lines[n], dump[n])
      }
    })
  }
})
