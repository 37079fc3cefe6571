// `--original`: a server that is gone comes back in its place, with its configuration, its tablespaces and its archive.
import assert from 'node:assert/strict'
import { mkdir, readdir, readlink, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { parseLsn } from '../../src/wal/lsn.ts'
import { contentsOf } from '../backup/truth.ts'
import { makeFolder, openWorld } from '../backup/world.ts'
import { recover } from './recovered.ts'

const signal = new AbortController().signal

test('PostgreSQL 18: destroyed and brought back in its own place, archiving on', async () => {
  await using world = await openWorld({ major: 18, settings: { work_mem: '17MB' } })
  const { server } = world
  const old = await makeFolder(world, 'old-space')
  const fresh = await makeFolder(world, 'fresh-space')
  await server.psql(`create tablespace old location '${old}'`)
  await server.psql('create table a tablespace old as select n as id from generate_series(1, 3000) n')
  await world.take('full')
  await server.psql(`create tablespace fresh location '${fresh}'`)
  await server.psql('create table b tablespace fresh as select n as id from generate_series(1, 3000) n')
  const contents = await contentsOf(server)
  await world.archiveAll()
  await server.stop('immediate')
  await rename(server.dataDirectory, `${server.dataDirectory}.lost`)
  for (const folder of [old, fresh]) {
    await rm(folder, { recursive: true })
    await mkdir(folder)
  }
  if (server.account)
    for (const folder of [old, fresh])
      await (await import('node:fs/promises')).chown(folder, server.account.uid, server.account.gid)

  await using recovered = await recover(world, {
    latest: true,
    original: true,
    toDirectory: server.dataDirectory,
    set: {},
    port: undefined,
  })
  assert.equal(recovered.report.plan.mode, 'original')
  assert.equal(recovered.report.plan.wal.rewritten, false)
  assert.deepEqual(await contentsOf(recovered.asServer), contents)
  const [row] = await recovered.psql<{ archive: string; work: string; command: string }>(
    "select current_setting('archive_mode') as archive, current_setting('work_mem') as work, current_setting('restore_command') as command",
  )
  assert.deepEqual(row, { archive: 'on', work: '17MB', command: '' })
  // Both tablespaces lie where they lay, links and all.
  const links = await Promise.all(
    (await readdir(join(server.dataDirectory, 'pg_tblspc'))).map((oid) =>
      readlink(join(server.dataDirectory, 'pg_tblspc', oid)),
    ),
  )
  assert.deepEqual(links.sort(), [fresh, old])
  // It goes on as the warehouse that it was: its own archive gets timeline 2, and backups go on.
  await recovered.psql('insert into a values (0)')
  const [at] = await recovered.psql<{ lsn: string }>('select pg_switch_wal()::text as lsn')
  server.port = recovered.report.proof!.server.port
  await world.receiving.waitUntilDurable({ timeline: 2, lsn: parseLsn(at!.lsn) }, signal)
})
