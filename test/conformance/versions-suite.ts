// What every driver of ObjectStore must do about versions and retention, also one that has neither.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import type { ObjectStore, ObjectVersion } from '../../src/repository/contract.ts'

const signal = new AbortController().signal
const at = { signal }

async function versionsOf(store: ObjectStore, prefix: string): Promise<ObjectVersion[]> {
  const found: ObjectVersion[] = []
  for await (const one of store.versions(prefix, at)) found.push(one)
  return found
}

export async function versionsSuite(t: TestContext, open: () => Promise<{ store: ObjectStore }>): Promise<void> {
  await t.test(
    'versions: each object is there with what it holds, and is read and removed by its version',
    async () => {
      const { store } = await open()
      const names = ['v/a', 'v/b', 'v/c']
      for (const name of names) await store.put(name, [Buffer.from(name)], at)
      await store.put('w', [], at)
      const found = await versionsOf(store, 'v/')
      assert.deepEqual(
        found.map(({ name, bytes, isLatest, isDeleteMarker }) => ({ name, bytes, isLatest, isDeleteMarker })),
        names.map((name) => ({ name, bytes: 3, isLatest: true, isDeleteMarker: false })),
      )
      for (const { name, version } of found) {
        assert.equal(version !== undefined, store.abilities.versions)
        assert.equal((await store.get(name, { signal, version })).toString(), name)
        assert.equal((await store.stat(name, { signal, version }))?.version, version)
      }
      for await (const one of store.list('v/', at))
        assert.equal(one.version, found.find(({ name }) => name === one.name)!.version)
      await store.remove('v/b', { signal, version: found[1]!.version })
      await store.remove('v/c', at)
      assert.deepEqual(
        (await versionsOf(store, 'v/')).map(({ name }) => name),
        ['v/a'],
        'a removal leaves no marker behind',
      )
    },
  )
}

/** Over stores with object lock as well: nothing here needs to be removed that is locked. */
export async function retentionSuite(t: TestContext, open: () => Promise<{ store: ObjectStore }>): Promise<void> {
  await t.test('retention is lengthened, or there is none and asking for it is no error', async () => {
    const { store } = await open()
    const untilMs = (await store.now(at)) + 3_600_000
    await store.put('leases/w/1', [Buffer.from('free')], at)
    await store.put('kept', [Buffer.from('kept')], { signal, retainUntilMs: untilMs })
    const writer = await store.create('streamed', { signal, retainUntilMs: untilMs })
    await writer.write(Buffer.from('kept'))
    await writer.finish()
    await store.put('later', [Buffer.from('kept')], { signal, retainUntilMs: untilMs - 3_500_000 })
    await store.retain('later', { signal, untilMs })
    await store.retain('later', { signal, untilMs: untilMs - 3_400_000 })
    for (const name of ['kept', 'streamed', 'later']) {
      if (store.abilities.objectLock) {
        await assert.rejects(store.remove(name, at), (error) => isWharfError(error, 'repository.object-locked'))
        assert.equal((await store.get(name, at)).toString(), 'kept')
      } else {
        await store.remove(name, at)
        assert.equal(await store.stat(name, at), undefined)
      }
    }
    await store.remove('leases/w/1', at)
    assert.equal(await store.stat('leases/w/1', at), undefined)
  })
}
