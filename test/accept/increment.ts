// Acceptance 6: after one HOT update in each of 1 % of the heap blocks, an increment reads at most 1.2 × the changed blocks plus the files that are
// always read whole, is at least 5 × faster than its full, and an increment with no changes opens no relation file. Reads are counted from
// outside (strace); which blocks changed is what pg_walinspect says. `ACCEPT_GIGABYTES` (default 4) is the size of the heap.
import { join } from 'node:path'

import type { BackupReport } from '../../src/backup/report.ts'
import { databaseFolder, parseSegmentPath } from '../../src/backup/source/paths.ts'
import type { AcceptOptions } from '../../tools/accept.ts'
import { CommandLine } from '../backup/cli.ts'
import { filesRead, straceInto, type FilesRead } from '../backup/strace.ts'
import { programPath } from '../support/requirements.ts'
import { scratchFolder, startServer, type TestServer } from '../support/postgres.ts'

export const defaultCount = 1
const ROWS_PER_GIGABYTE = 131_072 * 7
const CHANGED_SHARE = 0.01

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  const { seed, resumeFrom, count } = options
  if (!programPath('strace')) throw new Error('strace is not installed: apt install strace')
  let failed = 0
  for (let at = resumeFrom; at < count; at++) {
    const gigabytes = Number(process.env['ACCEPT_GIGABYTES'] ?? 4)
    const failures = await measure({
      seed: seed + at,
      gigabytes,
      // Below the size that the acceptance names, the fixed second of every backup (start, key, waiting for WAL) is most of an increment.
      demandSpeed: gigabytes >= 4,
      log: (line) => options.log(line),
    })
    if (failures.length > 0) failed++
    options.done(at + 1, failures.join('; ') || undefined)
  }
  return { passed: count - failed, failed }
}

export interface MeasureOptions {
  readonly seed: number
  readonly gigabytes: number
  readonly log: (line: string) => void
  /** Default true: whether the speed counts. Not in CI, whose machines are busy. */
  readonly demandSpeed?: boolean
}

/** What did not hold. */
export async function measure(options: MeasureOptions): Promise<string[]> {
  const { log, seed } = options
  const failures: string[] = []
  const demand = (holds: boolean, what: string): void => {
    log(`${holds ? 'ok    ' : 'FAILED'} ${what}`)
    if (!holds) failures.push(what)
  }
  await using scratch = await scratchFolder()
  await using server = await startServer({
    major: 18,
    settings: {
      autovacuum: 'off',
      shared_buffers: '256MB',
      max_wal_size: '8GB',
      checkpoint_timeout: '1h',
      wal_keep_size: '16GB',
    },
  })
  await fill(server, options.gigabytes)
  const wharf = new CommandLine(scratch.path, server.url)
  await wharf.json(['repository', 'init', 'main'])
  const full = await wharf.json<BackupReport>(['backup', 'run', 'retail', '--kind', 'full'])
  log(`full: ${describe(full.output)}, ${full.ran.seconds.toFixed(1)} s`)

  // Counted.
  const blocks = await touch(server, seed, 0)
  const counted = join(scratch.path, 'counted.strace')
  const increment = await wharf.json<BackupReport>(['backup', 'run', 'retail'], { wrap: straceInto(counted) })
  const changed = await changedBlocks(server, full.output.startLsn, increment.output.startLsn)
  const read = await filesRead(counted, server.dataDirectory)
  const sums = await sumUp(read, server)
  const limit = 1.2 * changed * 8192 + sums.wholeFileBytes
  log(`increment: ${blocks} blocks updated, ${changed} blocks in WAL, ${describe(increment.output)}`)
  demand(increment.output.kind === 'incremental' && increment.output.notes.length === 0, 'it is an increment')
  demand(
    sums.readBytes <= limit,
    `reads ${sums.readBytes} bytes, at most 1.2 × ${changed} blocks + ${sums.wholeFileBytes} bytes of whole files = ${Math.round(limit)}`,
  )
  demand(
    sums.segmentBytes >= blocks * 8192,
    `reads at least every updated block (${blocks * 8192} of ${sums.segmentBytes} bytes)`,
  )

  // Timed, without strace.
  await touch(server, seed, 1)
  const timed = await wharf.json<BackupReport>(['backup', 'run', 'retail'])
  const ratio = full.ran.seconds / timed.ran.seconds
  const speed = `increment ${timed.ran.seconds.toFixed(1)} s against full ${full.ran.seconds.toFixed(1)} s: ${ratio.toFixed(1)} × faster`
  if (options.demandSpeed ?? true) demand(ratio >= 5, speed)
  else log(`       ${speed}`)

  // Nothing changed.
  const idle = join(scratch.path, 'idle.strace')
  await wharf.json<BackupReport>(['backup', 'run', 'retail'], { wrap: straceInto(idle) })
  const opened = [...(await filesRead(idle, server.dataDirectory)).bytes.keys()].filter(
    (path) => parseSegmentPath(path) !== undefined,
  )
  demand(
    opened.length === 0,
    `an increment with no changes opens no relation file (${opened.slice(0, 5).join(', ') || 'none'})`,
  )
  return failures
}

