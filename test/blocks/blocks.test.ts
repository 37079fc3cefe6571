// Acceptance 2, a slice: pages of a table, its indexes and TOAST damaged under the live server come back as the server had written them, or are refused with a reason.
import assert from 'node:assert/strict'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { seededRandom } from '../../src/base/random.ts'
import type { Context } from '../../src/base/room.ts'
import { openPlace } from '../../src/recovery/blocks/place.ts'
import { openWorld, type World } from '../backup/world.ts'
import { healScene, schema } from './scene.ts'
import { coldRestart, damage, fileOf, heal, isSamePage, readPage, writePage } from './world.ts'
import { ofTheDay } from '../support/turns.ts'

const signal = new AbortController().signal
const settings = { autovacuum: 'off' }
const seed = Number(process.env['ACCEPT_SEED'] ?? 11)

const major = ofTheDay([15, 18] as const)
test(`PostgreSQL ${major}: damaged pages are healed exactly under the live server`, async () => {
  await using world = await openWorld({ major, settings })
  await world.server.psql(schema)
  await world.take('full')
  await healScene(world, seededRandom(seed))
})

/** Block 3 of `t` as it is, changed after the first backup, and with its last write lost. */
async function loseWrite(world: World): Promise<{ file: string; truth: Buffer; old: Buffer }> {
  const { server } = world
  await server.psql('checkpoint')
  const { file } = await fileOf(world, 't')
  const old = await readPage(world, file, 3)
  await server.psql("update t set body = 'lost' where ctid >= '(3,0)' and ctid < '(4,0)'")
  await coldRestart(world)
  const truth = await readPage(world, file, 3)
  await writePage(world, { file, block: 3 }, old)
  return { file, truth, old }
}

test('PostgreSQL 18: a lost write that a backup has stored already is healed from an older one, and the next backup reads the block again', async () => {
  await using world = await openWorld({ major: 18, settings })
  await world.server.psql(schema)
  await world.server.psql('vacuum (freeze) t')
  const first = await world.take('full')
  const { file, truth } = await loseWrite(world)
  const second = await world.take('incremental')
  // Another increment, so that no WAL names the block any more.
  const third = await world.take('incremental')
  await world.archiveAll()
  // The server holds the stale page in its memory: it is evicted.
  await world.server.psql('select count(*) from t')
  const healed = await heal(world, { relation: ['public.t'], block: '3' })
  assert.deepEqual(
    healed.blocks.map((one) => [one.outcome, one.damage]),
    [['healed', 'stale']],
  )
  assert.equal(healed.backup, first.manifest.id)
  for (const id of [second.manifest.id, third.manifest.id])
    assert.ok(
      healed.notes.some((one) => one.startsWith(`backup ${id}: its image of block 3 of public.t lacks the change at `)),
    )
  assert.ok(isSamePage(await readPage(world, file, 3), truth))

  const fourth = await world.take('incremental')
  await world.archiveAll()
  await using copy = await world.restore(fourth.manifest.id)
  const [lost] = await world.server.psql("select count(*)::int from t where body = 'lost'")
  assert.deepEqual(await copy.psql("select count(*)::int from t where body = 'lost'"), [lost])
})

