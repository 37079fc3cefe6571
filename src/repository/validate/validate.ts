// Whether a store does what a repository needs of it: tried with objects of our own under a throw-away prefix, which are removed again.
import { formatTime, type Clock } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { MIB, SECOND_MS } from '../../base/units.ts'
import type { ObjectStore, ObjectVersion } from '../contract.ts'

export interface ValidationCheck {
  /** Stable, for scripts: `conditional-put`. */
  readonly check: string
  readonly result: 'passed' | 'failed' | 'warning' | 'skipped'
  /** What was found, for people. */
  readonly what: string
}

export interface ValidateTools {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onCheck?: (done: number, total: number) => void
}

/** What a check says; throwing is failing. */
type Verdict = string | { readonly result: 'warning' | 'skipped'; readonly what: string }
type Check = (tools: ValidateTools) => Promise<Verdict>

class Failed extends Error {}

function demand(holds: boolean, why: string): asserts holds {
  if (!holds) throw new Failed(why)
}

/** Bigger than one part, so that it goes in parts. */
const LARGE_BYTES = 8 * MIB + 1
const LISTED = 25
const ROUNDS = 10
const RACERS = 8
const LOCKED_MS = 10 * SECOND_MS
/** Beyond it Amazon and others refuse signatures; leases stay right at any skew. */
const NOTABLE_SKEW_MS = 60 * SECOND_MS

const checks: Readonly<Record<string, Check>> = {
  reach: async ({ store, signal }) => {
    demand((await store.stat('leases/none', { signal })) === undefined, 'an object that was never made is there')
    return `${store.location} answers`
  },
  bucket: async ({ store, signal }) => {
    if (!store.requireFit) return { result: 'skipped', what: 'a folder has no settings of its own' }
    await store.requireFit({ signal })
    return 'new objects get no retention unasked, and taken names are refused'
  },
  clock: async ({ store, clock, signal }) => {
    const skewMs = (await store.now({ signal })) - clock.now()
    const what = `the clock of the store is ${(Math.abs(skewMs) / 1000).toFixed(1)} s ${skewMs < 0 ? 'behind' : 'ahead of'} ours`
    return Math.abs(skewMs) > NOTABLE_SKEW_MS
      ? { result: 'warning', what: `${what}: leases use the store's, people see both` }
      : what
  },
  times: async ({ store, signal }) => {
    const before = await store.now({ signal })
    await store.put('leases/time', [Buffer.from('x')], { signal })
    const info = await store.stat('leases/time', { signal })
    const after = await store.now({ signal })
    demand(info !== undefined, 'an object is not there right after it was put')
    demand(
      before <= info.modifiedMs && info.modifiedMs <= after,
      `an object put between ${formatTime(before)} and ${formatTime(after)} has the time ${formatTime(info.modifiedMs)}`,
    )
    return "objects carry the store's own time"
  },
  'read-back': async ({ store, signal }) => {
    const bytes = systemRandom.bytes(70_000)
    await store.put('leases/ranges', [bytes.subarray(0, 10), bytes.subarray(10)], { signal })
    await store.put('leases/empty', [], { signal })
    const get = (offset?: number, length?: number) =>
      store.get('leases/ranges', {
        signal,
        ...(offset === undefined ? {} : { offset }),
        ...(length === undefined ? {} : { length }),
      })
    demand((await get()).equals(bytes), 'an object came back with other bytes')
    demand((await get(5, 20)).equals(bytes.subarray(5, 25)), 'a range came back with other bytes')
    demand((await get(69_990, 100)).equals(bytes.subarray(69_990)), 'a range over the end came back with other bytes')
    demand((await get(70_000, 10)).length === 0, 'a range past the end is not empty')
    demand((await store.get('leases/empty', { signal })).length === 0, 'an empty object is not empty')
    return 'whole objects and ranges come back as they went in'
  },
  'conditional-put': async ({ store, signal }) => {
    await store.put('leases/taken', [Buffer.from('first')], { signal })
    const second = await outcome(store.put('leases/taken', [Buffer.from('second')], { signal }))
    demand(second === 'taken', 'a second put of one name was not refused: objects can be overwritten')
    demand((await store.get('leases/taken', { signal })).toString() === 'first', 'the first object was overwritten')
    return 'a taken name is refused and keeps its bytes'
  },
  race: async ({ store, signal }) => {
    const puts = Array.from({ length: RACERS }, (_, at) =>
      store.put('leases/race', [Buffer.from(`writer ${at}`)], { signal }),
    )
    const outcomes = await Promise.all(puts.map(outcome))
    const winners = outcomes.flatMap((one, at) => (one === 'stored' ? [at] : []))
    demand(winners.length === 1, `of ${RACERS} puts of one name at once ${winners.length} were confirmed`)
    demand(
      (await store.get('leases/race', { signal })).toString() === `writer ${winners[0]}`,
      'the object of another put than the confirmed one is there',
    )
    return `of ${RACERS} puts of one name at once one wins`
  },
  multipart: async ({ store, signal }) => {
    const bytes = systemRandom.bytes(LARGE_BYTES)
    await stream(store, 'leases/large', bytes, signal)
    demand((await store.get('leases/large', { signal })).equals(bytes), 'a large object came back with other bytes')
    const second = await outcome(stream(store, 'leases/large', Buffer.alloc(LARGE_BYTES), signal))
    demand(
      second === 'taken',
      'a large object was put over one of the same name: uploads in parts ignore If-None-Match',
    )
    return 'large objects go in parts, and a taken name is refused there too'
  },
  abandon: async ({ store, signal }) => {
    const writer = await store.create('leases/abandoned', { signal })
    await writer.write(Buffer.alloc(LARGE_BYTES))
    await writer.abandon()
    demand(
      (await store.stat('leases/abandoned', { signal })) === undefined,
      'an upload that was given up left an object',
    )
    return 'uploads that are given up leave nothing'
  },
  listing: async ({ store, signal }) => {
    const names = Array.from({ length: LISTED }, (_, at) => `leases/list/${String(at).padStart(3, '0')}`)
    await Promise.all(names.map((name) => store.put(name, [Buffer.from(name)], { signal })))
    demand(
      String(await namesOf(store, 'leases/list/', signal)) === String(names),
      'a list right after the puts lacks objects or is out of order',
    )
    await store.remove(names[3]!, { signal })
    const left = names.filter((_, at) => at !== 3)
    demand(
      String(await namesOf(store, 'leases/list/', signal)) === String(left),
      'a list right after a removal is not what is there',
    )
    return 'lists are complete and in order at once'
  },
  consistency: async ({ store, signal }) => {
    for (let round = 0; round < ROUNDS; round++) {
      const name = `leases/round/${round}`
      demand((await store.stat(name, { signal })) === undefined, 'an object is there before it was put')
      await store.put(name, [Buffer.from(name)], { signal })
      demand((await store.get(name, { signal })).toString() === name, 'an object cannot be read right after it was put')
      await store.remove(name, { signal })
      demand((await store.stat(name, { signal })) === undefined, 'an object is still there right after its removal')
    }
    return 'what was put, or removed, shows at once'
  },
  versions: async ({ store, signal }) => {
    if (!store.abilities.versions)
      return { result: 'warning', what: 'no older versions are kept: whoever may write can destroy backups for good' }
    await store.put('leases/versioned', [Buffer.from('x')], { signal })
    await store.remove('leases/versioned', { signal })
    const left = await versionsOf(store, 'leases/versioned', signal)
    demand(left.length === 0, `a removal left ${left.length} versions or delete markers behind`)
    return 'older versions are kept, and a removal by version leaves none'
  },
  'object-lock': async (tools) => {
    const { store, signal, clock } = tools
    if (!store.abilities.objectLock) return { result: 'skipped', what: 'lock is not set for this repository' }
    const untilMs = (await store.now({ signal })) + LOCKED_MS
    await store.put('locked', [Buffer.from('kept')], { signal, retainUntilMs: untilMs - LOCKED_MS / 2 })
    await store.retain('locked', { signal, untilMs })
    const removal = store.remove('locked', { signal }).then(
      () => 'removed',
      (error: unknown) => (isWharfError(error, 'repository.object-locked') ? 'refused' : Promise.reject(error)),
    )
    demand((await removal) === 'refused', 'a locked object was removed')
    demand((await store.get('locked', { signal })).toString() === 'kept', 'a locked object cannot be read')
    while ((await store.now({ signal })) <= untilMs + SECOND_MS) await clock.sleep(SECOND_MS, signal)
    await store.remove('locked', { signal })
    return 'locked objects cannot be removed before their time, and can be afterwards; locks can be lengthened'
  },
}

