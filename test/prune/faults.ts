// Expiry under faults: killed at any call of the store, several at work at once, a clock of the store that steps by days. Kept backups are
// whole all the time, by the original bytes; and in the end there is exactly what they name.
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'

import { isWharfError } from '../../src/base/errors.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import type { Manifest, ObjectStore, Repository } from '../../src/repository/contract.ts'
import { reviveBackup } from '../../src/repository/prune.ts'
import { FaultyStore, type FaultPlan } from '../support/faulty-store.ts'
import { DAY, GRACE, HOUR, PruneWorld, signal } from './world.ts'

class Killed extends Error {}

/** A process that dies: from then on no call reaches its store. */
class Mortal {
  calls = 0
  private deadline = Infinity

  readonly wrap = (store: ObjectStore): ObjectStore => new FaultyStore(store, this.plan)
  private readonly plan: FaultPlan = () =>
    this.calls++ >= this.deadline ? { kind: 'error', error: new Killed('killed') } : undefined

  dieAfter(calls: number): void {
    this.deadline = this.calls + calls
  }

  get isDead(): boolean {
    return this.calls > this.deadline
  }

  /** Undefined where it died before the end. Errors of the living are errors. */
  async live<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!this.isDead) throw error
      return undefined
    }
  }
}

export interface KillBase extends AsyncDisposable {
  readonly world: PruneWorld
  /** The first two are to go; the fourth shares with what is to go by name. */
  readonly all: readonly Manifest[]
  readonly wal: readonly string[]
}

