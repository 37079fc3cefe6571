import assert from 'node:assert/strict'
import { test } from 'node:test'

import { between } from '../../../test/support/between-store.ts'
import { FaultyStore } from '../../../test/support/faulty-store.ts'
import { emptyManifest } from '../../../test/support/sample-manifest.ts'
import { reopen, scratchRepository } from '../../../test/support/scratch-repository.ts'
import { TurnedClock } from '../../../test/support/turned-clock.ts'
import { systemClock, type Clock } from '../../base/clock.ts'
import { isWharfError } from '../../base/errors.ts'
import type { Manifest, ObjectStore } from '../contract.ts'
import { asStored } from '../copy.ts'
import { storeErrors as errors } from '../store-errors.ts'
import { encodeObject } from '../object/encode.ts'

const signal = new AbortController().signal

/** A store whose clock runs ahead by as much as a test says, for probes and for objects. */
function shifted(store: ObjectStore, shift: { ms: number }): ObjectStore {
  return {
    location: store.location,
    descriptor: store.descriptor,
    abilities: store.abilities,
    versions: (prefix, options) => store.versions(prefix, options),
    retain: (name, options) => store.retain(name, options),
    put: (name, chunks, options) => store.put(name, chunks, options),
    create: (name, options) => store.create(name, options),
    get: (name, options) => store.get(name, options),
    list: async function* (prefix, options) {
      for await (const one of store.list(prefix, options)) yield { ...one, modifiedMs: one.modifiedMs + shift.ms }
    },
    remove: (name, options) => store.remove(name, options),
    barrier: (options) => store.barrier(options),
    now: async (options) => (await store.now(options)) + shift.ms,
    stat: async (name, options) => {
      const info = await store.stat(name, options)
      return info && { ...info, modifiedMs: info.modifiedMs + shift.ms }
    },
  }
}

/** Never wakes the renewal: as if the process hung. */
const hanging: Clock = {
  ...systemClock,
  sleep: (_, stop) =>
    new Promise((_resolve, reject) =>
      stop?.addEventListener('abort', () => reject(stop.reason as Error), { once: true }),
    ),
}

test('a second backup of a warehouse is told who holds the lease', async (t) => {
  const { repository, path } = await scratchRepository(t, { holder: 'root@dw1, process 4711' })
  const first = await repository.beginBackup({ warehouse: 'dw', signal })
  const other = await reopen(path)
  await assert.rejects(other.beginBackup({ warehouse: 'dw', signal }), (error) => {
    assert.ok(isWharfError(error, 'repository.busy'))
    assert.match(
      error.message,
      /^another backup of warehouse "dw" is running: \d{8}T\d{6}Z-[0-9a-f]{8} by root@dw1, process 4711 since \S+Z$/,
    )
    assert.match(error.hint!, /^wait for it; if its process is dead its lease runs out at \S+Z unless renewed$/)
    return error.passing && error.exit === 'busy' && error.message.includes(first.id)
  })
  assert.deepEqual(
    (await other.listUnfinished(signal)).map((one) => one.id),
    [first.id],
  )
  await first.abandon()
  await (await other.beginBackup({ warehouse: 'dw', signal })).abandon()
})

test('of many that begin at once exactly one gets the lease', async (t) => {
  const { path } = await scratchRepository(t)
  for (let round = 0; round < 5; round++) {
    const all = await Promise.all(Array.from({ length: 6 }, () => reopen(path)))
    const results = await Promise.allSettled(all.map((one) => one.beginBackup({ warehouse: 'dw', signal })))
    const won = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    assert.equal(won.length, 1, JSON.stringify(results))
    for (const one of results)
      if (one.status === 'rejected') assert.ok(isWharfError(one.reason, 'repository.busy'), String(one.reason))
    await won[0]!.abandon()
  }
})

