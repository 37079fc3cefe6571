// A backup over a store that fails or loses power: it either says that it failed, or it is complete and reads back as it went in.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import type { ObjectStore, Repository } from '../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../src/repository/open.ts'
import { openStore } from '../../src/repository/stores.ts'
import type { Unlock } from '../../src/repository/unlock.ts'
import { makeCluster, readFile, SYSTEM, takeBackup, type Cluster } from '../corruption/world.ts'
import { FaultyStore, type Fault, type StoreCall } from '../support/faulty-store.ts'
import { cutPower, forgettingDescriptor } from '../support/forgetting-store.ts'

const signal = new AbortController().signal
const unlock: Unlock = { by: 'passphrase', passphrase: 'p', scryptCost: 1024 }
/** Short, so that the lease of a dead backup is soon over. */
const LEASE_MS = 200
const count = Number(process.env['ACCEPT_COUNT'] ?? 20)
const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-faults-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

const opened: Repository[] = []
after(async () => {
  // Leases of backups that failed would renew themselves for as long as the repository is open.
  for (const one of opened) await one.close()
})

async function open(store: ObjectStore, leaseMs = 60_000): Promise<Repository> {
  const repository = await openRepository({
    name: 'main',
    store,
    unlock,
    clock: systemClock,
    holder: 'test',
    signal,
    packPlainBytes: 150_000,
    leaseMs,
  })
  opened.push(repository)
  return repository
}

/** Every backup that is listed must read back as the cluster was. */
async function assertComplete(repository: Repository, cluster: Cluster, committed: readonly string[]): Promise<void> {
  const listed = (await repository.listBackups(signal)).map((one) => one.id)
  for (const id of committed) assert.ok(listed.includes(id), `backup ${id} was reported complete and is gone`)
  for (const id of listed) {
    const manifest = await repository.readManifest(id, signal)
    assert.equal(manifest.files.length, cluster.segments.size + cluster.plain.size)
    for (const file of manifest.files)
      await readFile(repository, file, (cluster.segments.get(file.path) ?? cluster.plain.get(file.path))!)
  }
}

function chunkOf(segment: number) {
  const size = 1 << 16
  const bytes = Buffer.alloc(size, segment)
  const startLsn = BigInt(segment * size)
  return {
    systemIdentifier: SYSTEM,
    timeline: 1,
    startLsn,
    walSegmentBytes: size,
    postgresVersion: 180_004,
    bytes,
    changeMap: undefined,
    commits: [],
    problem: undefined,
  }
}

const faults: ((random: Random) => Fault)[] = [
  () => ({ kind: 'error', error: Object.assign(new Error('i/o error'), { code: 'EIO' }) }),
  (random) => ({ kind: 'short', bytes: random.integer(5000) }),
  () => ({ kind: 'lost' }),
  (random) => ({ kind: 'flip', at: random.integer(100_000) }),
]

test(`one fault at any call: ${count} times (seed ${seed})`, async (t) => {
  const path = await folder(t)
  const plain = await openStore({ kind: 'file', path })
  await initRepository({ store: plain, unlock, signal })
  const random = seededRandom(seed)
  const cluster = makeCluster(random)
  const committed: string[] = []
  let failed = 0
  for (let round = 0; round < count; round++) {
    const calls: StoreCall[] = ['put', 'create', 'write', 'finish', 'get', 'stat', 'list', 'barrier', 'now']
    const call = calls[random.integer(calls.length)]!
    const at = random.integer(call === 'get' || call === 'write' ? 40 : 6)
    const fault = faults[random.integer(faults.length)]!(random)
    const store = new FaultyStore(plain, (one, _, index) => (one === call && index === at ? fault : undefined))
    const what = `round ${round}: ${fault.kind} at ${call} ${at}`
    let repository: Repository | undefined
    try {
      repository = await open(store, LEASE_MS)
      committed.push((await takeBackup(repository, cluster, { parent: undefined, random })).id)
    } catch {
      failed++
    }
    // A lease may have been left behind: it runs out.
    await repository?.close()
    await systemClock.sleep(LEASE_MS + 10)
    await assertComplete(await open(plain), cluster, committed).catch((error: unknown) => {
      throw new Error(what, { cause: error })
    })
  }
  assert.ok(count < 10 || (failed > 0 && committed.length > 0), `${failed} failed, ${committed.length} went well`)
})

test(`power cut at any call: ${count} times (seed ${seed})`, async (t) => {
  const place = { path: await folder(t), journal: await folder(t) }
  await initRepository({ store: await openStore(forgettingDescriptor(place)), unlock, signal })
  const random = seededRandom(seed + 1)
  const cluster = makeCluster(random)
  const committed: string[] = []
  const kept: number[] = []
  for (let round = 0; round < count; round++) {
    let left = random.integer(90)
    const inner = await openStore(forgettingDescriptor(place))
    let cutting: Promise<unknown> | undefined
    const store = new FaultyStore(inner, (call) => {
      if (call === 'get' || call === 'stat' || left-- !== 0) return undefined
      cutting = cutPower({ ...place, random, survives: random.integer(2) * 128 })
      cutting.catch(() => {})
      return { kind: 'delay', ms: 5 }
    })
    let repository: Repository | undefined
    try {
      repository = await open(store, LEASE_MS)
      await repository.wal.put(chunkOf(round + 1), signal)
      kept.push(round + 1)
      committed.push((await takeBackup(repository, cluster, { parent: undefined, random })).id)
    } catch (error) {
      // Whatever was under way has failed with the power. A machine that is busy elsewhere may also miss a renewal.
      if (!cutting && !isWharfError(error, 'repository.lease-lost')) throw error
      await cutting
    }
    await cutting
    await repository?.close()
    await systemClock.sleep(LEASE_MS + 10)
    const after = await open(await openStore(forgettingDescriptor(place)), LEASE_MS)
    await assertComplete(after, cluster, committed)
    for (const segment of kept) {
      const name = `0000000100000000${segment.toString(16).padStart(8, '0')}`.toUpperCase()
      const read = await after.wal.segment(SYSTEM, name, signal).catch((error: unknown) => {
        throw new Error(`WAL ${name} was durable`, { cause: error })
      })
      assert.ok(read?.bytes.equals(chunkOf(segment).bytes))
    }
  }
  // Nothing of this is about leases: a busy machine may miss a renewal of a short one.
  const last = await open(await openStore(forgettingDescriptor(place)), 60_000)
  await takeBackup(last, cluster, { parent: undefined, random })
  await last.close()
})
