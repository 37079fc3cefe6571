// One seeded case: tables that change after a backup, some of their pages damaged on disk under the live server, then healed.
import assert from 'node:assert/strict'

import type { Random } from '../../src/base/random.ts'
import { contentsOf, complaintsOf } from '../backup/truth.ts'
import type { World } from '../backup/world.ts'
import {
  coldRestart,
  damage,
  damageKinds,
  fileOf,
  heal,
  isSamePage,
  readPage,
  toastOf,
  type DamageKind,
} from './world.ts'

export const schema = `
  create table t (id int primary key, body text);
  create index t_body on t (body);
  insert into t select n, md5(n::text) from generate_series(1, 20000) n;
  create table wide (id int primary key, body text);
  alter table wide alter body set storage external;
  insert into wide select n, repeat(md5(n::text), 200) from generate_series(1, 300) n`

/** Changes that reach many pages of all of them, new pages too. */
export function change(random: Random): string {
  const [k, part] = [random.integer(1_000_000), 3 + random.integer(20)]
  return `
    update t set body = md5(body || '${k}') where id % ${part} = 0;
    delete from t where id % 97 = ${random.integer(97)};
    insert into t select max(id) + n, md5(n::text || '${k}') from t, generate_series(1, 500) n group by n;
    update wide set body = repeat(md5(id::text || '${k}'), 200) where id % ${part} = 1;
    insert into wide select max(id) + n, repeat(md5(n::text || '${k}'), 150) from wide, generate_series(1, 20) n group by n`
}

interface Victim {
  readonly relation: string
  readonly name: string
  readonly file: string
  readonly blocks: number
  readonly block: number
  readonly kind: DamageKind
  readonly old: Buffer
}

/** One page of each kind of relation, each damaged in a way of its own. */
async function chooseVictims(world: World, random: Random): Promise<Victim[]> {
  const relations = ['t', 't_pkey', 't_body', await toastOf(world, 'wide'), 'wide']
  const shift = random.integer(damageKinds.length)
  const victims: Victim[] = []
  for (const [index, relation] of relations.entries()) {
    const found = await fileOf(world, relation)
    const block = random.integer(found.blocks)
    const kind = damageKinds[(index + shift) % damageKinds.length]!
    victims.push({ relation, ...found, block, kind, old: await readPage(world, found.file, block) })
  }
  return victims
}

export interface DamagedPage {
  readonly file: string
  readonly block: number
  /** As the server had written it. */
  readonly truth: Buffer
}

/** Throws where a page does not come back as the server had written it. Resolves to what was done, for the log. */
export async function healScene(
  world: World,
  random: Random,
  /** Something that happens to the damaged pages before they are healed. */
  before: (relations: readonly string[], victims: readonly DamagedPage[]) => Promise<void> = () => Promise.resolve(),
): Promise<string> {
  const { server } = world
  await server.psql(change(random))
  await server.psql('checkpoint')
  const victims = await chooseVictims(world, random)
  await server.psql(change(random))
  const contents = await contentsOf(server)
  await coldRestart(world)
  const truths = new Map<Victim, Buffer>()
  for (const one of victims) truths.set(one, await readPage(world, one.file, one.block))
  // A write can only have been lost where there was one.
  const damaged = victims.filter((one) => one.kind !== 'stale' || !isSamePage(one.old, truths.get(one)!))
  for (const one of damaged) await damage(world, one, { ...one, random })
  await world.archiveAll()

  const relation = damaged.map((one) => `${one.name}:${one.block}`)
  await before(
    relation,
    damaged.map(({ file, block }, at) => ({ file, block, truth: truths.get(damaged[at]!)! })),
  )
  const { blocks } = await heal(world, { relation })
  const done: string[] = []
  for (const one of damaged) {
    const what = `${one.kind} of block ${one.block} of ${one.relation}`
    const result = blocks.find((two) => two.relation === one.name && two.block === one.block)
    const found = await readPage(world, one.file, one.block)
    // Another page that happens to be the same: then nothing had to be done.
    assert.ok(
      isSamePage(found, truths.get(one)!),
      `${what}: not the page that the server had written: ${JSON.stringify(result)}`,
    )
    assert.ok(result && result.outcome !== 'refused', `${what}: ${result?.why}`)
    done.push(`${what}: ${result.outcome} (${result.damage ?? ''})`)
  }
  assert.deepEqual(await contentsOf(server), contents)
  assert.deepEqual(await complaintsOf(server), [])
  return done.join('; ')
}
