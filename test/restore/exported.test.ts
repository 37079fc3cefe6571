// `wharf repository export | import`: what comes out of the pipe recovers to what was there, with nothing of the original.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { launcher } from '../backup/cli.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld } from '../backup/world.ts'
import { recover } from './recovered.ts'

test('through a pipe and by a file, into empty places, and recovered from there', async () => {
  await using world = await openWorld({ major: 17 })
  const { server, folder } = world
  await server.psql('create table t as select n as id, md5(n::text) as body from generate_series(1, 20000) n')
  await world.take('full')
  await server.psql('delete from t where id % 3 = 0')
  const { manifest } = await world.take('incremental')
  const atBackup = await contentsOf(server)
  await world.archiveAll()
  await server.psql('insert into t select n, null from generate_series(1, 1000) n')
  const atEnd = await contentsOf(server)
  await world.archiveAll()

  const config = join(folder, 'wharf.yaml')
  const secret = 'encryption: { passphrase: "${env:EXPORT_TEST_PASSPHRASE}" }'
  const places = ['repository', 'piped', 'filed'].map((name) => `  ${name}:\n    path: ${name}\n    ${secret}\n`)
  await writeFile(config, `repositories:\n${places.join('')}`, { mode: 0o600 })
  const run = (line: string): void => {
    const wharf = `"${launcher}" --home "${join(folder, 'home')}" --config "${config}"`
    const done = spawnSync('/bin/sh', ['-c', line.replaceAll('WHARF', wharf)], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, EXPORT_TEST_PASSPHRASE: 'correct horse' },
    })
    assert.equal(done.status, 0, done.stderr + done.stdout)
  }
  const { id } = manifest
  run(`WHARF repository export ${id} - --repository repository | WHARF repository import - --repository piped`)
  run(`WHARF repository export ${id} stream.wharf --repository repository --wal all --json > said.json`)
  const said = JSON.parse(await readFile(join(folder, 'said.json'), 'utf8')) as { backup: string; bytes: number }
  assert.deepEqual([said.backup, said.bytes], [id, (await readFile(join(folder, 'stream.wharf'))).length])
  run('WHARF repository import stream.wharf --repository filed')
  assert.ok(!(await readdir(join(folder, 'home')).catch(() => [])).some((name) => name.startsWith('wharf-import')))

  await rename(join(folder, 'repository'), join(folder, 'away'))
  // With the WAL that the backup needs: as it was at its end. Nothing was written between the backup's end and the moment that was looked at.
  await using first = await recover(world, { latest: true, verify: 'connect', repositoryPath: join(folder, 'piped') })
  assert.deepEqual(await contentsOf(first.asServer), atBackup)
  await using second = await recover(world, { latest: true, verify: 'connect', repositoryPath: join(folder, 'filed') })
  assert.deepEqual(await contentsOf(second.asServer), atEnd)
  await rename(join(folder, 'away'), join(folder, 'repository'))
})
