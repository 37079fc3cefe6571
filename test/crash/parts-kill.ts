// kill −9 of recoveries of tables, tablespaces, databases and blocks, and of drills, at random moments: the live server holds what it held or all of what was asked for, never something
// between, and the same command again completes and leaves nothing of either behind.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { seededRandom, type Random } from '../../src/base/random.ts'
import { readArchive } from '../../src/recovery/drills/archive.ts'
import { unendedDrills } from '../../src/recovery/drills/marks.ts'
import { runningServers } from '../../src/warehouse/servers.ts'
import { contentsOf } from '../backup/truth.ts'
import { makeFolder, openWorld, tableInSpace, type World } from '../backup/world.ts'
import { healScene, schema } from '../blocks/scene.ts'
import { isSamePage, readPage } from '../blocks/world.ts'
import { drill, homeOf } from '../drills/world.ts'
import { contentOf, leftOn, lsnOf, recoverTable } from '../tables/recovering.ts'
import { delay, output, saysWorking } from './loads-kill.ts'
import type { PartChild } from './part-child.ts'
import type { KillRecoveries } from './recover-kill.ts'

const script = fileURLToPath(new URL('part-child.ts', import.meta.url))

export type Part = Pick<PartChild, 'do' | 'wishes'>

function start(world: World, part: Part): ChildProcess {
  const { folder, server } = world
  const given: PartChild = { ...part, folder, url: server.url, major: server.major }
  return spawn(process.execPath, [script, JSON.stringify(given)], { stdio: ['ignore', 'pipe', 'pipe'] })
}

export async function complete(world: World, part: Part): Promise<void> {
  const child = start(world, part)
  let said = ''
  child.stderr!.on('data', (data) => (said += String(data)))
  assert.equal(await output(child), 'working\nsucceeded\n', said)
}

/** Whether it was killed: it may have been done before. */
export async function killWithin(world: World, part: Part, ms: number): Promise<boolean> {
  const child = start(world, part)
  const ended = once(child, 'exit')
  child.stderr!.resume()
  if (await saysWorking(child)) await delay(ms)
  child.kill('SIGKILL')
  return (await ended)[1] === 'SIGKILL'
}

/** The first of them is run undisturbed, and shows how long it takes. */
export async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return Math.ceil(performance.now() - began)
}

const modes = ['swap', 'merge', 'beside'] as const

export async function killTables({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random = seededRandom(seed)
  await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
  const { server } = world
  const space = await makeFolder(world, 'space')
  await server.psql(`create tablespace space location '${space}'`)
  const make = 'create table orders (id int primary key, body text) tablespace space'
  await server.psql(`${make}; insert into orders select n, md5(n::text) from generate_series(1, 20000) n`)
  await server.psql(
    'create table saved as select * from orders where id <= 12000; create view last as select max(id) from orders',
  )
  await world.take('full')
  const lsn = await lsnOf(world)
  const truth = await contentOf(world, 'orders')
  await world.archiveAll()
  const reset = async (): Promise<void> => {
    for (const name of await tablesLeft(world)) await server.psql(`drop table "${name}" cascade`)
    await server.psql(`drop table orders cascade; ${make}; insert into orders select * from saved`)
    await server.psql('create or replace view last as select max(id) from orders')
  }
  await reset()
  const live = await contentOf(world, 'orders')
  let killed = 0
  const spans = new Map<string, number>()
  for (let turn = 0; turn < kills; turn++) {
    const mode = modes[(seed + turn) % modes.length]!
    // The tablespace holds that table alone.
    const by = (seed + turn) % 2 === 0 ? 'table' : 'tablespace'
    const part: Part =
      by === 'table'
        ? { do: by, wishes: { tables: ['orders'], lsn, mode } }
        : { do: by, wishes: { tablespace: 'space', lsn, mode } }
    if (!spans.has(by)) {
      const beside = { ...part, wishes: { ...part.wishes, mode: 'beside' } }
      spans.set(by, await timed(() => complete(world, beside)))
      await reset()
    }
    let span = spans.get(by)!
    const ms = random.integer(span)
    if (await killWithin(world, part, ms)) killed++
    else span = Math.min(span, ms)
    // The first had cold caches.
    spans.set(by, span)
    const found = await contentOf(world, 'orders')
    const isDone = mode === 'beside' ? (await tablesLeft(world)).length > 0 : found === truth
    assert.ok(
      found === live || (isDone && mode !== 'beside'),
      `${mode}, killed after ${ms} ms: the table holds ${found}`,
    )
    if (!isDone) await complete(world, part)
    else await recoverTable(world, { tables: ['orders'], lsn, as: 'again' })
    const made = mode === 'beside' ? (await tablesLeft(world)).find((name) => name.includes('recovered'))! : 'orders'
    assert.equal(await contentOf(world, `"${made}"`), truth, `${mode}, killed after ${ms} ms`)
    assert.deepEqual(
      (await leftOn(world)).filter((name) => name.startsWith('wharf_')),
      [],
    )
    await nothingRuns(world)
    await reset()
    log(`${by}, ${mode}, ${major}: killed after ${ms} of ${span} ms: ${isDone ? 'was there' : 'completed'}`)
  }
  assert.ok(killed > 0 || kills < 3, 'at least one was killed')
}

async function tablesLeft(world: World): Promise<readonly string[]> {
  const rows = await world.server.psql<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and (relname like '%recovered%' or relname like '%\\_before\\_%' or relname = 'again') and relnamespace = 'public'::regnamespace",
  )
  return rows.map((one) => one.name)
}

