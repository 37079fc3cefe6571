// Streams and sizes as an unkind system gives them: reads that return fewer bytes than there are, offsets beyond 2^31 and 2^53, names that look like
// temporary files.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs, { closeSync, ftruncateSync, openSync, writeFileSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import fc from 'fast-check'

import { BlockFile } from '../../src/backup/copy/block-file.ts'
import { copyPlain } from '../../src/backup/copy/copy-plain.ts'
import { planSegment } from '../../src/backup/plan/segment.ts'
import { diskFiles } from '../../src/backup/source/disk.ts'
import { openReading } from '../../src/backup/source/reading.ts'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { settleFile, verifyFile } from '../../src/recovery/restore/settle.ts'
import { parseMoment } from '../../src/recovery/target/time.ts'
import { openStore } from '../../src/repository/stores.ts'
import { BLOCK_BYTES, BLOCKS_PER_SEGMENT } from '../../src/wal/contract.ts'
import { layWal, SEGMENT } from '../../src/wal/lay-wal.ts'
import { rmgr } from '../../src/wal/layouts.ts'
import { formatLsn, parseLsn } from '../../src/wal/lsn.ts'
import { RecordStream } from '../../src/wal/record-stream.ts'

const signal = new AbortController().signal

async function folderOf(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-streams-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Until the test ends every read of a file, whichever way, gives at most as many bytes as chance allows: never none where there are some. */
async function shortReads(t: TestContext, anyFile: string): Promise<void> {
  const random = seededRandom(5)
  const less = (wanted: number): number => (wanted > 1 ? 1 + random.integer(Math.min(wanted, 20_000)) : wanted)
  const { readSync } = fs
  const handle = await open(anyFile)
  const prototype = Object.getPrototypeOf(handle) as { read: (...all: unknown[]) => unknown }
  const { read } = prototype
  await handle.close()
  fs.readSync = ((...[descriptor, into, offset, length, position]: [number, Buffer, number, number, number]) =>
    readSync(descriptor, into, offset, less(length), position)) as typeof readSync
  prototype.read = function (into, offset, length, position) {
    return read.call(this, into, offset, less(length as number), position)
  }
  syncBuiltinESMExports()
  t.after(() => {
    fs.readSync = readSync
    prototype.read = read
    syncBuiltinESMExports()
  })
}

void test('short reads: every stream of backup, store and recovery gives the same bytes', async (t) => {
  const folder = await folderOf(t)
  const content = Buffer.from(seededRandom(1).bytes(24 * BLOCK_BYTES))
  const path = join(folder, '16400')
  writeFileSync(path, content)
  const zeros = join(folder, '16401')
  writeFileSync(zeros, Buffer.alloc(24 * BLOCK_BYTES))
  const store = await openStore({ kind: 'file', path: folder })
  await store.put('packs/a', [content], { signal })
  await shortReads(t, path)

  await using source = openReading({ kind: 'disk', directory: folder })
  using opened = source.open('16400')!
  const file = new BlockFile(opened, () => {})
  const group = Uint32Array.from([0, 1, 2, 9, 10, 23])
  const into = Buffer.alloc(group.length * BLOCK_BYTES)
  assert.deepEqual(await file.readGroup(group, into), { blocks: 6, endedAt: undefined, unreadable: [] })
  for (const [place, block] of group.entries())
    assert.ok(into.subarray(place * BLOCK_BYTES, (place + 1) * BLOCK_BYTES).equals(blockOf(content, block)))

  const stored: Buffer[] = []
  const append = (extent: { plain: Buffer }): Promise<never> => {
    stored.push(Buffer.from(extent.plain))
    return Promise.resolve({} as never)
  }
  const tools = {
    source,
    checksums: true,
    writer: { append } as never,
    clock: systemClock,
    nextBuffer: () => Buffer.alloc(1 << 20),
    onRead: () => {},
    throwIfStopped: () => {},
    pace: () => Promise.resolve(),
  }
  const sha256 = createHash('sha256').update(content).digest('hex')
  const plain = { kind: 'plain', path: '16400', bytes: content.length, knownSha256: undefined } as const
  assert.equal(((await copyPlain(plain, tools)) as { sha256: string }).sha256, sha256)
  assert.ok(Buffer.concat(stored).equals(content))

  const read = await diskFiles(folder).read('16400', { offset: 5, length: content.length })
  assert.ok(read!.equals(content.subarray(5)))
  const got = await store.get('packs/a', { signal, offset: 3, length: 150_000 })
  assert.ok(got.equals(content.subarray(3, 150_003)))

  settleFile(
    { path, file: '16400', bytes: content.length, sha256 },
    { buffer: Buffer.alloc(65_536), durable: true, backup: 'b' },
  )
  const verify = { checksums: true, buffer: Buffer.alloc(65_536), onRead: () => {} }
  assert.deepEqual(verifyFile({ path: zeros, file: '16401', firstBlock: 0 }, verify), [])
})

const blockOf = (content: Buffer, block: number): Buffer =>
  content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)

