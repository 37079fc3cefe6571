// (tried, design.md section 7) A table is cut by VACUUM and grows again by zero pages, which WAL does not show. An increment that took WAL's
// word alone would give back the rows that were there before the cut.
import assert from 'node:assert/strict'
import { openSync, closeSync, writeSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { BLOCK_BYTES } from '../../src/wal/contract.ts'
import { complaintsOf, contentsOf } from './truth.ts'
import { openWorld } from './world.ts'

for (const major of [15, 18] as const) {
  void test(`PostgreSQL ${major}: old rows do not come back after a cut and an extension with zeros`, async () => {
    await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
    const { server } = world
    await server.psql(
      `create table t (id int, body text); insert into t select n, repeat('x', 500) from generate_series(1, 3000) n`,
    )
    await server.psql('vacuum t')
    const { manifest: full } = await world.take('full')
    const [{ path } = { path: '' }] = await server.psql<{ path: string }>(`select pg_relation_filepath('t') as path`)
    const file = join(server.dataDirectory, path)
    const lengthBefore = statSync(file).size / BLOCK_BYTES

    await server.psql('delete from t where id > 100')
    await server.psql('vacuum (truncate) t')
    await server.psql('checkpoint')
    const lengthCut = statSync(file).size / BLOCK_BYTES
    assert.ok(lengthCut < lengthBefore / 10, `cut from ${lengthBefore} to ${lengthCut}`)
    // What bulk extension does, exactly: zero pages at the end, no WAL. (By hand, so that the test does not depend on when the server does it.)
    const grown = lengthCut + Math.floor((lengthBefore - lengthCut) / 2)
    const descriptor = openSync(file, 'r+')
    writeSync(
      descriptor,
      Buffer.alloc((grown - lengthCut) * BLOCK_BYTES),
      0,
      (grown - lengthCut) * BLOCK_BYTES,
      lengthCut * BLOCK_BYTES,
    )
    closeSync(descriptor)
    await server.psql('checkpoint')

    const { manifest: increment, notes } = await world.take('incremental')
    assert.deepEqual([increment.kind, increment.parent, notes], ['incremental', full.id, []])
    const stored = increment.files.find((one) => one.path === path)
    assert.equal(stored?.bytes, grown * BLOCK_BYTES)
    await world.archiveAll()
    const truth = await contentsOf(server)
    assert.match(truth['postgres public.t']!, /^100 rows/)
    await using restored = await world.restore(increment.id)
    assert.deepEqual(await contentsOf(restored), truth)
    assert.deepEqual(await complaintsOf(restored), [])
  })

  void test(`PostgreSQL ${major}: a table that only grew by zeros is read beyond what the parent has`, async () => {
    await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
    const { server } = world
    await server.psql(
      `create table t (id int, body text); insert into t select n, repeat('x', 500) from generate_series(1, 500) n`,
    )
    await server.psql('vacuum t')
    await world.take('full')
    const [{ path } = { path: '' }] = await server.psql<{ path: string }>(`select pg_relation_filepath('t') as path`)
    const file = join(server.dataDirectory, path)
    const before = statSync(file).size
    const descriptor = openSync(file, 'r+')
    writeSync(descriptor, Buffer.alloc(5 * BLOCK_BYTES), 0, 5 * BLOCK_BYTES, before)
    closeSync(descriptor)
    const { manifest } = await world.take('incremental')
    const stored = manifest.files.find((one) => one.path === path)
    assert.equal(stored?.bytes, before + 5 * BLOCK_BYTES)
    await world.archiveAll()
    await using restored = await world.restore(manifest.id)
    assert.deepEqual(await contentsOf(restored), await contentsOf(server))
  })
}
