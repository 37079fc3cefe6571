// One case: a server that misbehaves while backups and WAL are stored. What was confirmed is there and reads back; what failed is not listed.
import assert from 'node:assert/strict'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError, messageOf, type WharfError } from '../../src/base/errors.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import type { S3Options } from '../../src/repository/store/s3/options.ts'
import { makeCluster, SYSTEM, takeBackup, type Cluster } from '../corruption/world.ts'
import type { Operation } from '../support/s3/operations.ts'
import { S3Server, type S3Fault, type S3FaultPlan } from '../support/s3/server.ts'
import { assertReads, copyOf, initIn, openIn, walChunk, walName } from './world.ts'

const signal = new AbortController().signal
/** Short, so that what a dead backup leaves is soon over; the server tells times to the second. */
const LEASE_MS = 5000
const ROUNDS = 3
const limits = { partBytes: 16 * 1024, connectMs: 500, idleMs: 400, retryMs: 1500, firstDelayMs: 5 }

const targets: readonly Operation[] = [
  'PutObject',
  'PutObject',
  'GetObject',
  'HeadObject',
  'ListObjects',
  'ListObjectVersions',
  'DeleteObject',
  'CreateMultipartUpload',
  'UploadPart',
  'CompleteMultipartUpload',
  'PutObjectRetention',
]
const makers: readonly ((random: Random) => S3Fault)[] = [
  () => ({ kind: 'status', status: 503, code: 'SlowDown' }),
  () => ({ kind: 'status', status: 500, code: 'InternalError' }),
  () => ({ kind: 'status', status: 403, code: 'AccessDenied' }),
  (random) => ({ kind: 'error-in-200', done: random.integer(2) === 0 }),
  (random) => ({ kind: 'reset', done: random.integer(2) === 0 }),
  (random) => ({ kind: 'hang', done: random.integer(2) === 0 }),
  (random) => ({ kind: 'delay', ms: random.integer(100) }),
  (random) => ({ kind: 'torn', bytes: random.integer(2000) }),
  () => ({ kind: 'lost' }),
  (random) => ({ kind: 'short', bytes: random.integer(5000) }),
]

/** A fault at some calls of one kind: once, some in a row, or for ever from there (the server is gone). */
function planOf(random: Random): { plan: S3FaultPlan; what: string } {
  const target = targets[random.integer(targets.length)]!
  const first = random.integer(target === 'PutObject' ? 25 : 12)
  const times = [1, 2, 3, Number.POSITIVE_INFINITY][random.integer(4)]!
  const fault = makers[random.integer(makers.length)]!(random)
  let seen = 0
  return {
    what: `${fault.kind} at ${target} ${first}, ${times} times`,
    plan: (operation) => {
      if (times === Number.POSITIVE_INFINITY && seen > first && fault.kind === 'reset') return fault
      if (operation !== target) return undefined
      const at = seen++
      return at >= first && at < first + times ? fault : undefined
    },
  }
}

export interface FaultsOutcome {
  readonly complete: number
  readonly failed: number
}

/** Case `number` of `seed`: one repository, some rounds of a backup and WAL, each with a fault of its own. Throws with what went wrong. */
export async function faultCase(seed: number, number: number): Promise<FaultsOutcome> {
  const random = seededRandom(seed * 1_000_003 + number)
  await using server = await S3Server.start({ pageSize: 5 })
  const lock = { mode: 'compliance', days: 8 } as const
  const places = [{}, { versioning: true }, { lock }]
  const options = server.place({ ...places[random.integer(3)]!, limits })
  await initIn(options)
  server.skewMs = [0, 86_400_000, -86_400_000][random.integer(3)]!
  const cluster = makeCluster(random)
  const state: State = { options, server, cluster, random, truth: new Map(), complete: new Set(), wal: [], failed: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const { plan, what } = planOf(random)
    try {
      await oneRound(state, plan, round)
    } catch (error) {
      throw new Error(`case ${number} of seed ${seed}, round ${round}: ${what}: ${messageOf(error)}`, { cause: error })
    }
  }
  for (const bucket of server.buckets.values()) assert.deepEqual(bucket.overwritten, [], 'nothing was ever overwritten')
  return { complete: state.complete.size, failed: state.failed }
}

interface State {
  readonly options: S3Options
  readonly server: S3Server
  readonly cluster: Cluster
  readonly random: Random
  /** Of every backup that may be listed. */
  readonly truth: Map<string, Cluster>
  /** Those that were reported complete: they must be. */
  readonly complete: Set<string>
  readonly wal: number[]
  failed: number
}

/** Of a backup whose last step failed and that the store did not take back: listed or not, whoever asked knows that he does not know. */
function uncertainBackup(error: WharfError): string | undefined {
  if (error.code !== 'repository.backup-uncertain') return undefined
  return /^nobody can tell whether backup (\S+) of warehouse "dw" is complete: /.exec(error.message)?.[1]
}

async function oneRound(state: State, plan: S3FaultPlan, round: number): Promise<void> {
  const { options, server, cluster, random, truth, complete, wal } = state
  server.faults = plan
  let repository
  try {
    repository = await openIn(options, { leaseMs: LEASE_MS })
    await repository.wal.put(walChunk(round + 1), signal)
    wal.push(round + 1)
    const manifest = await takeBackup(repository, cluster, { parent: undefined, random })
    truth.set(manifest.id, copyOf(cluster))
    complete.add(manifest.id)
  } catch (error) {
    // Anything that says what failed will do; a defect of ours would say something else.
    if (!isWharfError(error)) throw error
    const uncertain = uncertainBackup(error)
    if (uncertain !== undefined) truth.set(uncertain, copyOf(cluster))
    state.failed++
  }
  server.faults = () => undefined
  await repository?.close()
  // The lease of a backup that failed runs out by the server's clock.
  server.skewMs += LEASE_MS + 2000
  const after = await openIn(options, { leaseMs: LEASE_MS })
  try {
    await assertReads(after, truth, complete)
    for (const segment of wal) {
      const read = await after.wal.segment(SYSTEM, walName(segment), signal)
      assert.ok(read?.bytes.equals(walChunk(segment).bytes), `WAL ${segment} was confirmed and is not there`)
    }
  } finally {
    await after.close()
    await systemClock.sleep(0)
  }
}