void test('pitfall 57: offsets beyond 2^31 in files and objects, blocks near 2^32, LSNs beyond 2^53', async (t) => {
  const folder = await folderOf(t)
  const far = 2 ** 32 + 12_345
  const store = await openStore({ kind: 'file', path: folder })
  await store.put('packs/big', [Buffer.from('begin')], { signal })
  const descriptor = openSync(join(folder, 'packs', 'big'), 'r+')
  ftruncateSync(descriptor, far + 20)
  fs.writeSync(descriptor, Buffer.from('beyond'), 0, 6, far)
  closeSync(descriptor)
  assert.equal((await store.get('packs/big', { signal, offset: far, length: 6 })).toString(), 'beyond')
  assert.equal((await store.stat('packs/big', { signal }))?.bytes, far + 20)
  const read = await diskFiles(folder).read('packs/big', { offset: far, length: 6 })
  assert.equal(read?.toString(), 'beyond')

  const segment = 32_767
  const last = segment * BLOCKS_PER_SEGMENT + 17
  assert.deepEqual(
    planSegment({
      fork: 'main',
      segment,
      blockCount: 20,
      parentBlockCount: 20,
      change: { blocks: Uint32Array.from([17, last]), cut: undefined },
      relationTouched: true,
      suspects: [],
      doubt: undefined,
    }),
    { kind: 'blocks', blocks: Uint32Array.from([17]) },
  )

  for (const start of [2n ** 31n, 2n ** 32n - BigInt(SEGMENT), 2n ** 53n - BigInt(SEGMENT), 2n ** 63n]) {
    const found: bigint[] = []
    const stream = new RecordStream(
      { startLsn: start, majorVersion: 18, segmentBytes: SEGMENT },
      { record: (record, { baseLsn }) => found.push(baseLsn + BigInt(record.start)) },
    )
    const filler = { rmgr: rmgr.logicalMessage, data: Buffer.alloc(500_000, 1) }
    for (const bytes of layWal([filler, filler, filler], 2, start)) stream.push(bytes)
    assert.equal(found.length, 3, formatLsn(start))
    assert.ok(found.every((lsn) => lsn > start && lsn < start + 2n * BigInt(SEGMENT)))
    assert.equal(parseLsn(formatLsn(found[2]!)), found[2])
  }
})

void test('names that look like temporary files of a store are names like all others', async (t) => {
  const folder = await folderOf(t)
  const store = await openStore({ kind: 'file', path: folder })
  const part = fc.constantFrom('.tmp.', 'a.tmp', 'tmp', 'x.tmp.1', 'dw_tmp-1', 'tmp.', '_', 'manifest', '.partial')
  const names = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 3 }), async (parts) => {
      const name = `manifests/w${parts.join('-')}/m${parts.join('')}x`
      if (names.has(name)) return
      names.add(name)
      await store.put(name, [Buffer.from(name)], { signal })
    }),
    { numRuns: 40 },
  )
  await store.barrier({ signal })
  const again = await openStore({ kind: 'file', path: folder })
  const listed = new Set<string>()
  for await (const { name } of again.list('', { signal })) listed.add(name)
  assert.deepEqual(listed, names)
})

void test('no text but a whole time is taken for one', () => {
  const piece = fc.constantFrom(
    '13am',
    '1',
    '13',
    'am',
    'pm',
    ':',
    '-',
    ' ',
    '2026',
    '11',
    'T',
    'Z',
    '+',
    '.',
    'Europe/',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
      const text = pieces.join('')
      try {
        parseMoment(text, 'UTC')
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'recovery.bad-time')
        return
      }
      assert.match(
        text,
        /^\s*\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?\s*(Z|[+-]\d{2}(:?\d{2})?|[\w/]+)?\s*$/,
      )
      assert.doesNotMatch(text, /am|pm/)
    }),
  )
})
