// Tablespace paths emptied in real WAL, also where the record crosses pages and segments; pg_waldump 15 (or our reader) finds everything else
// as it was, and every checksum good.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'

import { formatLsn, type Lsn } from '../../src/wal/lsn.ts'
import { RecordStream } from '../../src/wal/record-stream.ts'
import type { WalRecord } from '../../src/wal/record.ts'
import { neighboursNeeded, rewriteTablespaces } from '../../src/wal/rewrite.ts'
import { segmentName } from '../../src/wal/segments.ts'
import { scratchFolder, startServer, type TestServer } from '../support/postgres.ts'
import { currentLsn, readWal } from './pg-wal.ts'

const SEGMENT_BYTES = 1 << 20
const COUNT = 60
const waldump15 = '/usr/lib/postgresql/15/bin/pg_waldump'

/** Creates tablespaces, each begun a little nearer to the end of a page, so that some of the records cross into the next. */
async function createAll(server: TestServer, count: number): Promise<void> {
  await using client = await server.connect()
  for (let n = 0; n < count; n++) {
    const path = join(server.socketDirectory, `space-${n}-${'p'.repeat(200)}`)
    await mkdir(path)
    if (server.account) await chown(path, server.account.uid, server.account.gid)
    const { rows } = await client.query<{ left: string }>(
      "SELECT (8192 - (pg_current_wal_insert_lsn() - '0/0') % 8192)::text AS left",
    )
    const fill = Number(rows[0]!.left) - 40 - n * 24
    if (fill > 0) await client.query(`SELECT pg_logical_emit_message(false, 'fill', repeat('f', ${fill}))`)
    await client.query(`CREATE TABLESPACE space_${n} LOCATION '${path}'`)
  }
}

interface Seen {
  lines: string[]
  creates: { start: Lsn; end: Lsn; path: string }[]
}

function readAll(segments: readonly { startLsn: Lsn; bytes: Buffer }[], major: number): Seen {
  const seen: Seen = { lines: [], creates: [] }
  const sink = {
    record: (record: WalRecord, { baseLsn }: { baseLsn: Lsn }) => {
      seen.lines.push(`${record.start} ${record.end} ${record.rmgr} ${record.info} ${record.xid} ${record.totalLength}`)
      if (record.rmgr !== 5 || record.kind !== 0) return
      const path = Buffer.from(record.bytes.subarray(record.dataAt + 4, record.dataAt + record.mainLength)).toString()
      seen.creates.push({
        start: baseLsn + BigInt(record.start),
        end: baseLsn + BigInt(record.end),
        path: path.replaceAll('\0', ''),
      })
    },
  }
  const stream = new RecordStream(
    { startLsn: segments[0]!.startLsn, majorVersion: major, segmentBytes: SEGMENT_BYTES },
    sink,
  )
  for (const segment of segments) stream.push(segment.bytes)
  assert.deepEqual(stream.problems, [], 'every checksum and link is good')
  return seen
}

describe('rewriting WAL for other servers', { concurrency: 1 }, () => {
  for (const major of [15, 18] as const) {
    it(
      `empties every tablespace path of PostgreSQL ${major}, wherever its record lies`,
      { timeout: 120_000 },
      async (t) => {
        await using server = await startServer({
          major,
          walSegmentMegabytes: 1,
          settings: { wal_keep_size: '1GB', autovacuum: 'off', bgwriter_delay: '10s', checkpoint_timeout: '1h' },
        })
        await server.psql('CHECKPOINT')
        const from = await currentLsn(server)
        await createAll(server, COUNT)
        await server.psql('SELECT pg_switch_wal()')
        const segments: { startLsn: Lsn; bytes: Buffer }[] = []
        for await (const part of readWal(server, { from, to: await currentLsn(server), segmentBytes: SEGMENT_BYTES }))
          segments.push(part)
        const before = readAll(segments, major)
        const crossing = before.creates.filter((one) => one.start / 8192n !== (one.end - 1n) / 8192n)
        assert.equal(before.creates.length, COUNT)
        assert.ok(crossing.length > 0, 'at least one record crosses pages; src/wal/rewrite.test.ts has every border')
        const rewritten: typeof segments = []
        for (const [n, { startLsn, bytes }] of segments.entries()) {
          const place = { startLsn, majorVersion: major, segmentBytes: SEGMENT_BYTES }
          const own = Buffer.from(bytes)
          const needed = neighboursNeeded(own, place)
          rewriteTablespaces(own, place, {
            previous: needed.previous ? segments[n - 1]?.bytes : undefined,
            next: needed.next ? segments[n + 1]?.bytes : undefined,
          })
          rewritten.push({ startLsn, bytes: own })
        }
        const after = readAll(rewritten, major)
        assert.deepEqual(after.lines, before.lines)
        assert.ok(before.creates.every((one) => one.path.length > 60))
        assert.deepEqual(
          after.creates.map((one) => one.path),
          after.creates.map(() => ''),
        )
        t.diagnostic(`${crossing.length} of ${COUNT} records cross pages`)
        if (major === 15 && existsSync(waldump15)) {
          await using scratch = await scratchFolder()
          for (const one of rewritten)
            await writeFile(join(scratch.path, segmentName(1, one.startLsn, SEGMENT_BYTES)), one.bytes)
          const { stdout } = await promisify(execFile)(
            waldump15,
            [
              '-p',
              scratch.path,
              '-s',
              formatLsn(from),
              '-e',
              formatLsn(segments.at(-1)!.startLsn + BigInt(segments.at(-1)!.bytes.length)),
              '-r',
              'Tablespace',
            ],
            { maxBuffer: 1 << 28 },
          )
          const lines = stdout.split('\n').filter((line) => line.includes('desc: CREATE'))
          assert.equal(lines.length, COUNT)
          for (const line of lines) assert.match(line, /desc: CREATE \d+ ""/)
        }
      },
    )
  }
})
