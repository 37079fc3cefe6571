// (tried, design.md section 7 step 4) Blocks that are bad at the source: named, stored as they are, looked at again by the next increment.
import assert from 'node:assert/strict'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { BLOCK_BYTES } from '../../src/wal/contract.ts'
import { reportOf, reportText } from '../../src/backup/report.ts'
import { openWorld } from './world.ts'

const signal = new AbortController().signal

function overwrite(file: string, at: number, bytes: Buffer): void {
  const descriptor = openSync(file, 'r+')
  writeSync(descriptor, bytes, 0, bytes.length, at)
  closeSync(descriptor)
}

function blockOf(file: string, block: number): Buffer {
  const descriptor = openSync(file, 'r')
  const bytes = Buffer.alloc(BLOCK_BYTES)
  readSync(descriptor, bytes, 0, BLOCK_BYTES, block * BLOCK_BYTES)
  closeSync(descriptor)
  return bytes
}

for (const major of [15, 18] as const) {
  void test(`PostgreSQL ${major}: a corrupt block is named, kept as it is, and forgotten once it is healed`, async () => {
    await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
    const { server, repository } = world
    await server.psql(
      `create table t (id int, body text); insert into t select n, repeat('x', 500) from generate_series(1, 2000) n`,
    )
    await server.psql('vacuum t')
    await server.psql('checkpoint')
    const [{ path } = { path: '' }] = await server.psql<{ path: string }>(`select pg_relation_filepath('t') as path`)
    const file = join(server.dataDirectory, path)
    const good = blockOf(file, 7)
    // A flipped bit in the middle of block 7, a header of rubbish in block 9.
    overwrite(file, 7 * BLOCK_BYTES + 4000, Buffer.of(good[4000]! ^ 1))
    const goodHeader = blockOf(file, 9)
    overwrite(file, 9 * BLOCK_BYTES + 12, Buffer.of(0xff, 0xff, 0xff, 0xff))

    const { manifest: full } = await world.take('full')
    assert.deepEqual(full.corrupt, [
      { file: path, block: 7, reason: 'checksum' },
      { file: path, block: 9, reason: 'checksum' },
    ])
    const report = reportOf(full, { repository: 'r', notes: [] })
    assert.match(reportText(report), new RegExp(`CORRUPT {4}block 7 of ${path} \\(public\\.t\\): checksum`))

    // Stored as it was: byte for byte the bad page.
    const stored = full.files.find((one) => one.path === path)
    assert.ok(stored?.kind === 'segment')
    const [map] = await repository.readMaps([stored.map], signal)
    const run = map!.runs.find((one) => one.block <= 7 && one.block + one.count > 7)!
    const ref = map!.extents[run.extent]!
    for await (const { plain } of repository.openExtentReader().read(ref.pack, [{ ref, file: path }], signal)) {
      const at = (run.place + 7 - run.block) * BLOCK_BYTES
      assert.deepEqual(plain.subarray(at, at + BLOCK_BYTES), blockOf(file, 7))
    }

    // Nothing changed by WAL, yet still named: known bad blocks are looked at each time.
    const { manifest: second } = await world.take('incremental')
    assert.deepEqual(second.corrupt, full.corrupt)
    overwrite(file, 7 * BLOCK_BYTES, good)
    overwrite(file, 9 * BLOCK_BYTES, goodHeader)
    const { manifest: healed } = await world.take('incremental')
    assert.deepEqual(healed.corrupt, [])
  })
}

void test('without checksums a header that makes no sense is still found', async () => {
  await using world = await openWorld({ major: 18, checksums: false, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql(
    `create table t (id int, body text); insert into t select n, repeat('x', 500) from generate_series(1, 500) n`,
  )
  await server.psql('checkpoint')
  const [{ path } = { path: '' }] = await server.psql<{ path: string }>(`select pg_relation_filepath('t') as path`)
  overwrite(join(server.dataDirectory, path), 3 * BLOCK_BYTES + 12, Buffer.of(0xff, 0xff))
  const { manifest } = await world.take('full')
  assert.deepEqual(manifest.corrupt, [{ file: path, block: 3, reason: 'header' }])
})
