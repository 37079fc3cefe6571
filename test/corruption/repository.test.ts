// Acceptance item 5: whatever happens to a byte or an object of a repository, check names it and reading never gives wrong bytes.
import assert from 'node:assert/strict'
import { appendFile, copyFile, mkdtemp, open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { check, flipOne, objectsOf, tamper } from './flip.ts'
import { buildWorld, openWorld, readAll, WrongBytes, type World } from './world.ts'

const signal = new AbortController().signal
const count = Number(process.env['ACCEPT_COUNT'] ?? 15)
const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))

async function build(t: TestContext, encrypted: boolean, from = 1): Promise<World> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-corruption-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return buildWorld(path, { encrypted, seed: from })
}

/** Findings must name the object; reading must give an error or the original bytes, and never others. */
async function assertFound(
  world: World,
  object: string,
  options: { readingMustFail?: boolean; structure?: boolean } = {},
): Promise<void> {
  for (const depth of options.structure === false ? (['all'] as const) : (['structure', 'all'] as const)) {
    const { findings } = await check(world, depth)
    const named = findings.some((one) => one.object === object || one.message.includes(object))
    assert.ok(named, `${depth}: ${object} among ${JSON.stringify(findings)}`)
  }
  const errors = await readAll(world)
  if (options.readingMustFail !== false) assert.ok(errors.length > 0, 'reading it must fail')
}

