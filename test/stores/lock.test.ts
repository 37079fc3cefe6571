// A repository's life under object lock in compliance mode: everything works, nothing is ever overwritten, what an attacker lays over objects
// hides nothing and is found.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { isWharfError } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { DAY_MS, HOUR_MS } from '../../src/base/units.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import type { Manifest, Repository } from '../../src/repository/contract.ts'
import type { S3Options } from '../../src/repository/store/s3/options.ts'
import { openStore } from '../../src/repository/stores.ts'
import { makeCluster, SYSTEM, takeBackup, type Cluster } from '../corruption/world.ts'
import type { Bucket } from '../support/s3/bucket.ts'
import { S3Server } from '../support/s3/server.ts'
import { assertReads, copyOf, initIn, openIn, quick, unlock, walChunk, walName } from './world.ts'

const signal = new AbortController().signal
const at = { signal }
const DAYS = 8
const LIFE_DAYS = 12
const isUnlocked = (name: string) => /^(leases|tombstones|holds)\//.test(name)

async function start(t: TestContext): Promise<{ server: S3Server; options: S3Options; bucket: Bucket }> {
  const server = await S3Server.start({ pageSize: 7 })
  t.after(() => server[Symbol.asyncDispose]())
  const options = server.place({ lock: { mode: 'compliance', days: DAYS }, limits: quick })
  return { server, options, bucket: server.buckets.get(options.bucket)! }
}

async function check(options: S3Options) {
  const store = await openStore({ kind: 's3', options })
  return await checkRepository({ store, unlock, depth: 'all', signal })
}

async function open(t: TestContext, options: S3Options): Promise<Repository> {
  const repository = await openIn(options)
  t.after(() => repository.close())
  return repository
}

/** Everything that the manifest names is locked until the manifest may go, at least; as the server has it. */
function assertLocked(
  bucket: Bucket,
  options: S3Options,
  manifest: { id: string; packs: readonly string[]; maps: readonly string[] },
): void {
  const untilOf = (name: string) => bucket.objects.get(`${options.prefix}${name}`)![0]!.retention!.untilMs
  const manifestMs = untilOf(`manifests/dw/${manifest.id}`)
  const keys = [...bucket.objects.keys()]
    .map((key) => key.slice(options.prefix.length))
    .filter((name) => name === 'format' || name.startsWith('keys/'))
  const packs = manifest.packs.map((id) => `packs/${id.slice(0, 2)}/${id}`)
  for (const name of [...packs, ...manifest.maps, ...keys])
    assert.ok(untilOf(name) >= manifestMs, `${name} is locked as long as ${manifest.id}, which names it`)
}

test('a life of months under compliance: shared packs stay locked as long as who names them, and go when all is over', async (t) => {
  const { server, options, bucket } = await start(t)
  await initIn(options)
  const repository = await open(t, options)
  const random = seededRandom(5)
  const cluster = makeCluster(random)
  const truth = new Map<string, Cluster>()
  let parent: Manifest | undefined
  let questions = 0
  for (let day = 0; day < LIFE_DAYS; day++) {
    const asked = server.log.filter((one) => one.operation === 'PutObjectRetention').length
    const manifest = await takeBackup(repository, cluster, { parent, random })
    questions += Number(server.log.filter((one) => one.operation === 'PutObjectRetention').length > asked)
    truth.set(manifest.id, copyOf(cluster))
    const maps = manifest.files.flatMap((file) => (file.kind === 'segment' ? [file.map.object] : []))
    assertLocked(bucket, options, { id: manifest.id, packs: manifest.packs, maps })
    await repository.wal.put(walChunk(day + 1), signal)
    random.bytes(8192).copy(cluster.segments.get('base/5/16401')!, random.integer(33) * 8192)
    parent = manifest
    server.skewMs += DAY_MS
  }
  assert.ok(
    questions <= LIFE_DAYS / 2 && questions > 1,
    `locks were lengthened by ${questions} of ${LIFE_DAYS} backups: the slack is a quarter of ${DAYS} days`,
  )
  await assertReads(repository, truth)
  assert.deepEqual((await check(options)).findings, [])
  assert.deepEqual(bucket.overwritten, [], 'nothing was ever overwritten')
  for (const [key, versions] of bucket.objects)
    assert.equal(versions[0]!.retention !== undefined, !isUnlocked(key.slice(options.prefix.length)), key)

  const store = await openStore({ kind: 's3', options })
  const pack = `packs/${parent!.packs[0]!.slice(0, 2)}/${parent!.packs[0]!}`
  await assert.rejects(store.remove(pack, at), (error) => {
    assert.ok(isWharfError(error, 'repository.object-locked'))
    assert.match(error.message, /^packs\/\S+ in s3:\/\/\S+ is locked until 20\S+Z and cannot be removed$/)
    return error.hint === 'object lock does what it is for: the object can be removed when its retention is over'
  })
  server.skewMs += 2 * DAYS * DAY_MS
  await store.remove(pack, at)
  assert.equal(await store.stat(pack, at), undefined)
  assert.equal(bucket.objects.get(`${options.prefix}${pack}`), undefined, 'neither a version nor a marker is left')
})

test('a backup that takes longer than the slack keeps its own first packs locked as long as its manifest', async (t) => {
  const { server, options, bucket } = await start(t)
  await initIn(options)
  const repository = await openIn(options, { leaseMs: 20 * DAY_MS })
  t.after(() => repository.close())
  const cluster = makeCluster(seededRandom(6))
  const begin = repository.beginBackup.bind(repository)
  repository.beginBackup = async (of) => {
    const backup = await begin(of)
    const writeMaps = backup.writeMaps.bind(backup)
    backup.writeMaps = async (...given) => {
      server.skewMs += 3 * DAY_MS
      return await writeMaps(...given)
    }
    return backup
  }
  const manifest = await takeBackup(repository, cluster, { parent: undefined, random: seededRandom(7) })
  const maps = manifest.files.flatMap((file) => (file.kind === 'segment' ? [file.map.object] : []))
  assertLocked(bucket, options, { id: manifest.id, packs: manifest.packs, maps })
})

