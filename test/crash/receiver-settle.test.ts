// A chunk that a killed receiver has named and not made durable: the next one makes it durable before it builds upon it.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { settleNewest } from '../../src/backup/receiver/settle.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { ObjectStore, Repository, WalChunk } from '../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../src/repository/open.ts'
import { cutPower, openStore } from '../support/forgetting-store.ts'
import { withoutDurability } from './power/mortal-store.ts'

const signal = new AbortController().signal
const unlock = { by: 'none' } as const
const systemIdentifier = 7_423_000_000_000_000_001n
const SEGMENT = 1 << 20

function chunkAt(number: number): WalChunk {
  return {
    systemIdentifier,
    timeline: 1,
    startLsn: BigInt(SEGMENT * (3 + number)),
    walSegmentBytes: SEGMENT,
    postgresVersion: 180_004,
    bytes: Buffer.alloc(SEGMENT, number),
    changeMap: undefined,
    commits: [],
    problem: undefined,
  }
}

/** A store that does what is asked, but never makes it durable: as if its process had died in between. */
function hasty(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      const call = (value as (...args: unknown[]) => unknown).bind(target)
      return (...args: unknown[]) => call(...args.map(withoutDurability))
    },
  })
}

for (const settled of [true, false]) {
  void test(`after a power cut it is ${settled ? 'there' : 'gone, where nobody did so'}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'wharf-settle-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const at = { path: join(folder, 'repository'), journal: join(folder, 'journal') }
    for (const one of Object.values(at)) await mkdir(one)
    const open = async (wrap: (store: ObjectStore) => ObjectStore): Promise<Repository> =>
      await openRepository({
        name: 'r',
        store: wrap(await openStore(at)),
        unlock,
        clock: systemClock,
        holder: 'test',
        signal,
      })
    await initRepository({ store: await openStore(at), unlock, signal })
    const plain = await open((store) => store)
    await plain.wal.put(chunkAt(0), signal)
    const killed = await open(hasty)
    await killed.wal.put(chunkAt(1), signal)
    const next = await open((store) => store)
    if (settled) await settleNewest(next, { systemIdentifier, signal })
    await next.wal.put(chunkAt(2), signal)
    const lost = await cutPower(at)
    assert.equal(lost.length, settled ? 0 : 1)
    const after = await open((store) => store)
    assert.equal((await after.wal.ranges(systemIdentifier, signal)).length, settled ? 1 : 2)
  })
}

void test('an empty repository and a damaged chunk are no trouble', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wharf-settle-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const at = { path: join(folder, 'repository'), journal: join(folder, 'journal') }
  for (const one of Object.values(at)) await mkdir(one)
  const store = await openStore(at)
  await initRepository({ store, unlock, signal })
  const repository = await openRepository({ name: 'r', store, unlock, clock: systemClock, holder: 'test', signal })
  await settleNewest(repository, { systemIdentifier, signal })
  const { object } = await repository.wal.put(chunkAt(0), signal)
  const bytes = await store.get(object, { signal })
  await store.remove(object, { signal })
  await store.put(object, [bytes.subarray(0, bytes.length - 100)], { signal, durable: true })
  await settleNewest(repository, { systemIdentifier, signal })
})
