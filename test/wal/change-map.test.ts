// Our change maps against PostgreSQL's own WAL summaries (17 and later): nothing they name may be missing in ours.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

import { forkName } from '../../src/wal/change-map.ts'
import { decodeChangeMap, encodeChangeMap } from '../../src/repository/wal/change-map.ts'
import type { ChangeMap } from '../../src/wal/contract.ts'
import { WalIndexer } from '../../src/wal/indexer.ts'
import { formatLsn, parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { RecordStream } from '../../src/wal/record-stream.ts'
import type { WalRecord } from '../../src/wal/record.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { readWal } from './pg-wal.ts'
import { runWorkload, workloadSettings } from './workload.ts'

const SEGMENT_BYTES = 16 << 20

interface Summary {
  startLsn: Lsn
  endLsn: Lsn
}
interface SummaryRow {
  file: { relfilenode: number; tablespace: number; database: number }
  fork: number
  block: number
  limit: boolean
}

async function summaries(server: TestServer): Promise<Summary[]> {
  const rows = await server.psql<{ s: string; e: string }>(
    'SELECT start_lsn::text AS s, end_lsn::text AS e FROM pg_available_wal_summaries() ORDER BY start_lsn',
  )
  return rows.map((row) => ({ startLsn: parseLsn(row.s), endLsn: parseLsn(row.e) }))
}

async function contents(server: TestServer, summary: Summary): Promise<SummaryRow[]> {
  const rows = await server.psql<Record<string, string>>(
    `SELECT relfilenode, reltablespace, reldatabase, relforknumber, relblocknumber, is_limit_block
     FROM pg_wal_summary_contents(1, '${formatLsn(summary.startLsn)}', '${formatLsn(summary.endLsn)}')`,
  )
  return rows.map((row) => ({
    file: {
      relfilenode: Number(row['relfilenode']),
      tablespace: Number(row['reltablespace']),
      database: Number(row['reldatabase']),
    },
    fork: Number(row['relforknumber']),
    block: Number(row['relblocknumber']),
    limit: Boolean(row['is_limit_block']),
  }))
}

/** One map per summary, cut where PostgreSQL cut: before the record that starts at the summary's end. */
async function ourMaps(server: TestServer, wanted: readonly Summary[]): Promise<ChangeMap[]> {
  const maps: ChangeMap[] = []
  const first = wanted[0]!
  const indexer = new WalIndexer(server.major, first.startLsn)
  const sink = {
    record: (record: WalRecord, stream: { baseLsn: Lsn }) => {
      const start = stream.baseLsn + BigInt(record.start)
      if (start === wanted[maps.length]?.endLsn) maps.push(indexer.cut(start).changeMap)
      if (start >= first.startLsn) indexer.record(record, stream)
    },
  }
  let stream: RecordStream | undefined
  for await (const { startLsn, bytes } of readWal(server, {
    from: first.startLsn,
    to: wanted.at(-1)!.endLsn + 8192n,
    segmentBytes: SEGMENT_BYTES,
  })) {
    stream ??= new RecordStream({ startLsn, majorVersion: server.major, segmentBytes: SEGMENT_BYTES }, sink)
    stream.push(bytes)
  }
  return maps
}

/** Rows of the summary that our map lacks. */
function missing(map: ChangeMap, rows: readonly SummaryRow[]): SummaryRow[] {
  return rows.filter(({ file, fork, block, limit }) => {
    if (file.relfilenode === 0) return !map.isDatabaseDoubtful(file.tablespace, file.database)
    const change = map.fork(file, forkName(fork)!)
    if (!change) return true
    if (limit) return change.cut === undefined || change.cut > block
    return !change.blocks.includes(block) && !(change.cut !== undefined && change.cut <= block)
  })
}

/** What our map names beyond the summary, in main and init forks. */
function beyond(map: ChangeMap, rows: readonly SummaryRow[]): string[] {
  const theirs = new Set(
    rows.map(
      (row) =>
        `${row.file.tablespace}/${row.file.database}/${row.file.relfilenode} ${forkName(row.fork)} ${row.limit ? 'cut' : ''} ${row.block}`,
    ),
  )
  const found: string[] = []
  for (const { file, fork, change } of map.entries()) {
    if (fork === 'fsm' || fork === 'vm') continue
    const name = `${file.tablespace}/${file.database}/${file.relfilenode} ${fork}`
    if (change.cut !== undefined && !theirs.has(`${name} cut ${change.cut}`)) found.push(`${name} cut ${change.cut}`)
    for (const block of change.blocks) if (!theirs.has(`${name}  ${block}`)) found.push(`${name}  ${block}`)
  }
  return found
}

describe('change maps', { concurrency: 1 }, () => {
  for (const major of [17, 18] as const) {
    it(`hold all that the WAL summaries of PostgreSQL ${major} hold`, { timeout: 180_000 }, async (t) => {
      await using server = await startServer({ major, settings: { ...workloadSettings, summarize_wal: 'on' } })
      const before = (await summaries(server)).length
      await runWorkload(server)
      await server.psql('CHECKPOINT')
      await server.psql(
        "INSERT INTO plain SELECT n, 'x', 1 FROM generate_series(200000, 203000) n; CHECKPOINT; CHECKPOINT",
      )
      const [target] = await server.psql<{ lsn: string }>('SELECT redo_lsn::text AS lsn FROM pg_control_checkpoint()')
      let found = await summaries(server)
      while ((found.at(-1)?.endLsn ?? 0n) < parseLsn(target!.lsn)) {
        await delay(100)
        found = await summaries(server)
      }
      const wanted = found.slice(before)
      const maps = await ourMaps(server, wanted)
      assert.equal(maps.length, wanted.length)
      let rowCount = 0
      for (const [n, map] of maps.entries()) {
        const rows = await contents(server, wanted[n]!)
        rowCount += rows.length
        assert.deepEqual(map.doubts, [])
        assert.deepEqual(missing(map, rows), [])
        assert.deepEqual(beyond(map, rows), [])
        const copy = decodeChangeMap(encodeChangeMap(map), 'a map')
        assert.deepEqual([...copy.entries()], [...map.entries()])
      }
      assert.ok(rowCount > 3000, `only ${rowCount} rows compared`)
      t.diagnostic(
        `${maps.length} summaries, ${rowCount} rows; main and init forks equal, no block missing in the others`,
      )
    })
  }
})
