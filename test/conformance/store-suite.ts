// What every driver of ObjectStore must do. store.test.ts runs it over each of them.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'

import { AlignedPieces } from '../../src/base/aligned-memory.ts'
import { isWharfError } from '../../src/base/errors.ts'
import type { ObjectInfo, ObjectStore, ObjectWriter } from '../../src/repository/contract.ts'
import { retentionSuite, versionsSuite } from './versions-suite.ts'

const signal = new AbortController().signal
const at = { signal }

export async function namesOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list(prefix, at)) names.push(name)
  return names
}

/** What was written is the caller's memory again. */
async function writeFromOneBuffer(writer: ObjectWriter, parts: readonly Buffer[]): Promise<void> {
  const buffer = Buffer.alloc(Math.max(...parts.map((part) => part.length)))
  for (const part of parts) {
    part.copy(buffer)
    await writer.write(buffer.subarray(0, part.length))
    buffer.fill(0)
  }
}

async function listsBehind(store: ObjectStore, expected: readonly string[]): Promise<void> {
  for (const after of ['a.b', 'a/', 'wal/1/00000001', 'wal/1/00000001/x', 'wal/1/0000000105', 'zz'])
    for (const prefix of ['', 'wal/1']) {
      const behind: string[] = []
      for await (const { name } of store.list(prefix, { signal, after })) behind.push(name)
      const wanted = expected.filter((name) => name.startsWith(prefix) && name > after)
      assert.deepEqual(behind, wanted, `${prefix} behind ${after}`)
    }
}

