// Expiry in a bucket under object lock in compliance mode: what is locked stays and is named with its date; when locks end all that expired goes,
// with what an attacker laid over it, and nothing of what is kept.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatTime } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { DAY_MS, HOUR_MS } from '../../src/base/units.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import type { Manifest, Repository } from '../../src/repository/contract.ts'
import {
  makePruneKey,
  markExpired,
  sweepExpired,
  trimPacks,
  type PruneKey,
  type Swept,
} from '../../src/repository/prune.ts'
import { openStore } from '../../src/repository/stores.ts'
import { makeCluster, takeBackup, type Cluster } from '../corruption/world.ts'
import { sharedPacks } from '../prune/world.ts'
import type { Bucket } from '../support/s3/bucket.ts'
import { S3Server } from '../support/s3/server.ts'
import { assertReads, copyOf, initIn, openIn, quick, unlock, walChunk } from './world.ts'

const signal = new AbortController().signal
const DAYS = 8
const pruneUnlock = { by: 'passphrase', passphrase: 'prune', scryptCost: 1024 } as const

/** The server's own view: name → its versions, markers too. */
class Held {
  private readonly bucket: Bucket
  private readonly prefix: string

  constructor(bucket: Bucket, prefix: string) {
    this.bucket = bucket
    this.prefix = prefix
  }

  of(name: string): Bucket['objects'] extends Map<string, infer Versions> ? Versions | undefined : never {
    return this.bucket.objects.get(`${this.prefix}${name}`)
  }

  names(pattern = /^(?:manifests|confirmed|maps|packs|wal)\//): string[] {
    return [...this.bucket.objects.keys()]
      .map((key) => key.slice(this.prefix.length))
      .filter((key) => pattern.test(key))
  }

  /** Every version of what holds data. */
  versions(): string[] {
    return this.names().flatMap((name) => this.of(name)!.map(({ id }) => `${name} ${id}`))
  }

  untilMs(name: string): number {
    return Math.max(...this.of(name)!.map((one) => one.retention?.untilMs ?? 0))
  }

  cover(name: string, isMarker: boolean, nowMs: number): void {
    const body = Buffer.from(isMarker ? '' : 'ransom')
    const version = { body, etag: '"x"', modifiedMs: nowMs, isMarker, headers: {}, retention: undefined }
    this.bucket.add(`${this.prefix}${name}`, version)
  }
}

const contentOf = (manifest: Manifest): string[] => [
  ...manifest.packs.map((id) => `packs/${id.slice(0, 2)}/${id}`),
  ...new Set(manifest.files.flatMap((file) => (file.kind === 'segment' ? [file.map.object] : []))),
]
const objectsOf = ({ id }: Manifest): string[] => [`manifests/dw/${id}`, `confirmed/dw/${id}`]
const sweep = (repository: Repository, key: PruneKey): Promise<Swept> =>
  sweepExpired(repository, { key, signal, held: async () => new Set<string>() })

