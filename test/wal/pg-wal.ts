// Reads WAL of a test server straight from its pg_wal.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { parseWalFileName, segmentName, segmentStart } from '../../src/wal/segments.ts'
import type { TestServer } from '../support/postgres.ts'

export async function currentLsn(server: TestServer): Promise<Lsn> {
  const [row] = await server.psql<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn')
  return parseLsn(row?.lsn ?? '')
}

/** The bytes from the start of the segment that holds `from` up to `to`, segment by segment. */
export async function* readWal(
  server: TestServer,
  range: { from: Lsn; to: Lsn; segmentBytes: number; timeline?: number },
): AsyncGenerator<{ startLsn: Lsn; bytes: Buffer }> {
  const timelines = range.timeline === undefined ? await newestTimelines(server, range.segmentBytes) : undefined
  for (let at = segmentStart(range.from, range.segmentBytes); at < range.to; at += BigInt(range.segmentBytes)) {
    const bytes = await readFile(
      join(
        server.dataDirectory,
        'pg_wal',
        segmentName(range.timeline ?? timelines?.get(at) ?? 1, at, range.segmentBytes),
      ),
    )
    yield {
      startLsn: at,
      bytes: range.to - at < BigInt(range.segmentBytes) ? bytes.subarray(0, Number(range.to - at)) : bytes,
    }
  }
}

/** For each segment of which there are files: the newest timeline, which begins with a copy of what the older ones had. */
async function newestTimelines(server: TestServer, segmentBytes: number): Promise<ReadonlyMap<Lsn, number>> {
  const newest = new Map<Lsn, number>()
  for (const name of await readdir(join(server.dataDirectory, 'pg_wal'))) {
    const parsed = parseWalFileName(name, segmentBytes)
    if (parsed?.kind !== 'segment') continue
    newest.set(parsed.startLsn, Math.max(parsed.timeline, newest.get(parsed.startLsn) ?? 0))
  }
  return newest
}
