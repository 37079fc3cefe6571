// (tried, design.md section 8) Relations that a sandbox leaves out: as sparse files of their stored length they use no disk and replay goes through; with
// the files missing altogether replay makes them anew in full.
import assert from 'node:assert/strict'
import { appendFile, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { openWorld, type World } from '../backup/world.ts'
import { recover } from '../restore/recovered.ts'
import { startServer, type TestServer } from '../support/postgres.ts'

const MIB = 1024 * 1024

/** A small table that is wanted, a large one that is not; both change after the backup. */
async function scene(world: World): Promise<{ file: string; bytes: number; wanted: unknown[] }> {
  const { server } = world
  await server.psql(
    "create table wanted as select n as id, 'row ' || n as body from generate_series(1, 2000) n; create index on wanted (id)",
  )
  await server.psql("create table large as select n as id, repeat('x', 900) as body from generate_series(1, 40000) n")
  // Hint bits are set now: with checksums each would put its page into WAL, and the scan of the update below would set them all.
  await server.psql('vacuum freeze large')
  await world.take('full')
  await server.psql("update wanted set body = 'changed' where id % 3 = 0")
  // The first and the last block change: replay asks for both.
  await server.psql("update large set body = 'y' where id in (1, 2, 3)")
  await server.psql("insert into large select n, repeat('z', 900) from generate_series(40001, 40010) n")
  const wanted = await server.psql(
    'select count(*)::int as count, md5(string_agg(w::text, $$,$$ order by id)) as hash from wanted w',
  )
  const [at] = await server.psql<{ path: string }>("select pg_relation_filepath('large') as path")
  await world.archiveAll()
  return { file: at!.path, bytes: 40 * MIB, wanted }
}

async function startSandbox(world: World, directory: string): Promise<TestServer> {
  await appendFile(join(directory, 'postgresql.conf'), "ignore_invalid_pages = 'on'\nautovacuum = 'off'\n")
  const server = await startServer({ major: world.server.major, dataDirectory: directory })
  for (;;) {
    const [row] = await server.psql<{ replaying: boolean }>('select pg_is_in_recovery() as replaying')
    if (row?.replaying === false) return server
  }
}

const allocated = async (path: string): Promise<number> => (await stat(path)).blocks * 512

for (const major of [15, 18] as const) {
  test(`PostgreSQL ${major}: sparse stubs use no disk, missing files come back in full`, async () => {
    await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
    const { file, wanted } = await scene(world)
    const question = 'select count(*)::int as count, md5(string_agg(w::text, $$,$$ order by id)) as hash from wanted w'

    const stubbed = await recover(world, { latest: true, start: false })
    const stub = join(stubbed.directory, file)
    const stored = (await stat(stub)).size
    {
      await using handle = await open(stub, 'r+')
      await handle.truncate(0)
      await handle.truncate(stored)
    }
    assert.equal(await allocated(stub), 0)
    {
      await using server = await startSandbox(world, stubbed.directory)
      assert.deepEqual(await server.psql(question), wanted)
      assert.ok((await allocated(stub)) < MIB, `${await allocated(stub)} bytes of disk`)
    }

    const missing = await recover(world, { latest: true, start: false })
    const gone = join(missing.directory, file)
    await rm(gone)
    {
      await using server = await startSandbox(world, missing.directory)
      assert.deepEqual(await server.psql(question), wanted)
      // Replay of a record for the last block extends the file by zeros that are written.
      assert.ok((await allocated(gone)) > stored / 2, `${await allocated(gone)} of ${stored} bytes`)
    }
  })
}