/** What an attacker who may write, but not break locks, can do to an object. */
const attacks: Readonly<Record<string, (bucket: Bucket, key: string, nowMs: number) => void>> = {
  'a delete marker': (bucket, key, nowMs) =>
    void bucket.add(key, {
      body: Buffer.alloc(0),
      etag: '',
      modifiedMs: nowMs,
      isMarker: true,
      headers: {},
      retention: undefined,
    }),
  garbage: (bucket, key, nowMs) => shadow(bucket, key, { body: Buffer.from('ransom'), nowMs }),
  'the original with its end cut off': (bucket, key, nowMs) => {
    const { body } = bucket.objects.get(key)![0]!
    shadow(bucket, key, { body: body.subarray(0, body.length - 40), nowMs })
  },
  'the original with a flipped bit in the middle, under a marker': (bucket, key, nowMs) => {
    const body = Buffer.from(bucket.objects.get(key)![0]!.body)
    body[Math.floor(body.length / 2)]! ^= 4
    shadow(bucket, key, { body, nowMs })
    attacks['a delete marker']!(bucket, key, nowMs)
  },
}

function shadow(bucket: Bucket, key: string, { body, nowMs }: { body: Buffer; nowMs: number }): void {
  bucket.add(key, { body, etag: '"x"', modifiedMs: nowMs, isMarker: false, headers: {}, retention: undefined })
}

for (const [what, attack] of Object.entries(attacks))
  test(`${what} over every object: all of it is read as before, and check names each`, async (t) => {
    const { server, options, bucket } = await start(t)
    await initIn(options)
    const before = await open(t, options)
    const random = seededRandom(8)
    const cluster = makeCluster(random)
    const truth = new Map<string, Cluster>()
    for (let round = 0; round < 2; round++)
      truth.set((await takeBackup(before, cluster, { parent: undefined, random })).id, copyOf(cluster))
    await before.wal.put(walChunk(1), signal)
    await before.wal.putHistory(SYSTEM, 2, '1\t0/3000000\tno recovery target specified\n', signal)
    const keys = [...bucket.objects.keys()].filter((key) => !isUnlocked(key.slice(options.prefix.length)))
    // Later by more than a second: the server tells times to the second.
    server.skewMs += HOUR_MS
    for (const key of keys) attack(bucket, key, server.now())
    const after = await open(t, options)
    await assertReads(after, truth)
    assert.ok((await after.wal.segment(SYSTEM, walName(1), signal))?.bytes.equals(walChunk(1).bytes))
    assert.equal(await after.wal.history(SYSTEM, 2, signal), '1\t0/3000000\tno recovery target specified\n')
    const { findings, backups } = await check(options)
    assert.equal(backups, 2)
    assert.deepEqual(
      findings.map((one) => one.object),
      keys.map((key) => key.slice(options.prefix.length)).sort(),
      'each object once, and nothing else is wrong with them',
    )
    const isMarked = what.includes('marker')
    for (const one of findings) {
      assert.equal(one.code, isMarked ? 'repository.delete-marked' : 'repository.shadowed')
      assert.match(
        one.message,
        isMarked
          ? /^a delete marker hides .*: somebody deleted it$/
          : /^1 newer version lies over .*: somebody put it there$/,
      )
    }
    truth.set((await takeBackup(after, cluster, { parent: undefined, random })).id, copyOf(cluster))
    await assertReads(after, truth)
  })

test('places that are not fit are refused before anything is made', async () => {
  await using server = await S3Server.start()
  await using old = await S3Server.start({ conditionalPuts: false })
  const usual = { mode: 'COMPLIANCE', days: 30 }
  const lock = { mode: 'compliance', days: 7 } as const
  const withDefault = server.place({ lock, defaultRetention: usual })
  const cases = [
    {
      options: withDefault,
      code: 'repository.default-retention',
      message: `the bucket of s3://${withDefault.bucket}/some/where locks every new object (default retention: COMPLIANCE, 30 days)`,
      hint: 'remove the default retention from the bucket and set lock of the repository instead: leases and tombstones must stay removable',
    },
    {
      options: { ...server.place({ versioning: true }), bucket: 'plain', lock },
      code: 'repository.no-object-lock',
      message: 'lock is set, but the bucket of s3://plain/some/where has no object lock',
      hint: 'switch object lock on for the bucket (most servers: when it is created), without a default retention; or leave lock out',
    },
    {
      options: { ...old.place(), bucket: 'old' },
      code: 'repository.overwrites',
      message: 'the server of s3://old/some/where puts new objects over old ones: it ignores If-None-Match',
      hint: 'nothing in a repository may ever be overwritten: use a server that knows conditional writes; wharf repository validate-store tells what else it lacks',
    },
  ]
  server.makeBucket('plain')
  old.makeBucket('old')
  for (const { options, code, message, hint } of cases) {
    await assert.rejects(initIn({ ...options, limits: quick }), (error) => {
      assert.ok(isWharfError(error, code), String(error))
      assert.equal(error.message, message)
      assert.equal(error.hint, hint)
      return true
    })
    const bucket = (server.buckets.get(options.bucket) ?? old.buckets.get(options.bucket))!
    assert.equal(bucket.objects.size, 0, 'nothing is left behind')
  }
})