test('what cannot be proven is refused with its reason, and nothing is written', async () => {
  // What the server writes on shutting down reaches no repository here: its own WAL tells of it.
  await using world = await openWorld({ major: 16, settings: { ...settings, wal_keep_size: '512MB' } })
  const { server } = world
  await server.psql(schema)
  await server.psql('create unlogged table u (id int); insert into u select generate_series(1, 1000)')
  // Hints are in the pages already: reading changes none any more.
  await server.psql('select count(*) from t')
  await world.take('full')
  await server.psql("update t set body = 'x' where id < 50 or id between 500 and 505")
  await world.archiveAll()
  const { file } = await fileOf(world, 't')
  // It is in the server's memory, and 16 cannot evict it.
  await server.psql('select count(*) from t')
  await server.psql('checkpoint')
  const intact = await readPage(world, file, 3)
  await writePage(world, { file, block: 3 }, Buffer.alloc(intact.length))
  const { blocks } = await heal(world, { relation: ['u:0', 'pg_catalog.pg_proc:3', 't:2,3,90000'] })
  assert.deepEqual(
    blocks.map(({ relation, outcome, why }) => [relation, outcome, why?.split(',')[0]]),
    [
      ['public.u', 'refused', 'public.u is not logged: no WAL tells what the block should be'],
      [
        'pg_catalog.pg_proc',
        'refused',
        'pg_catalog.pg_proc is a system catalog: it is healed with the server stopped only',
      ],
      // As somebody leaves it who ended behind the write: good in memory and on disk.
      ['public.t', 'good', undefined],
      ['public.t', 'refused', 'the server holds it in memory'],
      ['public.t', 'refused', 'the file has no such block'],
    ],
  )
  await writePage(world, { file, block: 3 }, intact)
  await coldRestart(world)
  await world.archiveAll()
  const good = await heal(world, { relation: ['t'], block: '2' })
  assert.deepEqual(
    good.blocks.map((one) => one.outcome),
    ['good'],
  )
  await assert.rejects(heal(world, { relation: ['t'], fork: 'vm', block: '0' }), {
    message: 'the vm fork of public.t is not healed: PostgreSQL makes it anew',
  })
  await assert.rejects(heal(world, {}), { message: 'no block was named' })
  await assert.rejects(heal(world, { relation: ['t'], block: '3-1' }), { message: 'not a list of blocks: "3-1"' })
  await assert.rejects(heal(world, { file: ['base/5/t1_12'], block: '1' }), {
    message: 'not a file of a relation: "base/5/t1_12"',
  })
  await assert.rejects(heal(world, { relation: ['no_such'], block: '1' }), {
    message: 'there is no relation public.no_such in database postgres',
  })

  // A standby of the same cluster, in a folder of the same name, on this host.
  const facts = await world.warehouse.facts(signal)
  const standbysHost = {
    facts: () => Promise.resolve(facts),
    connect: () =>
      Promise.resolve({
        query: () => Promise.resolve([{ file: Buffer.from(`4242\n${server.dataDirectory}\n`) }]),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  }
  const context = { use: () => Promise.resolve({ get: () => standbysHost }) } as unknown as Context
  await assert.rejects(openPlace({ warehouse: 'retail', ...facts, dataDirectory: undefined }, context, signal), {
    message: `the data directory ${server.dataDirectory} cannot be healed from here: the server that runs on it here is another one`,
  })

  // Not asked for, and not answered: nothing is written.
  const place = { file, block: 4, blocks: 100 }
  const truth = await readPage(world, file, 4)
  await damage(world, place, { kind: 'flip', old: undefined, random: seededRandom(seed) })
  const bad = await readPage(world, file, 4)
  const dry = await heal(world, { relation: ['t'], block: '4', dryRun: true })
  assert.deepEqual(
    dry.blocks.map((one) => [one.outcome, one.damage]),
    [['damaged', 'checksum']],
  )
  await assert.rejects(heal(world, { relation: ['t'], block: '4' }, { confirm: false }), { code: 'base.not-confirmed' })
  assert.deepEqual(await readPage(world, file, 4), bad)

  // The newest backup holds the bad page; it and the search through the fork name the same block. With the server shut down.
  const second = await world.take('incremental')
  assert.deepEqual(
    second.manifest.corrupt.map((one) => one.block),
    [4],
  )
  await server.stop()
  await assert.rejects(heal(world, { dataDirectory: server.dataDirectory, relation: ['t'], fork: 'fsm' }), {
    message: 'the fsm fork of public.t is not healed: PostgreSQL makes it anew',
  })
  const stopped = await heal(world, { dataDirectory: server.dataDirectory, relation: ['t'], fromCheck: true })
  assert.equal(stopped.way, 'stopped')
  assert.deepEqual(stopped.notes, [`backup ${second.manifest.id}: it holds block 4 of public.t as bad`])
  assert.deepEqual(
    stopped.blocks.map((one) => [one.block, one.outcome, one.damage]),
    [[4, 'healed', 'checksum']],
  )
  assert.deepEqual(await readFile(stopped.blocks[0]!.kept!), bad)
  assert.ok(isSamePage(await readPage(world, file, 4), truth))
  const offline = { dataDirectory: server.dataDirectory, relation: ['t'], block: '4' }
  await assert.rejects(heal(world, { file: ['base/5/4242'], dataDirectory: server.dataDirectory }), {
    message: 'there is no file base/5/4242 in the data directory',
  })
  // Somebody starts it while the good pages are made.
  await damage(world, place, { kind: 'flip', old: undefined, random: seededRandom(seed) })
  const again = await readPage(world, file, 4)
  const started = async (): Promise<boolean> => {
    await server.start()
    return true
  }
  await assert.rejects(heal(world, offline, { confirm: started }), {
    message: `a server runs on ${server.dataDirectory}`,
  })
  assert.deepEqual(await readPage(world, file, 4), again)
  await assert.rejects(heal(world, offline), { message: `a server runs on ${server.dataDirectory}` })

  // A timeline that the repository knows nothing of: its WAL is that of another history.
  await server.stop()
  await writeFile(join(server.dataDirectory, 'recovery.signal'), '')
  await appendFile(join(server.dataDirectory, 'postgresql.auto.conf'), "restore_command = 'false'\n")
  await server.start()
  await assert.rejects(heal(world, { relation: ['t'], block: '4' }), {
    message: "the server's timeline 2 is not the one in the repository: the repository knows none of it",
  })
  assert.deepEqual(await readPage(world, file, 4), again)
})
