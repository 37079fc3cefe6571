// A small repository in a bucket of the test server, with its truth.
import assert from 'node:assert/strict'

import { systemClock } from '../../src/base/clock.ts'
import type { ObjectStore, Repository } from '../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../src/repository/open.ts'
import type { S3Options } from '../../src/repository/store/s3/options.ts'
import { openStore } from '../../src/repository/stores.ts'
import type { Unlock } from '../../src/repository/unlock.ts'
import { readFile, SYSTEM, type Cluster } from '../corruption/world.ts'

const signal = new AbortController().signal
export const unlock: Unlock = { by: 'passphrase', passphrase: 'p', scryptCost: 1024 }
/** Quick to give up, small parts: objects of a test go in several. */
export const quick = { partBytes: 64 * 1024, connectMs: 5000, idleMs: 5000, retryMs: 5000, firstDelayMs: 5 }

export async function openIn(
  options: S3Options,
  more: { leaseMs?: number; wrap?: (store: ObjectStore) => ObjectStore } = {},
): Promise<Repository> {
  const plain = await openStore({ kind: 's3', options })
  return openRepository({
    name: 'main',
    store: more.wrap ? more.wrap(plain) : plain,
    unlock,
    clock: systemClock,
    holder: 'test',
    signal,
    packPlainBytes: 150_000,
    leaseMs: more.leaseMs ?? 60_000,
  })
}

export async function initIn(options: S3Options): Promise<void> {
  await initRepository({ store: await openStore({ kind: 's3', options }), unlock, signal })
}

/** Every backup that is listed reads back as the cluster was when it was taken; those reported complete are listed. */
export async function assertReads(
  repository: Repository,
  truth: ReadonlyMap<string, Cluster>,
  committed: Iterable<string> = truth.keys(),
): Promise<void> {
  const listed = (await repository.listBackups(signal)).map((one) => one.id)
  for (const id of committed) assert.ok(listed.includes(id), `backup ${id} was reported complete and is not listed`)
  for (const id of listed) {
    const cluster = truth.get(id)
    assert.ok(cluster, `backup ${id} is listed and was never reported complete`)
    const manifest = await repository.readManifest(id, signal)
    assert.equal(manifest.files.length, cluster.segments.size + cluster.plain.size)
    for (const file of manifest.files)
      await readFile(repository, file, (cluster.segments.get(file.path) ?? cluster.plain.get(file.path))!)
  }
}

export function copyOf(cluster: Cluster): Cluster {
  const copy = (files: ReadonlyMap<string, Buffer>) =>
    new Map([...files].map(([name, bytes]) => [name, Buffer.from(bytes)]))
  return { segments: copy(cluster.segments), plain: copy(cluster.plain) }
}

const SEGMENT = 1 << 16

export function walChunk(segment: number) {
  return {
    systemIdentifier: SYSTEM,
    timeline: 1,
    startLsn: BigInt(segment * SEGMENT),
    walSegmentBytes: SEGMENT,
    postgresVersion: 180_004,
    bytes: Buffer.alloc(SEGMENT, segment),
    changeMap: undefined,
    commits: [],
    problem: undefined,
  }
}

export function walName(segment: number): string {
  return `0000000100000000${segment.toString(16).padStart(8, '0')}`.toUpperCase()
}
