import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { MIB, MINUTE_MS } from '../../base/units.ts'
import type { Repository, WalChunkInfo, WalPlace } from '../../repository/contract.ts'
import { storeErrors as repositoryErrors } from '../../repository/store-errors.ts'
import { pageMagics } from '../../wal/layouts.ts'
import { segmentName, segmentStart } from '../../wal/segments.ts'
import { Feed, feedName } from './feed.ts'

const systemIdentifier = 7n
const size = MIB
const at = (segment: number): bigint => BigInt(segment * size)

function chunkOf(segment: number, timeline = 1): WalChunkInfo {
  const name = segmentName(timeline, at(segment), size)
  return {
    systemIdentifier,
    timeline,
    startLsn: at(segment),
    endLsn: at(segment + 1),
    object: name,
    storedBytes: 1,
    modifiedMs: segment,
  }
}

/** A repository that notes how it is asked, and whose store can go away. */
function archiveOf(chunks: WalChunkInfo[]) {
  const asked: string[] = []
  const state = { away: false }
  const answer = <T>(how: string, found: T): Promise<T> => {
    asked.push(how)
    return state.away
      ? Promise.reject(repositoryErrors.unreachable({ location: 'nas', reason: 'EIO' }))
      : Promise.resolve(found)
  }
  const wal = {
    list: () => answer('all', [...chunks]),
    listFrom: ({ timeline, startLsn }: WalPlace) =>
      answer(
        `from ${startLsn / BigInt(size)}`,
        chunks.filter((one) => one.timeline > timeline || (one.timeline === timeline && one.startLsn >= startLsn)),
      ),
    history: (_system: bigint, timeline: number) => Promise.resolve(timeline === 1 ? undefined : `history ${timeline}`),
    segment: (_system: bigint, name: string) => {
      const found = chunks.find((one) => one.object === name)
      if (!found) return Promise.resolve(undefined)
      const bytes = Buffer.alloc(size)
      bytes.writeUInt16LE(pageMagics[18]!, 0)
      bytes.writeBigUInt64LE(segmentStart(found.startLsn, size), 8)
      bytes.writeBigUInt64LE(systemIdentifier, 24)
      return Promise.resolve({ bytes, partial: false })
    },
  }
  return { asked, state, repository: { wal } as unknown as Pick<Repository, 'wal'> }
}

async function feeding(chunks: WalChunkInfo[]) {
  const root = await mkdtemp(join(tmpdir(), 'wharf-feed-'))
  const archive = archiveOf(chunks)
  const clock = { nowMs: 0, monotonic: (): number => clock.nowMs }
  const plan = {
    systemIdentifier: '7',
    postgresVersion: 180_000,
    walSegmentBytes: size,
    rewrite: false,
    switches: [],
    known: [],
  }
  const signal = new AbortController().signal
  const feed = new Feed({ ...archive, root, owner: undefined, plan, timeline: 1, fromLsn: at(1), clock, signal })
  await feed.open()
  const laid = async () => (await readdir(join(root, feedName))).sort()
  return { ...archive, feed, clock, laid, root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

test('between two looks only what is new is listed; what fills a hole, and a new timeline, are seen all the same', async () => {
  const chunks = [1, 2, 3].map((segment) => chunkOf(segment))
  await using of = await feeding(chunks)
  const { feed, asked, clock, laid } = of
  assert.equal(await feed.look(), true)
  chunks.push(chunkOf(4))
  assert.equal(await feed.look(), true)
  assert.equal(await feed.look(), false)
  // 6 is there before 5 is.
  chunks.push(chunkOf(6))
  await feed.look()
  chunks.push(chunkOf(5))
  await feed.look()
  assert.deepEqual(asked, ['all', 'from 3', 'from 4', 'from 4', 'from 6'])
  assert.ok(!(await laid()).includes(chunkOf(5).object))
  clock.nowMs += MINUTE_MS
  await feed.look()
  assert.ok((await laid()).includes(chunkOf(5).object))
  chunks.push(chunkOf(7, 2))
  await feed.look()
  assert.deepEqual(asked.splice(5), ['all', 'from 6'])
  const wanted = [1, 2, 3, 4, 5, 6].map((segment) => chunkOf(segment).object)
  assert.deepEqual(await laid(), [...wanted, '00000002.history', chunkOf(7, 2).object].sort())
  assert.equal(feed.endLsn, at(8))
})

test('a repository that does not answer is asked again: the standby waits for it', async () => {
  const chunks = [chunkOf(1)]
  await using of = await feeding(chunks)
  of.state.away = true
  assert.equal(await of.feed.look(), false)
  assert.notEqual(of.feed.away, undefined)
  of.state.away = false
  assert.equal(await of.feed.look(), true)
  assert.equal(of.feed.away, undefined)
  assert.deepEqual(await of.laid(), [chunkOf(1).object])
})
