// kill −9 of recoveries with the critical tier first, beside the live server: while its readers' server is made, while it serves, while the whole comes back and is opened.
// The same command again completes, and ends and removes what the killed one left; the live server is never harmed.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import type { TierRule } from '../../src/backup/plan/tiers.ts'
import { seededRandom } from '../../src/base/random.ts'
import { freePort, runningServers, serverRuns } from '../../src/warehouse/servers.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, tableInSpace, type World } from '../backup/world.ts'
import { standbyOn } from './follow-kill.ts'
import type { KillRecoveries } from './recover-kill.ts'
import { Starting } from './started-kill.ts'

const tiers: readonly TierRule[] = [{ match: { relation: 'sales' }, tier: 'critical' }]

const sandboxesOf = (world: World): string => join(world.folder, 'cli-home', 'sandboxes')

/** Data directories for readers. */
async function readersOf(world: World): Promise<readonly string[]> {
  const names = await readdir(sandboxesOf(world)).catch(() => [])
  return names.map((name) => join(sandboxesOf(world), name, 'data')).filter((path) => existsSync(path))
}

export async function killCriticalFirst({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random = seededRandom(seed)
  await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
  const { server } = world
  await tableInSpace(world, 9000)
  await server.psql(
    'create table sales tablespace space as select n as id, md5(n::text) as body from generate_series(1, 9000) n',
  )
  await world.take('full', { tiers })
  for (let round = 0; round < 5; round++)
    await server.psql('update t set body = md5(body); update sales set body = reverse(body); checkpoint')
  await world.archiveAll()
  const contents = await contentsOf(server)
  let [span, killed] = [0, 0]
  for (let turn = 0; turn < kills; turn++) {
    const folder = join(world.folder, `critical-${turn}`)
    const begun = async (): Promise<boolean> => (await readdir(sandboxesOf(world)).catch(() => [])).length > 0
    const more = { where: ['--to-directory', folder, '--critical-first'], begun } as const
    if (span === 0) span = await undisturbed(world)
    await rm(sandboxesOf(world), { recursive: true, force: true })
    const starting = await Starting.of(world, folder, more)
    const killAfterMs = random.integer(span)
    let port = await freePort()
    const first = await starting.run([], { port, killAfterMs })
    const state = await starting.state()
    const left = await readersOf(world)
    const serving = (await Promise.all(left.map((one) => serverRuns(one)))).includes(true)
    const what = `${major}: killed after ${killAfterMs} of ${span} ms in state ${state ?? 'nothing'}, readers' server ${serving ? 'running' : left.length > 0 ? 'down' : 'not there'}`
    if (first.killed) killed++
    else assert.equal(first.code, 0, first.said)
    assert.deepEqual(await contentsOf(server), contents, what)
    try {
      if (first.killed && state === 'recovered') {
        await starting.open(port)
        // Nothing is left to be done in the folder: whichever recovery comes next takes the readers' server away.
        await undisturbed(world)
      } else if (first.killed) {
        port = await freePort()
        const again = await starting.run(state === undefined ? [] : ['--resume'], { port })
        assert.equal(again.code, 0, `${what}: ${again.said}`)
      }
      assert.deepEqual(await contentsOf(standbyOn(port)), contents, what)
      assert.deepEqual(await readersOf(world), [], what)
      const running = (await runningServers()).filter((one) => one.startsWith(`${world.folder}/`))
      assert.deepEqual(
        running.filter((one) => one !== server.dataDirectory),
        [folder],
        what,
      )
    } finally {
      await starting.end()
    }
    await rm(folder, { recursive: true })
    log(`critical first, ${what}`)
  }
  assert.ok(killed > 0 || kills < 3, 'at least one was killed')
  assert.deepEqual(await contentsOf(server), contents)
}

/** How long one takes that nobody kills. */
async function undisturbed(world: World): Promise<number> {
  const folder = join(world.folder, 'undisturbed')
  const starting = await Starting.of(world, folder, { where: ['--to-directory', folder, '--critical-first'] })
  const began = performance.now()
  const ran = await starting.run([], { port: await freePort() })
  const ms = Math.ceil(performance.now() - began)
  await starting.end()
  assert.equal(ran.code, 0, ran.said)
  await rm(folder, { recursive: true })
  return ms
}
