// kill −9 of `recover copies` at random moments: each database holds nothing of the copy or all of it, and the same command again completes.
import assert from 'node:assert/strict'

import { copyUnlogged } from '../../src/backup/unlogged/copy.ts'
import { seededRandom } from '../../src/base/random.ts'
import { openWorld, type World } from '../backup/world.ts'
import { complete, killWithin, timed, type Part } from './parts-kill.ts'
import type { KillRecoveries } from './recover-kill.ts'

const databases = ['postgres', 'shop'] as const
const never = new AbortController().signal

/** Of both unlogged tables of a database, and of one that is none of a copy's business. */
async function rowsOf(world: World, database: string): Promise<unknown> {
  return await world.server.psql(
    `select (select md5(string_agg(q::text, ',' order by id)) from quick q) as quick, (select md5(string_agg(w::text, ',' order by id)) from wide w) as wide,
            (select count(*)::int from logged) as logged`,
    database,
  )
}

export async function killCopies({ kills, seed, major, log }: KillRecoveries): Promise<void> {
  const random = seededRandom(seed)
  await using world = await openWorld({ major, settings: { autovacuum: 'off' } })
  const { server, warehouse, repository } = world
  await server.psql('create database shop')
  for (const database of databases)
    await server.psql(
      `create unlogged table quick (id int, body text); create unlogged table wide (id int primary key, body text); create table logged as select 1 as id;
       insert into quick select n, md5(n::text) from generate_series(1, 60000) n; insert into wide select n, repeat(md5(n::text), 40) from generate_series(1, 4000) n`,
      database,
    )
  await copyUnlogged({ warehouse, repository, patterns: ['public.*'], report: () => {}, signal: never })
  const truth = new Map<string, unknown>()
  for (const database of databases) truth.set(database, await rowsOf(world, database))
  const part: Part = { do: 'copies', wishes: { to: server.url, overwrite: false } }
  const empty = async (): Promise<void> => {
    for (const database of databases) await server.psql('truncate quick, wide', database)
  }
  await empty()
  const nothing = await rowsOf(world, 'shop')
  let span = await timed(() => complete(world, part))
  let killed = 0
  for (let turn = 0; turn < kills; turn++) {
    await empty()
    const ms = random.integer(span)
    if (await killWithin(world, part, ms)) killed++
    else span = Math.min(span, ms)
    const what = `killed after ${ms} ms`
    let done = 0
    for (const database of databases) {
      // It waits for what the killed one's session still holds.
      const found = await rowsOf(world, database)
      const isDone = JSON.stringify(found) === JSON.stringify(truth.get(database))
      if (isDone) done++
      else assert.deepEqual(found, nothing, `${database}, ${what}`)
    }
    await complete(world, part)
    for (const database of databases) assert.deepEqual(await rowsOf(world, database), truth.get(database), what)
    log(`copies, ${major}: killed after ${ms} of ${span} ms: ${done} of ${databases.length} databases were done`)
  }
  assert.ok(killed > 0 || kills < 3, 'at least one was killed')
}
