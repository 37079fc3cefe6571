// Copies between repositories, and healing from one another: whatever happens to one of two, check names it and healing brings it all back.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { seededRandom } from '../../src/base/random.ts'
import { check, objectsOf } from './flip.ts'
import { copyWorld, healRound } from './two.ts'
import { buildWorld, openWorld, readAll, type World } from './world.ts'

const signal = new AbortController().signal
const count = Number(process.env['ACCEPT_COUNT'] ?? 3)
const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))

async function build(t: TestContext, how: { from: boolean; to: boolean }): Promise<[World, World]> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-heal-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  const world = await buildWorld(join(path, 'one'), { encrypted: how.from, seed: 1 })
  const unlock = how.to
    ? ({ by: 'passphrase', passphrase: 'other', scryptCost: 1024 } as const)
    : ({ by: 'none' } as const)
  return [world, await copyWorld(world, join(path, 'two'), unlock)]
}

for (const how of [
  { from: true, to: true },
  { from: true, to: false },
  { from: false, to: true },
]) {
  const name = `${how.from ? 'encrypted' : 'plain'} → ${how.to ? 'encrypted' : 'plain'}`

  test(`${name}: a copy is complete, sound and reads back alone`, async (t) => {
    const [world, copy] = await build(t, how)
    for (const depth of ['structure', 'all'] as const) {
      const { findings, backups, walChunks } = await check(copy, depth)
      assert.deepEqual(findings, [])
      assert.deepEqual([backups, walChunks], [3, 4])
    }
    await rm(world.path, { recursive: true })
    assert.deepEqual(await readAll(copy), [])
    const repository = await openWorld(copy)
    assert.deepEqual(
      (await repository.listBackups(signal)).map((one) => one.id).toSorted(),
      [...world.backups.keys()].toSorted(),
    )
  })

  test(`${name}: ${count} rounds of damage in one of two are found and healed from the other (seed ${seed})`, async (t) => {
    const worlds = await build(t, how)
    const random = seededRandom(seed)
    for (let round = 0; round < count; round++) {
      const [one, other] = random.integer(2) === 0 ? worlds : (worlds.toReversed() as [World, World])
      const failure = await healRound(one, other, { random, damages: 1 + random.integer(3) })
      assert.equal(failure, undefined, `round ${round} of seed ${seed}`)
    }
    assert.ok((await objectsOf(worlds[0])).length > 0)
  })
}
