// Our change maps beside PostgreSQL's own WAL summaries (17 and later), summary by summary.
import { forkName } from '../../src/wal/change-map.ts'
import type { ChangeMap } from '../../src/wal/contract.ts'
import { WalIndexer } from '../../src/wal/indexer.ts'
import { formatLsn, parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { RecordStream } from '../../src/wal/record-stream.ts'
import type { WalRecord } from '../../src/wal/record.ts'
import type { TestServer } from '../support/postgres.ts'
import { readWal } from './pg-wal.ts'

export interface Summary {
  timeline: number
  startLsn: Lsn
  endLsn: Lsn
}
export interface SummaryRow {
  file: { relfilenode: number; tablespace: number; database: number }
  fork: number
  block: number
  limit: boolean
}

export async function summaries(server: TestServer): Promise<Summary[]> {
  const rows = await server.psql<{ t: number; s: string; e: string }>(
    'SELECT tli::int AS t, start_lsn::text AS s, end_lsn::text AS e FROM pg_available_wal_summaries() ORDER BY start_lsn',
  )
  return rows.map((row) => ({ timeline: row.t, startLsn: parseLsn(row.s), endLsn: parseLsn(row.e) }))
}

export async function contents(server: TestServer, summary: Summary): Promise<SummaryRow[]> {
  const rows = await server.psql<Record<string, string>>(
    `SELECT relfilenode, reltablespace, reldatabase, relforknumber, relblocknumber, is_limit_block
     FROM pg_wal_summary_contents(${summary.timeline}, '${formatLsn(summary.startLsn)}', '${formatLsn(summary.endLsn)}')`,
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
export async function ourMaps(
  server: TestServer,
  wanted: readonly Summary[],
  segmentBytes = 16 << 20,
): Promise<ChangeMap[]> {
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
    segmentBytes,
  })) {
    stream ??= new RecordStream({ startLsn, majorVersion: server.major, segmentBytes }, sink)
    stream.push(bytes)
  }
  return maps
}

/** Rows of the summary that our map lacks. */
export function missing(map: ChangeMap, rows: readonly SummaryRow[]): SummaryRow[] {
  return rows.filter(({ file, fork, block, limit }) => {
    if (file.relfilenode === 0) return !map.isDatabaseDoubtful(file.tablespace, file.database)
    const change = map.fork(file, forkName(fork)!)
    if (!change) return true
    if (limit) return change.cut === undefined || change.cut > block
    return !change.blocks.includes(block) && !(change.cut !== undefined && change.cut <= block)
  })
}

/**
 * What our map names beyond the summary and no rule explains. The rules: free space and visibility maps are cut lower than the summary says (the page
 * where the cut falls changes without a record of its own; the free space map is a tree), and PostgreSQL leaves blocks of free space maps out, since it copies
 * those whole. So do we.
 */
export function beyond(map: ChangeMap, rows: readonly SummaryRow[]): string[] {
  const nameOf = (file: SummaryRow['file'], fork: string): string =>
    `${file.tablespace}/${file.database}/${file.relfilenode} ${fork}`
  const theirs = new Set<string>()
  for (const { file, fork, limit, block } of rows)
    theirs.add(`${nameOf(file, forkName(fork)!)} ${limit ? 'cut' : 'block'} ${block}`)
  const found: string[] = []
  for (const { file, fork, change } of map.entries()) {
    const name = nameOf(file, fork)
    const isMap = fork === 'fsm' || fork === 'vm'
    if (change.cut !== undefined && !isMap && !theirs.has(`${name} cut ${change.cut}`))
      found.push(`${name} cut ${change.cut}`)
    if (fork === 'fsm') continue
    for (const block of change.blocks) {
      if (!theirs.has(`${name} block ${block}`)) found.push(`${name} block ${block}`)
    }
  }
  const databases = new Set(
    rows.filter(({ file }) => file.relfilenode === 0).map(({ file }) => `${file.tablespace}/${file.database}`),
  )
  for (const { tablespace, database } of map.doubtfulDatabases()) {
    if (!databases.has(`${tablespace}/${database}`)) found.push(`database ${tablespace}/${database}`)
  }
  return found
}