function describe(report: BackupReport): string {
  return `${report.kind}, read ${report.readBytes}, new ${report.newBytes}, shared ${report.sharedBytes} of ${report.clusterBytes} bytes`
}

/** Seven rows to a block with room for one more: every update of one row of a block is HOT. */
async function fill(server: TestServer, gigabytes: number): Promise<void> {
  const rows = Math.round(ROWS_PER_GIGABYTE * gigabytes)
  await server.psql('create extension pg_walinspect')
  await server.psql('create table sales (id bigint, amount bigint, note text) with (fillfactor = 86)')
  // Half of a row is random digits, half is text that repeats: compresses about as well as real facts do.
  const note = `left(md5(n::text) || md5((n * 7)::text) || md5((n * 13)::text) || repeat('no remarks, delivered as ordered; ', 30), 950)`
  for (let from = 0; from < rows; from += 500_000) {
    await server.psql(
      `insert into sales select n, n * 3, ${note} from generate_series(${from}, ${Math.min(rows, from + 500_000) - 1}) n`,
    )
  }
  await server.psql('vacuum (freeze) sales')
  await server.psql('checkpoint')
}

/** One row in each of 1 % of the blocks. Returns how many blocks. */
async function touch(server: TestServer, seed: number, turn: number): Promise<number> {
  const [row] = await server.psql<{ blocks: number }>(`select (pg_relation_size('sales') / 8192)::int as blocks`)
  const every = Math.round(1 / CHANGED_SHARE)
  const offset = (seed + turn * 37) % every
  const [touched] = await server.psql<{ n: number; hot: number }>(`
    with touched as (
      update sales set amount = amount + 1
       where ctid = any (select format('(%s,1)', b)::tid from generate_series(${offset}, ${row!.blocks - 1}, ${every}) b)
      returning 1)
    select count(*)::int as n from touched`)
  await server.psql('checkpoint')
  return touched!.n
}

/** Distinct blocks that WAL names between two positions, by pg_walinspect. */
async function changedBlocks(server: TestServer, from: string, to: string): Promise<number> {
  const [row] = await server.psql<{ n: number }>(
    `select count(*)::int as n from (
       select distinct reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber from pg_get_wal_block_info('${from}', '${to}')) d`,
  )
  return row!.n
}

/** Main forks are read by block; every other file counts as whole, but only once. */
async function sumUp(
  read: FilesRead,
  server: TestServer,
): Promise<{ readBytes: number; segmentBytes: number; wholeFileBytes: number }> {
  const { statSync } = await import('node:fs')
  let [readBytes, segmentBytes, wholeFileBytes] = [0, 0, 0]
  for (const [path, bytes] of read.bytes) {
    readBytes += bytes
    const segment = databaseFolder(path.slice(0, path.lastIndexOf('/'))) && parseSegmentPath(path)
    if (segment?.fork === 'main') segmentBytes += bytes
    else wholeFileBytes += statSync(join(server.dataDirectory, path), { throwIfNoEntry: false })?.size ?? 0
  }
  return { readBytes, segmentBytes, wholeFileBytes }
}
