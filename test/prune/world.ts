// A repository with a chain of backups that share data, a prune key, and a clock that tests move.
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock, type Clock } from '../../src/base/clock.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import type { Manifest, ObjectStore, Repository } from '../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../src/repository/open.ts'
import {
  makePruneKey,
  markExpired,
  sweepExpired,
  trimPacks,
  type PruneKey,
  type PruneUnlock,
} from '../../src/repository/prune.ts'
import { openStore } from '../../src/repository/stores.ts'
import type { Unlock } from '../../src/repository/unlock.ts'
import { makeCluster, readFile, SYSTEM, takeBackup, type Cluster } from '../corruption/world.ts'
import { ClockedStore, type MovedClock } from '../support/clocked-store.ts'

export const signal = new AbortController().signal
export const HOUR = 3_600_000
export const DAY = 24 * HOUR
export const GRACE = 3 * DAY
const pruneUnlock: PruneUnlock = { by: 'passphrase', passphrase: 'prune', scryptCost: 1024 }
const SEGMENT = 1 << 20

interface Taken {
  readonly manifest: Manifest
  /** File → bytes at the source. */
  readonly truth: ReadonlyMap<string, Buffer>
}

export class PruneWorld implements AsyncDisposable {
  readonly path: string
  readonly unlock: Unlock
  readonly clock: MovedClock = { nowMs: Date.UTC(2026, 0, 1), times: new Map() }
  readonly taken = new Map<string, Taken>()
  /** What each backup was to hold that was begun: one that is killed after its manifest was put is complete all the same. */
  readonly begun: ReadonlyMap<string, Buffer>[] = []
  readonly random: Random
  readonly cluster: Cluster
  key!: PruneKey
  private readonly opened: Repository[] = []

  private constructor(path: string, unlock: Unlock, seed: number) {
    this.path = path
    this.unlock = unlock
    this.random = seededRandom(seed)
    this.cluster = makeCluster(this.random)
  }

  static async open(options: { encrypted?: boolean; seed?: number } = {}): Promise<PruneWorld> {
    const path = await mkdtemp(join(tmpdir(), 'wharf-prune-'))
    const unlock: Unlock =
      options.encrypted === false ? { by: 'none' } : { by: 'passphrase', passphrase: 'p', scryptCost: 1024 }
    const world = new PruneWorld(path, unlock, options.seed ?? 1)
    await initRepository({ store: await world.store(), unlock, signal })
    world.key = await makePruneKey(await world.repository(), pruneUnlock, signal)
    return world
  }

  /** The same repository once more, at the same time: what happens to one does not happen to the other. */
  async fork(seed: number): Promise<PruneWorld> {
    const path = await mkdtemp(join(tmpdir(), 'wharf-prune-'))
    await cp(this.path, path, { recursive: true })
    const world = new PruneWorld(path, this.unlock, seed)
    world.clock.nowMs = this.clock.nowMs
    for (const [name, at] of this.clock.times) world.clock.times.set(name, at)
    for (const [id, taken] of this.taken) world.taken.set(id, taken)
    for (const [file, bytes] of this.cluster.segments) world.cluster.segments.set(file, Buffer.from(bytes))
    for (const [file, bytes] of this.cluster.plain) world.cluster.plain.set(file, Buffer.from(bytes))
    world.key = this.key
    return world
  }

  async store(): Promise<ObjectStore> {
    return new ClockedStore(await openStore({ kind: 'file', path: this.path }), this.clock)
  }

  async repository(
    wrap: (store: ObjectStore) => ObjectStore = (store) => store,
    leaseMs = 60_000,
    clock: Clock = systemClock,
  ): Promise<Repository> {
    const repository = await openRepository({
      name: 'main',
      store: wrap(await this.store()),
      unlock: this.unlock,
      clock,
      holder: 'test',
      signal,
      packPlainBytes: 150_000,
      leaseMs,
    })
    this.opened.push(repository)
    return repository
  }

