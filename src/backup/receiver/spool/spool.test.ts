// The synchronous spool alone: what is whole in a torn file, what is said to be flushed, and what synchronous_standby_names means for us.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { encodeSpoolHead, frameHead, readSpoolFile } from './frames.ts'
import { Spool, spoolFiles } from './spool.ts'
import { readStandbyNames } from './standby-names.ts'

const shape = { systemIdentifier: 7n, majorVersion: 18, postgresVersion: 180_004, segmentBytes: 1 << 20 }
const head = { shape, timeline: 3, startLsn: 0x5000000n }

async function scratch(t: { after(work: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wharf-spool-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

void test('a file that is torn anywhere, or has any bit flipped, gives whole frames only', async (t) => {
  const folder = await scratch(t)
  const pieces = ['first', 'second one', 'x'].map((text) => Buffer.from(text))
  const parts: Buffer[] = [encodeSpoolHead(head)]
  const ends: number[] = []
  let lsn = head.startLsn
  for (const piece of pieces) {
    parts.push(frameHead(lsn, piece), piece)
    lsn += BigInt(piece.length)
    ends.push(Buffer.concat(parts).length)
  }
  const whole = Buffer.concat(parts)
  const path = join(folder, 'f')
  const read = async (bytes: Buffer) => {
    await writeFile(path, bytes)
    return readSpoolFile(path)
  }
  for (let length = 0; length <= whole.length; length++) {
    // A power cut may leave zeros where the file had grown and its blocks had not come.
    for (const bytes of [whole.subarray(0, length), Buffer.concat([whole.subarray(0, length), Buffer.alloc(40)])]) {
      const found = await read(bytes)
      const count = ends.filter((end) => end <= length).length
      if (length < parts[0]!.length) assert.equal(found, undefined)
      else
        assert.deepEqual(found, {
          ...head,
          pieces: pieces.slice(0, count),
          endLsn: head.startLsn + BigInt(pieces.slice(0, count).join('').length),
        })
    }
  }
  for (let at = parts[0]!.length; at < whole.length; at++) {
    const flipped = Buffer.from(whole)
    flipped[at]! ^= 1
    const found = await read(flipped)
    assert.deepEqual(found!.pieces, pieces.slice(0, ends.filter((end) => end <= at).length))
  }
})

void test('what is said to be flushed is in the file, and a file goes only when all before its end is stored', async (t) => {
  const folder = await scratch(t)
  const flushed: bigint[] = []
  const checks: Promise<void>[] = []
  {
    await using spool = new Spool({
      ...head,
      folder,
      onFlushed: (lsn) => {
        flushed.push(lsn)
        checks.push(
          (async () => {
            const contents = (await spoolFiles(folder)).map((path) => readSpoolFile(path)!)
            assert.ok(contents.some(({ endLsn }) => endLsn >= lsn))
          })(),
        )
      },
      onFailed: (error) => assert.fail(error),
    })
    const bytes = Buffer.alloc(1 << 20, 5)
    for (let n = 0; n < 20; n++) {
      spool.add(bytes)
      bytes.fill(n)
      if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    while (spool.flushedLsn < head.startLsn + (20n << 20n)) await new Promise((resolve) => setImmediate(resolve))
    spool.add(Buffer.from('more'))
    while (spool.flushedLsn < head.startLsn + (20n << 20n) + 4n) await new Promise((resolve) => setImmediate(resolve))
    await Promise.all(checks)
    const before = await spoolFiles(folder)
    await spool.release(head.startLsn + 1n)
    assert.deepEqual(await spoolFiles(folder), before)
    await spool.release(spool.flushedLsn)
    assert.equal((await spoolFiles(folder)).length, 1, 'the one that is open stays')
  }
  assert.deepEqual(
    flushed,
    flushed.toSorted((one, other) => (one < other ? -1 : 1)),
  )
  const [last] = await spoolFiles(folder)
  assert.ok((await readFile(last!)).length > 0)
})

void test('a spool that cannot be written says so once and flushes nothing', async (t) => {
  const folder = await scratch(t)
  await writeFile(join(folder, 'file'), '')
  const failures: string[] = []
  await using spool = new Spool({
    ...head,
    folder: join(folder, 'file'),
    onFlushed: () => assert.fail('nothing was flushed'),
    onFailed: (error) => failures.push(error.message),
  })
  spool.add(Buffer.from('x'))
  while (failures.length === 0) await new Promise((resolve) => setImmediate(resolve))
  spool.add(Buffer.from('y'))
  assert.equal(failures.length, 1)
  assert.match(failures[0]!, /^WAL cannot be kept in the synchronous spool .*file: E/)
})

void test('synchronous_standby_names: who is named, and whether another may answer', () => {
  const cases: readonly (readonly [string, boolean, boolean])[] = [
    ['', false, false],
    ['wharf_retail', true, false],
    ['ANY 1 (wharf_retail)', true, false],
    ['ANY 1 (wharf_retail, other)', true, true],
    ['any 2 ("Wharf_Retail", b, c)', true, true],
    ['ANY 2 (wharf_retail, b)', true, false],
    ['FIRST 1 (wharf_retail, b)', true, false],
    ['2 (b, wharf_retail, c)', true, false],
    ['*', true, false],
    ['ANY 1 (a, b)', false, true],
  ]
  for (const [setting, namesUs, hasSecond] of cases)
    assert.deepEqual(readStandbyNames(setting, 'wharf_retail'), { namesUs, hasSecond }, setting)
})
