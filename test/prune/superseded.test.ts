// What goes because a newer object holds its extents: only if that holds all that is named when it goes, not when it was written.
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { copyBackup } from '../../src/repository/copy.ts'
import type { Manifest } from '../../src/repository/contract.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import { GRACE, HOUR, PruneWorld, signal } from './world.ts'

/** The first two of five are gone and the packs are trimmed; the tombstone of what that replaces is there, and not mature. */
async function trimmedWorld(world: PruneWorld, before: (all: readonly Manifest[]) => Promise<void>) {
  const all = await world.chain(await world.repository(), 5)
  await before(all)
  const repository = await world.repository()
  await world.mark(repository, all.slice(0, 2))
  world.clock.nowMs += GRACE + HOUR
  await world.sweep(repository)
  const { packs } = await world.trim(repository)
  assert.ok(packs > 0)
  const superseded = (await world.names('trimmed/')).map((name) => name.replace('trimmed/', 'packs/').slice(0, -7))
  const there = new Set(await world.names('packs/'))
  for (const name of superseded) assert.ok(there.has(name), name)
  return { all, superseded }
}

async function drop(world: PruneWorld): Promise<void> {
  world.clock.nowMs += GRACE + HOUR
  await world.sweep(await world.repository())
}

async function assertAllGood(world: PruneWorld): Promise<void> {
  const { findings } = await checkRepository({ store: await world.store(), unlock: world.unlock, depth: 'all', signal })
  assert.deepEqual(findings, [])
}

test('a pack that a manifest needs more of since it was trimmed stays, and is trimmed anew with all of that', async () => {
  await using world = await PruneWorld.open()
  const aside = await mkdtemp(join(tmpdir(), 'wharf-aside-'))
  try {
    const { all, superseded } = await trimmedWorld(world, () => cp(world.path, aside, { recursive: true }))
    // Somebody puts back the first one, past everything that revives: only the last look can see what it needs of the packs.
    await cp(aside, world.path, {
      recursive: true,
      force: false,
      filter: (path) => !path.includes(all[1]!.id) && !/\/(?:leases|readers|\.tmp)(?:\/|$)/.test(path),
    })
    await drop(world)
    const kept = [all[0]!, ...all.slice(2)]
    await world.assertKept(kept, 'before it is trimmed anew')
    const there = new Set(await world.names('packs/'))
    assert.ok(
      superseded.every((name) => there.has(name)),
      'what only the first one needs of them is in the whole ones alone',
    )
    for (let round = 0; round < 2; round++) {
      await world.trim(await world.repository())
      await drop(world)
    }
    await world.assertKept(kept, 'after')
    await assertAllGood(world)
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
})

for (const late of [false, true])
  test(`a copy of what was trimmed away keeps the whole pack or brings it back (when the old one may go already: ${late})`, async () => {
    await using world = await PruneWorld.open()
    await using other = await PruneWorld.open({ seed: 2 })
    const { all } = await trimmedWorld(world, async (some) => {
      await world.putWal(await world.repository(), 16)
      await copy(world, other, some[0]!.id)
    })
    if (late) {
      world.clock.nowMs += GRACE + HOUR
      // Too late to revive, and nobody has deleted yet.
      await assert.rejects(copy(other, world, all[0]!.id), (error) =>
        isWharfError(error, 'repository.too-late-to-revive'),
      )
      await world.sweep(await world.repository())
    }
    await copy(other, world, all[0]!.id)
    const kept = [all[0]!, ...all.slice(2)]
    for (let round = 0; round < 2; round++) {
      await drop(world)
      await world.assertKept(kept, `round ${round}`)
      await world.trim(await world.repository())
    }
    await drop(world)
    await world.assertKept(kept, 'after')
    await assertAllGood(world)
  })

async function copy(from: PruneWorld, to: PruneWorld, id: string): Promise<void> {
  await copyBackup({ from: await from.repository(), to: await to.repository(), id, wal: 'needed', signal })
}