  /** A backup; one file has changed since the parent, and shares nothing with it. */
  async take(repository: Repository, parent?: Manifest): Promise<Manifest> {
    const changed = this.cluster.segments.get('base/5/16401')!
    this.random.bytes(2048).copy(changed, this.random.integer(33) * 8192)
    const from = parent && { ...parent, packs: await sharedPacks(repository, parent) }
    const truth = new Map(
      [...this.cluster.segments, ...this.cluster.plain].map(([file, bytes]) => [file, Buffer.from(bytes)]),
    )
    this.begun.push(truth)
    const manifest = await takeBackup(repository, this.cluster, { parent: from, random: this.random })
    this.taken.set(manifest.id, { manifest, truth })
    this.clock.nowMs += DAY
    return manifest
  }

  /** So many backups, a day apart, the first full and each on top of the one before. */
  async chain(repository: Repository, count: number): Promise<Manifest[]> {
    const all: Manifest[] = []
    for (let at = 0; at < count; at++) all.push(await this.take(repository, all.at(-1)))
    return all
  }

  async putWal(repository: Repository, segment: number): Promise<string> {
    const bytes = Buffer.alloc(SEGMENT, segment)
    const { object } = await repository.wal.put(
      {
        systemIdentifier: SYSTEM,
        timeline: 1,
        startLsn: BigInt(segment * SEGMENT),
        walSegmentBytes: SEGMENT,
        postgresVersion: 180_004,
        bytes,
        changeMap: undefined,
        commits: [],
        problem: undefined,
      },
      signal,
    )
    return object
  }

  async mark(repository: Repository, gone: readonly Manifest[], wal: readonly string[] = []) {
    const backups = gone.map(({ id, warehouse }) => ({ id, warehouse }))
    return await markExpired(repository, { backups, wal, reason: 'test', graceMs: GRACE }, { key: this.key, signal })
  }

  async trim(repository: Repository) {
    return await trimPacks(repository, { graceMs: GRACE }, { key: this.key, signal })
  }

  async sweep(repository: Repository, key = this.key) {
    return await sweepExpired(repository, { key, signal, held: async () => new Set<string>() })
  }

  /** These are listed, and only these; each reads back as the source was; and check finds nothing wrong. */
  async assertKept(expected: readonly Pick<Manifest, 'id'>[], what = ''): Promise<void> {
    const repository = await this.repository()
    const listed = (await repository.listBackups(signal)).map((one) => one.id)
    assert.deepEqual(listed.toSorted(), expected.map((one) => one.id).toSorted(), what)
    for (const { id } of expected) await this.assertWhole(repository, id)
    const { findings } = await checkRepository({
      store: await this.store(),
      unlock: this.unlock,
      depth: 'structure',
      signal,
    })
    assert.deepEqual(findings, [], what)
  }

  /** Reads back as the source was. */
  async assertWhole(repository: Repository, id: string): Promise<void> {
    const manifest = await repository.readManifest(id, signal)
    const taken = this.taken.get(id)
    let failure: unknown
    for (const truth of taken ? [taken.truth] : this.begun.toReversed()) {
      try {
        for (const file of manifest.files) await readFile(repository, file, truth.get(file.path)!)
        return
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  async names(prefix = ''): Promise<string[]> {
    const found: string[] = []
    for await (const { name } of (await this.store()).list(prefix, { signal })) found.push(name)
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.opened) await one.close()
    await rm(this.path, { recursive: true, force: true })
  }
}

/** What of a parent its child shares: all but the file that changes and the plain files. */
export async function sharedPacks(repository: Repository, parent: Manifest): Promise<string[]> {
  const refs = parent.files.flatMap((file) =>
    file.kind === 'segment' && file.path !== 'base/5/16401' ? [file.map] : [],
  )
  const maps = await repository.readMaps(refs, signal)
  return [...new Set(maps.flatMap((map) => map.extents.map((extent) => extent.pack)))]
}