test('nothing that is locked is deleted or reported as deleted, and all of it goes when its lock ends', async (t) => {
  const server = await S3Server.start({ pageSize: 7 })
  t.after(() => server[Symbol.asyncDispose]())
  const options = server.place({ lock: { mode: 'compliance', days: DAYS }, limits: quick })
  const held = new Held(server.buckets.get(options.bucket)!, options.prefix)
  await initIn(options)
  const repository = await openIn(options)
  t.after(() => repository.close())
  const key = await makePruneKey(repository, pruneUnlock, signal)
  const random = seededRandom(11)
  const cluster = makeCluster(random)
  const truth = new Map<string, Cluster>()
  const all: Manifest[] = []
  for (const days of [1, 3, 0]) {
    const last = all.at(-1)
    const parent = last && { ...last, packs: await sharedPacks(repository, last) }
    const manifest = await takeBackup(repository, cluster, { parent, random })
    truth.set(manifest.id, copyOf(cluster))
    random.bytes(8192).copy(cluster.segments.get('base/5/16401')!, random.integer(33) * 8192)
    all.push(manifest)
    server.skewMs += days * DAY_MS
  }
  const [first, second, kept] = all as [Manifest, Manifest, Manifest]
  const { object: wal } = await repository.wal.put(walChunk(1), signal)
  const keptContent = new Set(contentOf(kept))
  for (const name of keptContent)
    assert.ok(
      held.untilMs(name) >= server.now() + DAYS * DAY_MS - HOUR_MS,
      `${name} is locked as long as what needs it`,
    )
  const shared = contentOf(first).filter((name) => keptContent.has(name))
  assert.ok(shared.length > 0)
  for (const name of shared)
    assert.ok(held.untilMs(name) > held.untilMs(`manifests/dw/${first.id}`), `the lock of ${name} was lengthened`)
  const onlyOf = (one: Manifest) => contentOf(one).filter((name) => !keptContent.has(name))
  assert.ok(onlyOf(first).length > 0 && onlyOf(second).length > 0)

  const gone = [first, second].map(({ id, warehouse }) => ({ id, warehouse }))
  const request = { backups: gone, wal: [wal], reason: 'test', graceMs: HOUR_MS }
  const { objects } = await markExpired(repository, request, { key, signal })
  const expired = new Set([...[first, second].flatMap((one) => [...objectsOf(one), ...onlyOf(one)]), wal])
  assert.equal(objects, expired.size)
  const lockedMs = new Map([...expired].map((name) => [name, held.untilMs(name)]))
  const covered = [`manifests/dw/${first.id}`, onlyOf(first)[0]!, onlyOf(second)[0]!]
  for (const [index, name] of covered.entries()) held.cover(name, index !== 1, server.now())
  server.skewMs += 2 * HOUR_MS

  /** What is left is named, with the date that the server has, or with what it waits for. */
  const assertTold = (swept: Swept, expected: Iterable<string>): void => {
    assert.deepEqual(swept.left.map(({ object }) => object).toSorted(), [...expected].toSorted())
    for (const { object, why } of swept.left) {
      const waits = /^(manifests\/dw\/\S+) needs it and is not deleted yet$/.exec(why)
      if (waits) assert.ok(swept.left.some((one) => one.object === waits[1]))
      else
        assert.equal(
          why,
          `${object} in ${repository.store.location} is locked until ${formatTime(held.untilMs(object))} and cannot be removed`,
        )
    }
  }

  const before = held
    .names()
    .flatMap((name) => held.of(name)!.flatMap(({ id, retention }) => (retention ? [`${name} ${id}`] : [])))
  const swept = await sweep(repository, key)
  assert.deepEqual([swept.objects, swept.bytes, swept.backups], [0, 0, []])
  assertTold(swept, expired)
  const now = new Set(held.versions())
  assert.deepEqual(
    before.filter((one) => !now.has(one)),
    [],
  )
  assert.equal((await trimPacks(repository, { graceMs: HOUR_MS }, { key, signal })).packs, 0)

  /** Moves the clock past the lock of the object. What is left then is locked, or waits for a manifest that is; all else is gone, markers too. */
  const sweepAfter = async (name: string, backups: readonly Manifest[]): Promise<void> => {
    server.skewMs += lockedMs.get(name)! + HOUR_MS - server.now()
    const swept = await sweep(repository, key)
    assert.deepEqual(
      swept.backups,
      backups.map(({ id }) => id),
    )
    const there = [...expired].filter((one) => held.of(one) !== undefined)
    assertTold(swept, there)
    const isNeeded = (one: string) => held.of(objectsOf(second)[0]!) !== undefined && contentOf(second).includes(one)
    for (const one of there) assert.ok(lockedMs.get(one)! > server.now() || isNeeded(one), `${one} is left`)
  }
  // A manifest is locked shorter than what it names.
  await sweepAfter(objectsOf(first)[0]!, [first])
  assert.ok(onlyOf(first).every((name) => held.of(name)) && objectsOf(second).every((name) => held.of(name)))
  await sweepAfter(objectsOf(first)[1]!, [second])
  assert.ok(held.of(wal) && onlyOf(second).some((name) => held.of(name)))
  assert.ok(lockedMs.get(wal)! > held.untilMs(objectsOf(kept)[0]!), 'then nothing but the policy keeps it')
  await sweepAfter(wal, [])
  assert.deepEqual(
    held.names().toSorted(),
    [...objectsOf(kept), ...keptContent].toSorted(),
    'what is kept, and that alone',
  )
  assert.deepEqual(held.names(/^tombstones\//), [])
  const after = await openIn(options)
  t.after(() => after.close())
  await assertReads(after, new Map([[kept.id, truth.get(kept.id)!]]))
  const store = await openStore({ kind: 's3', options })
  assert.deepEqual((await checkRepository({ store, unlock, depth: 'all', signal })).findings, [])
})