for (const encrypted of [true, false]) {
  const kind = encrypted ? 'encrypted' : 'not encrypted'

  test(`${kind}: an untouched repository is sound and reads back as it went in`, async (t) => {
    const world = await build(t, encrypted)
    for (const depth of ['structure', 'all'] as const) {
      const { findings, backups, walChunks } = await check(world, depth)
      assert.deepEqual(findings, [])
      assert.equal(backups, 3)
      assert.equal(walChunks, 4)
    }
    assert.deepEqual(await readAll(world), [])
  })

  test(`${kind}: ${count} random flips (seed ${seed}) are each found and named`, async (t) => {
    const world = await build(t, encrypted)
    const random = seededRandom(seed)
    for (let round = 0; round < count; round++)
      assert.equal(await flipOne(world, random), undefined, `round ${round} of seed ${seed}`)
    assert.deepEqual((await check(world)).findings, [], 'all bytes were put back')
  })

  test(`${kind}: head and end of an object of each kind are under guard`, async (t) => {
    const world = await build(t, encrypted)
    const names = await objectsOf(world)
    for (const prefix of ['format', 'keys/', 'leases/', 'confirmed/', 'wal/', 'manifests/', 'maps/', 'packs/']) {
      const name = names.find((one) => one.startsWith(prefix))
      if (name === undefined) {
        assert.equal(prefix, 'keys/')
        continue
      }
      const path = join(world.path, name)
      const bytes = await readFile(path)
      for (let at = 0; at < 112; at += 23) {
        for (const offset of new Set([at % bytes.length, bytes.length - 1 - (at % bytes.length)])) {
          assert.equal(await tamper(world, { name, offset, mask: 1 << (at % 8), path, bytes }), undefined)
        }
      }
    }
  })

  test(`${kind}: objects cut short, grown, emptied, missing`, async (t) => {
    const world = await build(t, encrypted)
    const names = (await objectsOf(world)).filter((name) => !name.startsWith('keys/') && name !== 'format')
    for (const prefix of ['packs/', 'maps/', 'manifests/', 'wal/', 'confirmed/', 'leases/']) {
      const some = names.filter((name) => name.startsWith(prefix))
      const name = some[some.length >> 1]!
      const path = join(world.path, name)
      const bytes = await readFile(path)
      const isRead = ['packs/', 'maps/', 'manifests/', 'wal/'].includes(prefix)
      for (const length of [bytes.length - 1, bytes.length - 36, bytes.length >> 1, 111, 0]) {
        await truncate(path, length)
        await assertFound(world, name, { readingMustFail: isRead && length <= bytes.length >> 1 })
        await writeFile(path, bytes)
      }
      await appendFile(path, Buffer.from([0]))
      await assertFound(world, name, { readingMustFail: prefix === 'manifests/' || prefix === 'wal/' })
      await writeFile(path, Buffer.concat([bytes, bytes]))
      await assertFound(world, name, { readingMustFail: prefix === 'manifests/' || prefix === 'wal/' })
      await writeFile(path, bytes)
      if (prefix !== 'packs/' && prefix !== 'maps/') continue
      await rename(path, `${world.path}.aside`)
      await assertFound(world, name)
      await rename(`${world.path}.aside`, path)
    }
    assert.deepEqual((await check(world)).findings, [])
  })

  test(`${kind}: objects that changed places or names`, async (t) => {
    const world = await build(t, encrypted)
    const names = await objectsOf(world)
    for (const prefix of ['packs/', 'maps/', 'manifests/', 'wal/']) {
      const [one, other] = names.filter((name) => name.startsWith(prefix)) as [string, string]
      const [first, second] = [join(world.path, one), join(world.path, other)]
      const swap = async () => {
        await rename(first, `${first}-aside`)
        await rename(second, first)
        await rename(`${first}-aside`, second)
      }
      await swap()
      await assertFound(world, one)
      await assertFound(world, other)
      await swap()
      const extra =
        prefix === 'packs/' ? `${one.slice(0, -32)}${'0'.repeat(32)}` : prefix === 'wal/' ? `${one}-2` : `${one}0`
      await copyFile(first, join(world.path, extra))
      await assertFound(world, extra, { readingMustFail: false })
      await rm(join(world.path, extra))
    }
    assert.deepEqual((await check(world)).findings, [])
  })

  test(`${kind}: objects of another repository with the same key file do not pass`, async (t) => {
    const world = await build(t, encrypted)
    const stranger = await build(t, encrypted)
    const mine = (await objectsOf(world)).filter((name) => name.startsWith('wal/'))
    const theirs = new Set(await objectsOf(stranger))
    for (const name of mine) {
      assert.ok(theirs.has(name), 'WAL names are the same')
      const path = join(world.path, name)
      const bytes = await readFile(path)
      await copyFile(join(stranger.path, name), path)
      await assertFound(world, name)
      await writeFile(path, bytes)
    }
  })

  test(`${kind}: swapped extents do not pass`, async (t) => {
    const world = await build(t, encrypted)
    const repository = await openWorld(world)
    const manifest = world.manifests.get([...world.manifests.keys()][0]!)!
    const [map] = await repository.readMaps(
      [
        manifest.files.flatMap((file) =>
          file.kind === 'segment' && file.path === 'base/5/16401' ? [file.map] : [],
        )[0]!,
      ],
      signal,
    )
    const full = map!.extents.filter((one) => one.plainBytes === map!.extents[0]!.plainBytes)
    const pairs = full.flatMap((one, at) => full.slice(at + 1).map((other) => [one, other] as const))
    const [one, other] = pairs.find(([left, right]) => left.pack === right.pack) ?? pairs[0]!
    // Frames differ in length: each is written over the place of the other as far as it fits.
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const name = `packs/${to.pack.slice(0, 2)}/${to.pack}`
      const path = join(world.path, name)
      const source = await readFile(join(world.path, `packs/${from.pack.slice(0, 2)}/${from.pack}`))
      const bytes = await readFile(path)
      const handle = await open(path, 'r+')
      await handle.write(source, from.offset, Math.min(from.storedBytes, to.storedBytes), to.offset)
      await handle.close()
      await assertFound(world, name, { structure: false })
      const reader = (await openWorld(world)).openExtentReader()
      await assert.rejects(
        async () => {
          for await (const read of reader.read(to.pack, [{ ref: to, file: map!.file }], signal)) void read
        },
        (error) =>
          isWharfError(error, 'repository.damaged-extent') &&
          error.message.startsWith(
            `extent ${to.number} of pack ${to.pack}, which holds blocks of ${map!.file}, is damaged: `,
          ) &&
          error.place?.object === name,
      )
      await writeFile(path, bytes)
    }
    // A reference to the right extent for another file.
    const reader = repository.openExtentReader()
    await assert.rejects(
      async () => {
        for await (const read of reader.read(one.pack, [{ ref: one, file: 'base/5/1' }], signal)) void read
      },
      (error) => isWharfError(error, 'repository.damaged-extent') && error.message.endsWith('it holds base/5/16401'),
    )
    // A reference to the frame next door.
    await assert.rejects(
      async () => {
        for await (const read of reader.read(
          one.pack,
          [{ ref: { ...one, number: one.number + 1 }, file: map!.file }],
          signal,
        ))
          void read
      },
      (error) => isWharfError(error, 'repository.damaged-extent'),
    )
  })
}

test('the check of reading itself can fail: other originals are wrong bytes', async (t) => {
  const world = await build(t, true)
  world.wal.get('000000010000000000000010')![77]! ^= 1
  await assert.rejects(readAll(world), WrongBytes)
})
