import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { layWal, SEGMENT, START } from '../../wal/lay-wal.ts'
import { LONG_HEADER_BYTES, rmgr, SHORT_HEADER_BYTES, smgrInfo, WAL_PAGE_BYTES } from '../../wal/layouts.ts'
import type { WalRecord } from '../../wal/record.ts'
import { segmentName } from '../../wal/segments.ts'
import { Touches, touchesInServer } from './touches.ts'
import { keyOf, type WantedBlock } from './wanted.ts'

const file = { tablespace: 1663, database: 5, relfilenode: 16_384 }
const wanted: WantedBlock = { file, fork: 'main', block: 3, path: 'base/5/16384', inFile: 3, relation: 'public.t' }

/** xl_smgr_truncate: from block 0 on. */
function truncation(): Buffer {
  const data = Buffer.alloc(20)
  for (const [at, value] of [0, file.tablespace, file.database, file.relfilenode, 1].entries())
    data.writeUInt32LE(value, at * 4)
  return data
}

test('a record that begins before the WAL that was received and ends after it counts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'touches-'))
  await using _ = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
  const pages = SEGMENT / WAL_PAGE_BYTES
  const room = SEGMENT - LONG_HEADER_BYTES - (pages - 1) * SHORT_HEADER_BYTES
  // Its head with 5 bytes for the length; 24 bytes are left in the segment.
  const filler = { rmgr: rmgr.logicalMessage, data: Buffer.alloc(room - 24 - 29, 7) }
  const cut = { rmgr: rmgr.smgr, info: smgrInfo.truncate, data: truncation() }
  const segments = layWal([filler, cut, { rmgr: rmgr.logicalMessage, data: Buffer.alloc(16, 7) }], 2)
  await mkdir(join(folder, 'pg_wal'))
  const name = (index: number): string =>
    join(folder, 'pg_wal', segmentName(1, START + BigInt(index * SEGMENT), SEGMENT))
  for (const [index, bytes] of segments.entries()) await writeFile(name(index), bytes)
  const border = START + BigInt(SEGMENT)
  const end = border + BigInt(LONG_HEADER_BYTES + 24)
  const toLsn = end + 48n
  const asked = { dataDirectory: folder, timeline: 1, segmentBytes: SEGMENT, majorVersion: 18 }
  const signal = new AbortController().signal
  const found = await touchesInServer([wanted], { ...asked, fromLsn: border, toLsn, signal })
  assert.deepEqual([...(found ?? [])], [[keyOf(wanted), end]])

  await rm(name(0))
  assert.equal(await touchesInServer([wanted], { ...asked, fromLsn: border, toLsn, signal }), undefined)
})

test('a page that WAL marks as all visible is changed where the page itself would be written without the mark', () => {
  const marks = {
    rmgr: 9,
    info: 0x40,
    blockCount: 2,
    fork: [2, 0],
    block: [0, 3],
    tablespace: [1663, 1663],
    database: [5, 5],
    relfilenode: [16_384, 16_384],
  } as unknown as WalRecord
  const found = (withVisible: boolean): unknown => {
    const touches = new Touches([wanted], { withVisible })
    touches.record(marks, 77n)
    return touches.last.get(keyOf(wanted))
  }
  assert.equal(found(true), 77n)
  assert.equal(found(false), undefined)
})
