import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { BLOCK_BYTES } from '../../wal/contract.ts'
import { directMode, OpenFiles } from './file-io.ts'
import { writeError } from './write-error.ts'
import { writeExtent } from './write-extents.ts'

const folder = mkdtempSync(join(tmpdir(), 'wharf-recovery-'))
after(() => rmSync(folder, { recursive: true }))

function emptyFile(name: string, blocks: number): string {
  const path = join(folder, name)
  writeFileSync(path, '')
  truncateSync(path, blocks * BLOCK_BYTES)
  return path
}

const page = (fill: number): Buffer => Buffer.alloc(BLOCK_BYTES, fill)

test('blocks land where the map says, blocks of zeros stay holes', async () => {
  const path = emptyFile('a', 200)
  const plain = Buffer.concat([page(1), page(0), page(3), page(4)])
  const ref = { pack: 'p', number: 0, offset: 0, storedBytes: 1, plainBytes: plain.length }
  await using files = new OpenFiles()
  const item = { target: 0, ref, runs: [0, 2, 10, 2, 1, 150], offset: 0 }
  const counts = await writeExtent(
    files,
    { path, file: 'f' },
    { item, plain, blocks: Uint32Array.of(10, 11, 150, 151), backup: 'b' },
  )
  assert.deepEqual(counts, { written: 2 * BLOCK_BYTES, holes: BLOCK_BYTES, same: 0 })
  await files.settled()
  const bytes = readFileSync(path)
  assert.equal(bytes.length, 200 * BLOCK_BYTES)
  for (let block = 0; block < 200; block++) {
    const expected = block === 10 ? 1 : block === 150 ? 3 : 0
    assert.ok(bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES).equals(page(expected)), String(block))
  }
  assert.ok(statSync(path).blocks * 512 <= 8 * BLOCK_BYTES)
})

test('over a file that was there only blocks that differ are written, zeros among them, whatever their other marks say', async () => {
  const path = join(folder, 'over')
  const right = Buffer.concat([page(1), page(0), page(3), page(4), page(5)])
  for (const [what, hurt] of [
    ['nothing', []],
    ['one bit', [0]],
    ['zeros over data', [2]],
    ['data over zeros', [1]],
    ['several', [0, 1, 4]],
    ['all', [0, 1, 2, 3, 4]],
  ] as const) {
    const wrong = Buffer.from(right)
    for (const block of hurt) wrong[block * BLOCK_BYTES + 4711]! ^= 4
    writeFileSync(path, wrong)
    const ref = { pack: 'p', number: 0, offset: 0, storedBytes: 1, plainBytes: right.length }
    await using files = new OpenFiles()
    const counts = await writeExtent(
      files,
      { path, file: 'f', over: true },
      {
        item: { target: 0, ref, runs: [0, 3, 0, 3, 2, 3], offset: 0 },
        plain: right,
        blocks: Uint32Array.of(0, 1, 2, 3, 4),
        backup: 'b',
      },
    )
    const written = hurt.length * BLOCK_BYTES
    assert.deepEqual(counts, { written, holes: 0, same: right.length - written }, what)
    await files.settled()
    assert.ok(readFileSync(path).equals(right), what)
  }
})

test('over a file that ends too early the rest is written', async () => {
  const path = join(folder, 'short')
  const right = Buffer.concat([page(1), page(2)])
  writeFileSync(path, right.subarray(0, BLOCK_BYTES + 100))
  const ref = { pack: 'p', number: 0, offset: 0, storedBytes: 1, plainBytes: right.length }
  await using files = new OpenFiles()
  const counts = await writeExtent(
    files,
    { path, file: 'f', over: true },
    { item: { target: 0, ref, runs: undefined, offset: 0 }, plain: right, blocks: new Uint32Array(), backup: 'b' },
  )
  assert.deepEqual(counts, { written: BLOCK_BYTES, holes: 0, same: BLOCK_BYTES })
  await files.settled()
  assert.ok(readFileSync(path).equals(right))
})

test('past the page cache the same bytes come to the same places, new and over others', async () => {
  const blocks = 130
  const right = Buffer.concat(Array.from({ length: blocks }, (_, block) => page(block % 50)))
  const ref = { pack: 'p', number: 0, offset: 0, storedBytes: 1, plainBytes: right.length }
  const parts = { plain: right, blocks: Uint32Array.from({ length: blocks }, (_, block) => block + 7), backup: 'b' }
  const item = { target: 0, ref, runs: [0, 100, 7, 100, 30, 107], offset: 0 }
  const path = emptyFile('direct', 7 + blocks)
  {
    await using files = new OpenFiles(directMode(true))
    const zeros = 3 * BLOCK_BYTES
    const counts = await writeExtent(files, { path, file: 'f' }, { item, ...parts })
    assert.deepEqual(counts, { written: right.length - zeros, holes: zeros, same: 0 })
  }
  const wanted = Buffer.concat([Buffer.alloc(7 * BLOCK_BYTES), right])
  assert.ok(readFileSync(path).equals(wanted))
  const wrong = Buffer.from(wanted)
  for (const block of [9, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 136]) wrong[block * BLOCK_BYTES + 99]! ^= 1
  writeFileSync(path, wrong)
  await using files = new OpenFiles(directMode(true))
  const counts = await writeExtent(files, { path, file: 'f', over: true }, { item, ...parts })
  assert.deepEqual(counts, { written: 13 * BLOCK_BYTES, holes: 0, same: right.length - 13 * BLOCK_BYTES })
  await files.settled()
  assert.ok(readFileSync(path).equals(wanted))
})

test('a map that disagrees with the extent about a block is refused', async () => {
  const path = emptyFile('b', 20)
  const plain = Buffer.concat([page(1), page(2)])
  const ref = { pack: 'p', number: 0, offset: 0, storedBytes: 1, plainBytes: plain.length }
  await using files = new OpenFiles()
  for (const runs of [
    [0, 2, 11],
    [1, 2, 6],
    [1, 1, 5],
  ]) {
    const item = { target: 0, ref, runs, offset: 0 }
    await assert.rejects(
      writeExtent(files, { path, file: 'f' }, { item, plain, blocks: Uint32Array.of(5, 6), backup: 'b' }),
      { code: 'recovery.damaged-file' },
    )
  }
  assert.ok(readFileSync(path).equals(Buffer.alloc(20 * BLOCK_BYTES)))
})

test(
  'a write that fails after it was begun is known when all are settled',
  { skip: !existsSync('/dev/full') },
  async () => {
    const plain = Buffer.concat(Array.from({ length: 16 }, (_, block) => page(block + 1)))
    const ref = { pack: 'p', number: 0, offset: 0, storedBytes: 1, plainBytes: plain.length }
    const item = { target: 0, ref, runs: undefined, offset: 0 }
    const full = { path: '/dev/full', file: 'f' }
    for (const wanted of [false, true]) {
      await using files = new OpenFiles(directMode(wanted))
      const wrote = async (): Promise<void> => {
        await writeExtent(files, full, { item, plain, blocks: new Uint32Array(), backup: 'b' })
        await files.settled()
      }
      await assert.rejects(wrote(), {
        code: 'recovery.disk-full',
        message: 'the disk is full: writing /dev/full failed',
      })
    }
  },
)

test('a full disk says so', () => {
  const error = writeError(Object.assign(new Error('no space'), { code: 'ENOSPC' }), '/x/y')
  assert.equal(error.message, 'the disk is full: writing /x/y failed')
})
