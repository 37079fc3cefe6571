// (tried, design.md section 8) A copy on the host of a live server: CREATE TABLESPACE in its WAL names the live server's folders. Replayed as it is, it
// empties them; handed over by wharf it does not touch them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { contentsOf } from '../backup/truth.ts'
import { makeFolder, openWorld, type World } from '../backup/world.ts'
import { recover } from '../restore/recovered.ts'

/** Every file below a folder: path → size, modification time in ns, hash. */
async function fingerprint(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const about = await stat(join(folder, name), { bigint: true })
    if (!about.isFile()) continue
    found[name] = `${about.size} ${about.mtimeNs} ${createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex')}`
  }
  return found
}

interface Scene {
  readonly before: string
  readonly after: string
  readonly contents: Record<string, string>
}

/** One tablespace from before the backup, one from after it, one in place; all in use. */
async function scene(world: World): Promise<Scene> {
  const { server } = world
  const before = await makeFolder(world, 'space before')
  const after = await makeFolder(world, 'space-after')
  await server.psql(`create tablespace "old space" location '${before}'`)
  {
    await using client = await server.connect()
    await client.query('set allow_in_place_tablespaces = on')
    await client.query("create tablespace placed location ''")
  }
  await server.psql(
    'create table a tablespace "old space" as select n as id, md5(n::text) as body from generate_series(1, 5000) n',
  )
  await server.psql('create table p tablespace placed as select n as id from generate_series(1, 2000) n')
  await world.take('full')
  await server.psql(`create tablespace fresh location '${after}'`)
  await server.psql(
    'create table b tablespace fresh as select n as id, md5(n::text) as body from generate_series(1, 5000) n',
  )
  await server.psql('create index on b (id) tablespace fresh')
  await server.psql('insert into a select n, md5(n::text) from generate_series(5001, 6000) n')
  const contents = await contentsOf(server)
  await world.archiveAll()
  // What is compared must be still: hint bits and dirty pages go to disk now.
  await server.psql('vacuum')
  await server.psql('checkpoint')
  return { before, after, contents }
}

for (const major of [15, 18] as const) {
  test(`PostgreSQL ${major}: a copy beside the live server leaves its tablespaces alone`, async () => {
    await using world = await openWorld({
      major,
      settings: { autovacuum: 'off', bgwriter_lru_maxpages: '0', checkpoint_timeout: '1h' },
    })
    const { before, after, contents } = await scene(world)
    const live = { before: await fingerprint(before), after: await fingerprint(after) }
    assert.ok(Object.keys(live.after).length > 2)

    await using recovered = await recover(world, { latest: true })
    assert.deepEqual(await contentsOf(recovered.asServer), contents)
    assert.deepEqual({ before: await fingerprint(before), after: await fingerprint(after) }, live)
    // All of the copy's tablespaces are folders of its own.
    for (const oid of await readdir(join(recovered.directory, 'pg_tblspc'))) {
      await assert.rejects(readlink(join(recovered.directory, 'pg_tblspc', oid)), { code: 'EINVAL' })
    }
    // The live server still reads its own, from disk.
    await world.server.stop()
    await world.server.start()
    assert.deepEqual(await contentsOf(world.server), contents)
  })
}

test('without the rewriting, replay beside the live server empties its files: what the test above must be able to see', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off' } })
  const { after } = await scene(world)
  const live = await fingerprint(after)
  const { repository, folder } = world
  const [backup] = await repository.listBackups(new AbortController().signal)
  // The restore of the backup tests hands over the archive as it is; it moves the old tablespace away but not what WAL creates.
  await world.restore(backup!.id).catch(() => undefined)
  assert.notDeepEqual(await fingerprint(after), live)
  await rm(join(folder, 'space-after'), { recursive: true })
})

test('tablespaces go where they are told: remapped to folders elsewhere', async () => {
  await using world = await openWorld({ major: 17 })
  const { contents } = await scene(world)
  const moved = join(await makeFolder(world, 'elsewhere'), 'moved %d \\ space')
  await using recovered = await recover(world, { latest: true, tablespace: { 'old space': moved } })
  assert.deepEqual(await contentsOf(recovered.asServer), contents)
  const rows = await recovered.psql<{ name: string; at: string }>(
    'select spcname as name, pg_tablespace_location(oid) as at from pg_tablespace where oid > 16000 order by 1',
  )
  assert.deepEqual(
    rows.map((row) => [row.name, row.at.replace(/\d+$/, 'N')]),
    [
      ['fresh', 'pg_tblspc/N'],
      ['old space', moved],
      ['placed', 'pg_tblspc/N'],
    ],
  )
  assert.ok((await readdir(moved)).some((name) => name.startsWith('PG_17_')))
})