/** `open` gives an empty store each time; instances of one test share a place through `again`. */
export async function storeSuite(
  t: TestContext,
  open: () => Promise<{ store: ObjectStore; again: () => Promise<ObjectStore> }>,
): Promise<void> {
  await versionsSuite(t, open)
  await retentionSuite(t, open)
  await readerMemorySuite(t, open)
  await t.test('what was put is read back whole and in ranges, also by another instance', async () => {
    const { store, again } = await open()
    const parts = [randomBytes(10), Buffer.alloc(0), randomBytes(70_000), randomBytes(1)]
    const all = Buffer.concat(parts)
    await store.put('packs/ab/one', parts, at)
    for (const one of [store, await again()]) {
      assert.ok((await one.get('packs/ab/one', at)).equals(all))
      assert.ok((await one.get('packs/ab/one', { signal, offset: 5, length: 20 })).equals(all.subarray(5, 25)))
      assert.ok((await one.get('packs/ab/one', { signal, offset: 70_000 })).equals(all.subarray(70_000)))
      // At the end, past it, over it.
      for (const [beyond, left] of [
        [0, 0],
        [99, 0],
        [-3, 3],
      ] as const) {
        const read = await one.get('packs/ab/one', { signal, offset: all.length + beyond, length: 10 })
        assert.equal(read.length, left, `${beyond} bytes past the end`)
      }
      assert.equal((await one.stat('packs/ab/one', at))?.bytes, all.length)
    }
  })

  await t.test('an empty object is an object', async () => {
    const { store } = await open()
    await store.put('empty', [], at)
    assert.equal((await store.get('empty', at)).length, 0)
    assert.equal((await store.stat('empty', at))?.bytes, 0)
    assert.deepEqual(await namesOf(store, ''), ['empty'])
  })

  await t.test('what is not there: get rejects, stat is undefined, remove is no error', async () => {
    const { store } = await open()
    await assert.rejects(store.get('packs/no', at), (error) => isWharfError(error, 'repository.object-missing'))
    assert.equal(await store.stat('packs/no', at), undefined)
    assert.equal(await store.stat('packs', at), undefined, 'a folder is no object')
    await store.remove('packs/no', at)
    assert.deepEqual(await namesOf(store, 'packs/'), [])
  })

  await t.test('a taken name is refused and keeps its bytes', async () => {
    const { store, again } = await open()
    await store.put('a/b', [Buffer.from('first')], at)
    await assert.rejects(store.put('a/b', [Buffer.from('second')], at), (error) =>
      isWharfError(error, 'repository.object-exists'),
    )
    const writer = await (await again()).create('a/b', at)
    await writer.write(Buffer.from('third'))
    await assert.rejects(writer.finish(), (error) => isWharfError(error, 'repository.object-exists'))
    assert.equal((await store.get('a/b', at)).toString(), 'first')
  })

  await t.test('of many that put one name at once exactly one wins, and its bytes stay', async () => {
    const { store, again } = await open()
    const stores = [store, await again(), await again()]
    for (let round = 0; round < 10; round++) {
      const name = `leases/w/${round}`
      const puts = Array.from({ length: 9 }, (_, index) =>
        stores[index % 3]!.put(name, [Buffer.from(`writer ${index}`)], { signal, durable: index % 2 === 0 }),
      )
      const results = await Promise.allSettled(puts)
      const winners = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []))
      assert.equal(winners.length, 1)
      for (const result of results)
        if (result.status === 'rejected') assert.ok(isWharfError(result.reason, 'repository.object-exists'))
      assert.equal((await store.get(name, at)).toString(), `writer ${winners[0]}`)
    }
  })

  await t.test('a streamed object appears when it is finished, not before, and not at all when abandoned', async () => {
    const { store } = await open()
    const writer = await store.create('packs/cd/two', at)
    const parts = Array.from({ length: 20 }, () => randomBytes(30_000))
    await writeFromOneBuffer(writer, parts)
    assert.equal(await store.stat('packs/cd/two', at), undefined)
    assert.deepEqual(await namesOf(store, ''), [])
    await writer.finish()
    await writer.abandon()
    assert.ok(
      (await store.get('packs/cd/two', at)).equals(Buffer.concat(parts)),
      'abandon after finish changes nothing',
    )
    const other = await store.create('packs/cd/three', at)
    await other.write(parts[0]!)
    await other.abandon()
    await other.abandon()
    assert.deepEqual(await namesOf(store, ''), ['packs/cd/two'])
  })

  await t.test('lists are in byte order over folders, by any prefix', async () => {
    const { store } = await open()
    const names = [
      'a',
      'a-b',
      'a.b',
      'a/b',
      'a/b-c',
      'a0',
      'wal/1/00000001/x',
      'wal/1/00000001.history',
      'wal/12/y',
      'Z/z',
      '_q',
    ]
    for (const name of names.toReversed()) await store.put(name.replace(/^a$/, 'a_'), [Buffer.from(name)], at)
    const expected = names
      .map((name) => name.replace(/^a$/, 'a_'))
      .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    assert.deepEqual(await namesOf(store, ''), expected)
    for (const prefix of ['a', 'a/', 'a/b', 'wal/1', 'wal/1/', 'wal/1/00000001', 'nothing', 'nothing/at/all', 'Z/z']) {
      assert.deepEqual(
        await namesOf(store, prefix),
        expected.filter((name) => name.startsWith(prefix)),
        prefix,
      )
    }
    await listsBehind(store, expected)
  })

  await t.test('names outside of the grammar are refused', async () => {
    const { store } = await open()
    for (const name of ['', '/a', 'a/', 'a//b', '../a', 'a/../b', '.tmp/x', 'a/.b', 'a b', 'ä', 'a\0b']) {
      await assert.rejects(
        store.put(name, [], at),
        (error) => isWharfError(error, 'repository.bad-object-name'),
        JSON.stringify(name),
      )
      await assert.rejects(
        store.get(name, at),
        (error) => isWharfError(error, 'repository.bad-object-name'),
        JSON.stringify(name),
      )
    }
  })

  await t.test('removed objects are gone and their name is free', async () => {
    const { store } = await open()
    await store.put('x/y', [Buffer.from('1')], at)
    await store.remove('x/y', at)
    assert.equal(await store.stat('x/y', at), undefined)
    await store.put('x/y', [Buffer.from('2')], at)
    assert.equal((await store.get('x/y', at)).toString(), '2')
  })

  await t.test("times are by the store's clock and in order", async () => {
    const { store } = await open()
    const before = await store.now(at)
    await store.put('one', [Buffer.from('1')], at)
    const { modifiedMs } = (await store.stat('one', at)) as ObjectInfo
    const after = await store.now(at)
    assert.ok(before <= modifiedMs && modifiedMs <= after, `${before} ${modifiedMs} ${after}`)
    assert.deepEqual(await namesOf(store, ''), ['one'], 'the clock leaves nothing behind')
  })

  await t.test('a signal that is aborted stops every call before it does anything', async () => {
    const { store } = await open()
    const stopped = { signal: AbortSignal.abort(new Error('stop')) }
    const calls = [
      () => store.put('a', [], stopped),
      () => store.create('a', stopped),
      () => store.get('a', stopped),
      () => store.stat('a', stopped),
      () => store.remove('a', stopped),
      () => store.retain('a', { ...stopped, untilMs: 0 }),
      () => store.barrier(stopped),
      () => store.now(stopped),
      async () => {
        for await (const one of store.list('', stopped)) void one
      },
      async () => {
        for await (const one of store.versions('', stopped)) void one
      },
    ]
    for (const call of calls) await assert.rejects(call(), /stop/)
    assert.deepEqual(await namesOf(store, ''), [])
  })

  await t.test('a barrier may come at any time, also with nothing to do', async () => {
    const { store } = await open()
    await store.barrier(at)
    await Promise.all([store.put('p', [], at), store.barrier(at), store.put('q', [], at), store.barrier(at)])
    await store.barrier(at)
    assert.deepEqual(await namesOf(store, ''), ['p', 'q'])
  })

  await t.test('the descriptor opens the same place', async () => {
    const { store } = await open()
    await store.put('here', [Buffer.from('x')], at)
    const { openStore } = await import('../../src/repository/stores.ts')
    const other = await openStore(structuredClone(store.descriptor))
    assert.equal((await other.get('here', at)).toString(), 'x')
  })
}

async function readerMemorySuite(t: TestContext, open: () => Promise<{ store: ObjectStore }>): Promise<void> {
  await t.test('with memory of the reader every range is what it is without', async () => {
    const { store } = await open()
    const all = randomBytes(3 * 4096 + 1234)
    await store.put('packs/ab/one', [all], at)
    const memory = new AlignedPieces(1, 64 * 1024).takeNow()!
    for (const offset of [0, 1, 4095, 4096, 8000, all.length - 1, all.length, all.length + 5000])
      for (const length of [1, 17, 4096, 5000, 20_000]) {
        memory.fill(0xee)
        const read = await store.get('packs/ab/one', { signal, offset, length, memory })
        assert.deepEqual(Buffer.from(read), all.subarray(offset, offset + length), `${length} bytes from ${offset} on`)
      }
    await assert.rejects(store.get('packs/no', { signal, offset: 0, length: 1, memory }), (error) =>
      isWharfError(error, 'repository.object-missing'),
    )
  })
}