/** Four backups with WAL, and what a killed one left. */
export async function killBase(seed: number): Promise<KillBase> {
  const world = await PruneWorld.open({ seed })
  const repository = await world.repository()
  const killed = await repository.beginBackup({ warehouse: 'dw', signal })
  const writer = await killed.openPackWriter()
  await writer.append({ file: 'base/5/1', blocks: Uint32Array.of(0), plain: Buffer.alloc(8192, 1) })
  await writer.finish()
  await killed.abandon()
  world.clock.nowMs += 2 * GRACE
  const all = await world.chain(repository, 4)
  const wal = [await world.putWal(repository, 5), await world.putWal(repository, 200)]
  return { world, all, wal: wal.slice(0, 1), [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

/** What is killed: the first phase, the second, compaction, the deletion of what it replaced, a backup that shares what has expired, somebody who brings a backup back. */
export const stages = ['mark', 'sweep', 'trim', 'drop', 'backup', 'revive'] as const
export type Stage = (typeof stages)[number]

/** The world before the stage, and what the stage does. */
async function prepare(base: KillBase, stage: Stage, seed: number) {
  const world = await base.world.fork(seed)
  const { all, wal } = base
  const gone = all.slice(0, 2)
  if (stage !== 'mark') await world.mark(await world.repository(), gone, wal)
  if (stage === 'sweep' || stage === 'trim' || stage === 'drop') world.clock.nowMs += GRACE + HOUR
  if (stage === 'trim' || stage === 'drop') await world.sweep(await world.repository())
  if (stage === 'drop') {
    await world.trim(await world.repository())
    world.clock.nowMs += GRACE + HOUR
  }
  const acts: Record<Stage, (mine: Repository) => Promise<unknown>> = {
    mark: (mine: Repository) => world.mark(mine, gone, wal),
    sweep: (mine: Repository) => world.sweep(mine),
    trim: (mine: Repository) => world.trim(mine),
    drop: (mine: Repository) => world.sweep(mine),
    backup: (mine: Repository) => world.take(mine, all[0]),
    revive: (mine: Repository) => reviveBackup(mine, all[0]!.id, { by: 'me', reason: 'audit', signal }),
  }
  return { world, act: acts[stage] }
}

/** Calls of the store that a stage makes when nobody kills it. */
export async function callsOf(base: KillBase, stage: Stage): Promise<number> {
  const { world, act } = await prepare(base, stage, 1)
  await using _ = world
  const mortal = new Mortal()
  const repository = await world.repository(mortal.wrap)
  const before = mortal.calls
  await act(repository)
  return mortal.calls - before
}

/** One life that ends at call `at` of its stage. False: it ended in peace. */
export async function killedAt(base: KillBase, stage: Stage, at: number): Promise<boolean> {
  const { world, act } = await prepare(base, stage, at + 1)
  await using _ = world
  const { all, wal } = base
  const kept = all.slice(2)
  const mortal = new Mortal()
  const repository = await world.repository(mortal.wrap)
  mortal.dieAfter(at)
  const done = await mortal.live(() => act(repository))
  if (done && (stage === 'backup' || stage === 'revive')) kept.push(done as Manifest)
  const what = `${stage} killed at call ${at}`
  await assertThere(world, kept, what)
  world.clock.nowMs += HOUR
  await settle(world, { kept, wal, what })
  return mortal.isDead
}

/** These are listed (others may be) and whole. */
async function assertThere(world: PruneWorld, kept: readonly Pick<Manifest, 'id'>[], what: string): Promise<void> {
  const repository = await world.repository()
  const listed = new Set((await repository.listBackups(signal)).map((one) => one.id))
  for (const { id } of kept) {
    assert.ok(listed.has(id), `${what}: ${id} is not listed`)
    await world.assertWhole(repository, id)
  }
  await repository.close()
}

/**
 * Time passes, expiry runs a few times more and is not killed. Then the backups that are listed are those of `kept` (and one that was killed after its
 * manifest), and nothing else is left of any other.
 */
async function settle(
  world: PruneWorld,
  of: { readonly kept: readonly Manifest[]; readonly wal: readonly string[]; readonly what: string },
): Promise<void> {
  const kept = new Set(of.kept.map((one) => one.id))
  for (let round = 0; round < 4; round++) {
    const repository = await world.repository()
    const listed = await repository.listBackups(signal)
    // Complete, though nobody was told: it has all that it shares as well.
    const born = listed.filter((one) => !world.taken.has(one.id))
    for (const { id } of born) kept.add(id)
    await world.mark(repository, listed.filter((one) => !kept.has(one.id)) as unknown as Manifest[], of.wal)
    await world.sweep(repository)
    await world.trim(repository)
    await repository.close()
    world.clock.nowMs += GRACE + HOUR
  }
  await world.assertKept(
    [...kept].map((id) => ({ id })),
    of.what,
  )
  await assertNothingElse(world, of.what)
  for (const name of of.wal)
    assert.deepEqual(await world.names(name), [], `${of.what}: WAL that nothing needs is still there`)
}

/** Exactly the packs and maps that listed manifests name are there, and nothing that has to do with deleting. */
async function assertNothingElse(world: PruneWorld, what: string): Promise<void> {
  const repository = await world.repository()
  const named = new Set<string>()
  for (const { id } of await repository.listBackups(signal)) {
    const { packs, files } = await repository.readManifest(id, signal)
    for (const pack of packs) named.add(`packs/${pack.slice(0, 2)}/${pack}`)
    for (const file of files) if (file.kind === 'segment') named.add(file.map.object)
  }
  const trimmed = (await world.names('trimmed/')).map((name) => name.replace('trimmed/', 'packs/').slice(0, -7))
  const packs = await world.names('packs/')
  // Each pack as it was, or trimmed, and once.
  const there = [...packs, ...trimmed, ...(await world.names('maps/'))]
  assert.deepEqual(there.toSorted(), [...named].toSorted(), what)
  for (const prefix of ['tombstones/', 'revived/', 'readers/'])
    assert.deepEqual(await world.names(prefix), [], `${what}: ${prefix}`)
  await repository.close()
}

/** Lets others go first as often as chance wants, sometimes dies, and sometimes the clock steps right before a call. */
function wayward(store: ObjectStore, of: { world: PruneWorld; random: Random; dies: boolean }): ObjectStore {
  const { world, random } = of
  const deadline = of.dies ? random.integer(120) : Infinity
  let calls = 0
  const before = async (): Promise<void> => {
    for (let turns = random.integer(4); turns > 0; turns--) await turn()
    if (calls++ >= deadline) throw new Killed('killed')
    if (random.integer(400) === 0) world.clock.nowMs += steps[random.integer(steps.length)]!
  }
  return new Proxy(store, {
    get: (target, key: keyof ObjectStore) => {
      const value: unknown = target[key]
      if (typeof value !== 'function') return value
      const call = value.bind(target) as (...args: unknown[]) => unknown
      if (key === 'list' || key === 'versions') {
        return async function* (...args: unknown[]) {
          await before()
          yield* call(...args) as AsyncIterable<unknown>
        }
      }
      return async (...args: unknown[]) => {
        await before()
        return await call(...args)
      }
    },
  })
}

const steps = [DAY, -DAY, 2 * DAY, -2 * DAY, HOUR, -HOUR, GRACE, 10 * DAY, -10 * DAY]

/** Refusals that say that somebody else was first, or that it is too late. */
const FAIR = new Set(
  [
    'busy',
    'lease-lost',
    'shared-expired',
    'too-late-to-revive',
    'object-missing',
    'unknown-backup',
    'backup-expiring',
  ].map((code) => `repository.${code}`),
)

/**
 * Some rounds in which two pruners, a backup and somebody who brings expired backups back are at work at once, die, and see the clock step. What was
 * never let go, or was brought back, is whole after each round; in the end only what is kept is left.
 */
export async function together(seed: number, rounds = 5): Promise<void> {
  await using world = await PruneWorld.open({ seed })
  const random = seededRandom(seed)
  await world.chain(await world.repository(), 2)
  const letGo = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const actors = [pruner, pruner, taker, reviver].filter(() => random.integer(4) > 0)
    const lives = actors.map(async (actor) => {
      const dies = random.integer(4) === 0
      const life = seededRandom(random.integer(2 ** 31))
      try {
        const repository = await world.repository((store) => wayward(store, { world, random: life, dies }))
        try {
          await actor({ world, repository, random: life, letGo })
        } finally {
          // Its lease is not renewed any more when it has ended, whichever way.
          await repository.close()
        }
      } catch (error) {
        if (!(isWharfError(error) && FAIR.has(error.code)) && !causedByKill(error)) throw error
      }
    })
    for (const one of await Promise.allSettled(lives)) if (one.status === 'rejected') throw one.reason
    const kept = [...world.taken.keys()].filter((id) => !letGo.has(id)).map((id) => ({ id }))
    await assertThere(world, kept, `seed ${seed}, round ${round}`)
    world.clock.nowMs += steps[random.integer(steps.length)]!
  }
  await conclude(world, seed)
}

const causedByKill = (error: unknown): boolean =>
  error instanceof Error && (error instanceof Killed || causedByKill(error.cause))

interface Act {
  readonly world: PruneWorld
  readonly repository: Repository
  readonly random: Random
  /** Backups that somebody asked to let go, or may have. */
  readonly letGo: Set<string>
}

async function pruner({ world, repository, random, letGo }: Act): Promise<void> {
  const listed = await repository.listBackups(signal)
  const held = new Set((await repository.holds.list(signal)).map((one) => one.backup))
  const gone = listed.slice(0, -1).filter((one) => !held.has(one.id) && random.integer(2) === 0)
  for (const { id } of gone) letGo.add(id)
  await world.mark(repository, gone as unknown as Manifest[])
  await world.sweep(repository)
  await world.trim(repository)
}

async function taker({ world, repository, random }: Act): Promise<void> {
  const listed = await repository.listBackups(signal)
  const parent = listed[random.integer(listed.length)]
  const manifest = parent && (await repository.readManifest(parent.id, signal))
  await world.take(repository, random.integer(4) === 0 ? undefined : manifest)
}

async function reviver({ repository, random, letGo }: Act): Promise<void> {
  const expiring = await repository.listExpiring(signal)
  const chosen = expiring[random.integer(expiring.length)]
  if (!chosen) return
  const { id, warehouse } = chosen.summary
  const hold = await repository.holds.place({ backup: id, warehouse, reason: 'audit', by: 'me', wal: 'own' }, signal)
  try {
    await reviveBackup(repository, id, { by: 'me', reason: 'audit', signal })
  } catch (error) {
    await repository.holds.release(hold.id, signal)
    throw error
  }
  letGo.delete(id)
}

/** A last backup, by a clock that is right again; everything that nobody holds goes. */
async function conclude(world: PruneWorld, seed: number): Promise<void> {
  const what = `seed ${seed}, at the end`
  world.clock.nowMs = Math.max(world.clock.nowMs, ...world.clock.times.values()) + 2 * GRACE
  const last = await world.take(await world.repository())
  const repository = await world.repository()
  const listed = await repository.listBackups(signal)
  const held = new Set<string>()
  for (const { id, backup } of await repository.holds.list(signal)) {
    if (listed.some((one) => one.id === backup)) held.add(backup)
    // Whoever placed it died before the backup was brought back, and then it was too late.
    else await repository.holds.release(id, signal)
  }
  const kept = listed.filter((one) => held.has(one.id) || one.id === last.id)
  await settle(world, { kept: kept as unknown as Manifest[], wal: [], what })
}