test('a dead holder keeps the lease until its time is over by the clock of the store', async (t) => {
  const shift = { ms: 0 }
  const { repository } = await scratchRepository(t, { clock: hanging, wrap: (store) => shifted(store, shift) })
  const dead = await repository.beginBackup({ warehouse: 'dw', signal })
  shift.ms = 59_000
  await assert.rejects(repository.beginBackup({ warehouse: 'dw', signal }), (error) =>
    isWharfError(error, 'repository.busy'),
  )
  shift.ms = 61_000
  const next = await repository.beginBackup({ warehouse: 'dw', signal })
  await assert.rejects(dead.commit(manifestOf(dead.id), signal), (error) => {
    assert.ok(isWharfError(error, 'repository.lease-lost'))
    return error.message.startsWith(`backup ${dead.id} of warehouse "dw" lost its lease: it ended at `)
  })
  await next.commit(manifestOf(next.id), signal)
  assert.deepEqual(
    (await repository.listBackups(signal)).map((one) => one.id),
    [next.id],
  )
})

test('who hung through another backup cannot commit, even where its clock says that there is time left', async (t) => {
  const shift = { ms: 0 }
  const { repository } = await scratchRepository(t, { clock: hanging, wrap: (store) => shifted(store, shift) })
  const dead = await repository.beginBackup({ warehouse: 'dw', signal })
  shift.ms = 61_000
  const next = await repository.beginBackup({ warehouse: 'dw', signal })
  await next.abandon()
  shift.ms = 0
  await assert.rejects(
    dead.commit(manifestOf(dead.id), signal),
    (error) => isWharfError(error, 'repository.lease-lost') && error.message.endsWith('another backup took it over'),
  )
  assert.deepEqual(await repository.listBackups(signal), [])
})

test('a manifest that came after the end of its lease is no backup, unless it was confirmed in time', async (t) => {
  const shift = { ms: 0 }
  const { repository } = await scratchRepository(t, { clock: hanging, wrap: (store) => shifted(store, shift) })
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  await backup.commit(manifestOf(backup.id), signal)
  // As in a copy that lost its times: all objects look newer than the lease.
  shift.ms = 10 * 60_000
  assert.deepEqual(
    (await repository.listBackups(signal)).map((one) => one.id),
    [backup.id],
  )
  await repository.readManifest(backup.id, signal)
  await repository.store.remove(`confirmed/dw/${backup.id}`, { signal })
  const told: string[] = []
  assert.deepEqual(await repository.listBackups(signal), [])
  assert.deepEqual(await repository.listBackups(signal, { onDamaged: (_, error) => told.push(error.message) }), [])
  assert.match(
    told[0]!,
    new RegExp(`^manifests/dw/${backup.id} was written at \\S+, after its lease ended at \\S+: it is no backup$`),
  )
  await assert.rejects(repository.readManifest(backup.id, signal), (error) =>
    isWharfError(error, 'repository.late-manifest'),
  )
})

test('the lease is renewed by new objects, old ones go, and it stays held for as long as the backup runs', async (t) => {
  const leaseMs = 3000
  const { repository } = await scratchRepository(t, { leaseMs })
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  const names: string[] = []
  // Renewed every third of its length.
  for (let left = 100; left > 0 && !(names.at(-1)! > 'leases/dw/00000001-00000003'); left--) {
    await systemClock.sleep(leaseMs / 10)
    names.length = 0
    for await (const { name } of repository.store.list('leases/', { signal })) names.push(name)
  }
  assert.ok(
    names.length <= 4 && names[0] === 'leases/dw/00000001-00000000' && names.at(-1)! > 'leases/dw/00000001-00000003',
    names.join(' '),
  )
  await assert.rejects(repository.beginBackup({ warehouse: 'dw', signal }), (error) =>
    isWharfError(error, 'repository.busy'),
  )
  await backup.commit(manifestOf(backup.id), signal)
  assert.deepEqual(await repository.listUnfinished(signal), [])
})

/** The answer to each put whose name `loses` chooses gets lost: it is stored, and the caller hears of a failure. */
function losing(store: ObjectStore, loses: (name: string) => boolean): ObjectStore {
  return Object.assign(Object.create(store) as ObjectStore, {
    put: async (...args: Parameters<ObjectStore['put']>) => {
      await store.put(...args)
      if (loses(args[0])) throw errors.unreachable({ location: store.location, reason: 'connection reset' })
    },
  })
}

