// `wharf repository check` of a share: what it looked at is kept in the repository, so that after as many runs everything was read, and nothing is read
// twice before; what vanished is missed.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { checkRepository, type CheckResult } from '../../src/repository/check/check.ts'
import { openStore } from '../../src/repository/stores.ts'
import { objectsOf } from './flip.ts'
import { buildWorld, type World } from './world.ts'

const signal = new AbortController().signal

async function build(t: TestContext): Promise<World> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-share-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return buildWorld(path, { encrypted: true, seed: 7 })
}

async function check(world: World, share: number): Promise<CheckResult> {
  const store = await openStore({ kind: 'file', path: world.path })
  return checkRepository({ store, unlock: world.unlock, depth: 'share', share, remember: true, signal })
}

async function flip(world: World, name: string): Promise<void> {
  const path = join(world.path, name)
  const bytes = await readFile(path)
  bytes[bytes.length >> 1]! ^= 4
  await writeFile(path, bytes)
}

test('a flipped bit within an extent is found once its turn comes, with extent, file and backups', async (t) => {
  const world = await build(t)
  const first = await check(world, 0.01)
  assert.deepEqual(first.findings, [])
  assert.equal(first.remembered, true)
  const pack = (await objectsOf(world)).find((name) => name.startsWith('packs/'))!
  await flip(world, pack)
  let turns = 0
  let result: CheckResult
  do {
    result = await check(world, 0.2)
    turns++
  } while (result.findings.length === 0 && turns < 8)
  assert.ok(turns <= 6, `found in turn ${turns}`)
  const [finding] = result.findings
  assert.equal(finding!.object, pack)
  assert.equal(finding!.extents?.length, 1)
  assert.match(finding!.extents[0]!.file, /^(base\/5\/164\d\d|pg_xact\/0000|PG_VERSION)$/)
  assert.ok(finding!.backups!.length > 0)
  for (const id of finding!.backups!) assert.ok(world.manifests.get(id)!.packs.includes(pack.slice(-32)))
})

test('what is sound is not read again before everything was; what is new is looked at at once', async (t) => {
  const world = await build(t)
  await check(world, 1)
  const again = await check(world, 0.01)
  assert.equal(again.checkedObjects, 1)
  const records = (await objectsOf(world)).filter((name) => name.startsWith('checks/'))
  assert.equal(records.length, 2)
  await check(world, 1)
  await check(world, 1)
  assert.ok((await objectsOf(world)).filter((name) => name.startsWith('checks/')).length <= 2, 'spent records go')
})

test('a pack that vanished since is missed, although nothing new is there', async (t) => {
  const world = await build(t)
  await check(world, 1)
  const pack = [...world.manifests.values()].at(-1)!.packs[0]!
  await rm(join(world.path, 'packs', pack.slice(0, 2), pack))
  const { findings } = await check(world, 0.01)
  assert.ok(findings.some((one) => one.object.endsWith(pack) && one.code === 'repository.object-missing'))
})