/** Of the servers below the world's folder only the live one. */
async function nothingRuns({ folder, server }: World): Promise<void> {
  const running = (await runningServers()).filter((one) => one.startsWith(`${folder}/`) && one !== server.dataDirectory)
  assert.deepEqual(running, [])
}

export async function killDatabase({ kills, seed, log }: KillRecoveries): Promise<void> {
  const random = seededRandom(seed)
  // Of that version systems have pg_dump here.
  await using world = await openWorld({ major: 15, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql('create database shop')
  await server.psql(
    'create table orders (id int primary key, body text, day date); create index on orders (body); create sequence numbers',
    'shop',
  )
  await server.psql(
    "insert into orders select n, md5(n::text), date '2026-01-01' + n % 300 from generate_series(1, 20000) n; select setval('numbers', 77)",
    'shop',
  )
  await world.take('full')
  const lsn = await lsnOf(world)
  await world.archiveAll()
  const rowsOf = async (name: string): Promise<unknown> =>
    await server.psql(
      `select (select md5(string_agg(o::text, ',' order by id)) from orders o) as rows, (select last_value from numbers) as last, (select count(*)::int from pg_indexes where tablename = 'orders') as indexes`,
      name,
    )
  const truth = await rowsOf('shop')
  const databases = async (): Promise<readonly string[]> =>
    (await server.psql<{ name: string }>('select datname as name from pg_database where not datistemplate')).map(
      (one) => one.name,
    )
  const before = await databases()
  const part: Part = { do: 'database', wishes: { database: 'shop', as: 'again', lsn } }
  let span = await timed(() => complete(world, part))
  await server.psql('drop database again')
  let killed = 0
  for (let turn = 0; turn < kills; turn++) {
    const ms = random.integer(span)
    if (await killWithin(world, part, ms)) killed++
    else span = Math.min(span, ms)
    const isDone = (await databases()).includes('again')
    if (isDone) {
      assert.deepEqual(await rowsOf('again'), truth, `killed after ${ms} ms`)
      await server.psql('drop database again')
    }
    await complete(world, part)
    assert.deepEqual(await rowsOf('again'), truth, `killed after ${ms} ms`)
    assert.deepEqual(await rowsOf('shop'), truth)
    await server.psql('drop database again')
    assert.deepEqual(await databases(), before, `killed after ${ms} ms`)
    await nothingRuns(world)
    log(`database: killed after ${ms} of ${span} ms: ${isDone ? 'was there' : 'completed'}`)
  }
  assert.ok(killed > 0 || kills < 3, 'at least one was killed')
}

export async function killDrill({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random = seededRandom(seed)
  await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
  const { server } = world
  await tableInSpace(world, 9000)
  await world.take('full')
  await server.psql('update t set body = reverse(body)')
  await world.archiveAll()
  const contents = await contentsOf(server)
  const part: Part = { do: 'drill', wishes: { verify: 'checksums' } }
  let span = await timed(() => complete(world, part))
  let killed = 0
  for (let turn = 0; turn < kills; turn++) {
    const ms = random.integer(span)
    if (await killWithin(world, part, ms)) killed++
    else span = Math.min(span, ms)
    const unended = await unendedDrills(homeOf(world), hostname(), new Set())
    const { evidence } = await drill(world, { verify: 'checksums' })
    assert.equal(evidence.outcome, 'passed', `killed after ${ms} ms`)
    assert.deepEqual(await readdir(join(world.folder, 'sandboxes')), [], `killed after ${ms} ms`)
    assert.deepEqual(await readdir(join(homeOf(world), 'drills', 'running')), [])
    const { drills, problems } = await readArchive(homeOf(world))
    assert.deepEqual([...problems, ...drills.flatMap((one) => one.problems)], [])
    for (const { id } of unended)
      assert.ok(
        drills.some((one) => one.evidence?.id === id),
        `killed after ${ms} ms: no evidence of drill ${id}`,
      )
    await nothingRuns(world)
    log(
      `drill, ${major}: killed after ${ms} of ${span} ms: the next one passed and left nothing${unended.length > 0 ? ', and said that it was begun' : ''}`,
    )
  }
  assert.ok(killed > 0 || kills < 3, 'at least one was killed')
  assert.deepEqual(await contentsOf(server), contents)
}

export async function killBlocks({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random: Random = seededRandom(seed)
  await using world = await openWorld({ major, checksums: true, settings: { autovacuum: 'off' } })
  await world.server.psql(schema)
  await world.take('full')
  let span = 3000
  for (let turn = 0; turn < kills; turn++) {
    const ms = random.integer(span)
    let killed = false
    let began = 0
    await healScene(world, random, async (relation, victims) => {
      const damaged = await Promise.all(victims.map(({ file, block }) => readPage(world, file, block)))
      killed = await killWithin(world, { do: 'block', wishes: { relation } }, ms)
      for (const [at, { file, block, truth }] of victims.entries()) {
        const found = await readPage(world, file, block)
        assert.ok(found.equals(damaged[at]!) || isSamePage(found, truth), `${relation[at]}, killed after ${ms} ms`)
      }
      began = performance.now()
    })
    span = Math.ceil(performance.now() - began)
    await nothingRuns(world)
    log(`blocks, ${major}: killed after ${ms} of ${span} ms: ${killed ? 'completed' : 'had ended'}`)
  }
}
