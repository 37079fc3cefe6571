// A recovery that is killed leaves the live tables alone, and the next one takes away what it left: the sandbox with its server, and the schemas on the live server.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { serverRuns } from '../../src/warehouse/servers.ts'
import { openWorld, type World } from '../backup/world.ts'
import { requestFor } from '../restore/recovered.ts'
import { contentOf, leftOn, lsnOf, recoverTable } from './recovering.ts'

/** Killed as soon as it says that it does this. */
async function killAt(world: World, phase: string, wishes: object): Promise<void> {
  const { repositoryPath, passphraseFile, binaries } = await requestFor(world, {})
  const request = {
    home: join(world.folder, 'home'),
    url: world.server.url,
    input: { repositoryPath, passphraseFile, binaries, workers: 2, ...wishes },
  }
  const program = fileURLToPath(new URL('./killed-child.ts', import.meta.url))
  const child = spawn(process.execPath, [program, JSON.stringify(request)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  let seen = false
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== phase) continue
    seen = true
    child.kill('SIGKILL')
    break
  }
  await ended
  assert.ok(seen, `it never came to "${phase}"`)
}

test('PostgreSQL 18: what a killed recovery of a table has left is gone with the next one, and the live table was never touched', async () => {
  await using world = await openWorld({ major: 18, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql(
    'create table orders (id int primary key, body text); insert into orders select n, md5(n::text) from generate_series(1, 20000) n',
  )
  await world.take('full')
  const lsn = await lsnOf(world)
  const truth = await contentOf(world, 'orders')
  await server.psql('delete from orders where id > 10000')
  const live = await contentOf(world, 'orders')
  await world.archiveAll()
  const sandboxes = join(world.folder, 'home', 'sandboxes')
  for (const phase of ['starting', 'building indexes']) {
    await killAt(world, phase, { tables: ['orders'], lsn, mode: 'swap' })
    assert.equal(await contentOf(world, 'orders'), live)
  }
  // Logs of servers that came to nothing are kept for a week.
  const left = (await readdir(sandboxes)).filter((name) => existsSync(join(sandboxes, name, 'data')))
  assert.equal(left.length, 1, 'the second has taken away what the first left')
  const folder = join(sandboxes, left[0]!, 'data')
  assert.equal(await serverRuns(folder), true)
  assert.equal((await leftOn(world)).length, 1)

  await recoverTable(world, { tables: ['orders'], lsn, as: 'again' })
  assert.equal(await contentOf(world, 'again'), truth)
  assert.equal(await contentOf(world, 'orders'), live)
  assert.equal(await serverRuns(folder), false)
  assert.equal(existsSync(folder), false)
  await server.psql('drop table again')
  assert.deepEqual(await leftOn(world), [])
})