/** Runs every check; failures of one do not stop the others. Removes what it made, and says what it could not remove. */
export async function validateStore(tools: ValidateTools): Promise<ValidationCheck[]> {
  const done: ValidationCheck[] = []
  const names = Object.keys(checks)
  for (const [at, check] of names.entries()) {
    tools.onCheck?.(at, names.length)
    done.push(await runCheck(check, tools))
    // Nothing else can be learnt from a store that cannot be reached.
    if (check === 'reach' && done[0]!.result === 'failed') return done
  }
  done.push(await runCheck('clean-up', tools, cleanUp))
  return done
}

async function runCheck(check: string, tools: ValidateTools, run: Check = checks[check]!): Promise<ValidationCheck> {
  try {
    const verdict = await run(tools)
    return typeof verdict === 'string' ? { check, result: 'passed', what: verdict } : { check, ...verdict }
  } catch (error) {
    if (tools.signal.aborted) throw error
    return { check, result: 'failed', what: messageOf(error) }
  }
}

async function cleanUp({ store, signal }: ValidateTools): Promise<Verdict> {
  let left = 0
  for (const { name, version } of await versionsOf(store, '', signal)) {
    await store.remove(name, { signal, version }).catch((error: unknown) => {
      if (signal.aborted) throw error
      left++
    })
  }
  if (left === 0) return 'nothing is left of the checks'
  return { result: 'warning', what: `${left} small objects of the checks could not be removed` }
}

async function outcome(put: Promise<void>): Promise<'stored' | 'taken'> {
  try {
    await put
    return 'stored'
  } catch (error) {
    if (isWharfError(error, 'repository.object-exists')) return 'taken'
    throw error
  }
}

async function stream(store: ObjectStore, name: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
  const writer = await store.create(name, { signal })
  try {
    for (let at = 0; at < bytes.length; at += MIB) await writer.write(bytes.subarray(at, at + MIB))
    await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

async function namesOf(store: ObjectStore, prefix: string, signal: AbortSignal): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list(prefix, { signal })) names.push(name)
  return names
}

async function versionsOf(store: ObjectStore, prefix: string, signal: AbortSignal): Promise<ObjectVersion[]> {
  const found: ObjectVersion[] = []
  for await (const one of store.versions(prefix, { signal })) found.push(one)
  return found
}