test('a renewal whose answer was lost is found again, and the lease goes on', async (t) => {
  const shift = { ms: 0 }
  const clocks = [new TurnedClock(), new TurnedClock()]
  const wrap = (store: ObjectStore) => losing(shifted(store, shift), (name) => /\/(00000001-)?00000002$/.test(name))
  const { repository, path } = await scratchRepository(t, { clock: clocks[0]!, wrap })
  const reader = await reopen(path, { clock: clocks[1]!, wrap })
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  const reading = await reader.beginReading({ purpose: 'test', signal })
  for (let turn = 0; turn < 6; turn++) {
    shift.ms += 20_000
    for (const clock of clocks) await clock.turn()
  }
  assert.equal(reading.lost.aborted, false)
  await reading.end()
  await backup.commit(manifestOf(backup.id), signal)
  assert.equal((await repository.listBackups(signal)).length, 1)
})

test('a renewal that somebody else put ends the lease', async (t) => {
  const name = 'leases/dw/00000001-00000001'
  const clock = new TurnedClock()
  let looked = false
  const watch = (call: string, object: string) => void (looked ||= call === 'get' && object === name)
  const { repository, path } = await scratchRepository(t, { clock, wrap: (store) => new FaultyStore(store, watch) })
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  const other = asStored(await reopen(path))
  const now = Date.now()
  const stranger = { backup: 'x', warehouse: 'dw', holder: 'y', startedMs: now, untilMs: now + 60_000, state: 'held' }
  const section = { type: 'lease', label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify(stranger)) } as const
  await other.store.put(name, encodeObject(other.ring, { name, kind: 'lease' }, [section]), { signal })
  // It does not sleep again.
  void clock.turn()
  while (!looked) await systemClock.sleep(5)
  await assert.rejects(
    backup.commit(manifestOf(backup.id), signal),
    (error) => isWharfError(error, 'repository.lease-lost') && error.message.endsWith('somebody else renewed it'),
  )
})

test('a reading that took long is ended with as few calls as a short one', async (t) => {
  const shift = { ms: 0 }
  const clock = new TurnedClock()
  const removed: string[] = []
  const { repository } = await scratchRepository(t, {
    clock,
    wrap: (store) =>
      between(shifted(store, shift), 'bucket', { removed: (name) => Promise.resolve(void removed.push(name)) }),
  })
  const reading = await repository.beginReading({ purpose: 'test', signal })
  for (let turn = 0; turn < 30; turn++) {
    shift.ms += 20_000
    await clock.turn()
  }
  removed.length = 0
  await reading.end()
  assert.equal(removed.length, 4, removed.join(' '))
  for await (const { name } of repository.store.list('readers/', { signal })) assert.fail(name)
})

test('a commit that fails tells why, also where its manifest cannot be removed', async (t) => {
  const ofManifests = (store: ObjectStore) =>
    new FaultyStore(store, (call, name) => {
      if (!name.startsWith('manifests/')) return undefined
      if (call === 'get') return { kind: 'flip', at: 200 }
      const denied = errors.denied({ location: store.location, what: `remove ${name}` })
      return call === 'remove' ? { kind: 'error', error: denied } : undefined
    })
  const { repository } = await scratchRepository(t, { wrap: ofManifests })
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  await assert.rejects(backup.commit(manifestOf(backup.id), signal), (error) =>
    isWharfError(error, 'repository.damaged-manifest'),
  )
  await backup.abandon()
})

test('a name that cannot be that of a warehouse is refused', async (t) => {
  const { repository } = await scratchRepository(t)
  await assert.rejects(repository.beginBackup({ warehouse: '../x', signal }), (error) => {
    assert.ok(isWharfError(error, 'repository.bad-warehouse-name'))
    return (
      error.message === '"../x" cannot be the name of a warehouse in a repository' &&
      error.hint === 'letters, digits, _ and - are allowed'
    )
  })
})

function manifestOf(id: string): Manifest {
  return emptyManifest(id, 'dw')
}
