import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import type { WalChunkInfo } from '../../repository/contract.ts'
import type { CommitEntry } from '../../wal/contract.ts'
import { countCommits, type CommitSource } from './count.ts'

const signal = new AbortController().signal
const NOW_MS = 1_800_000_000_000

function entry(kind: CommitEntry['kind'], atMs: number): CommitEntry {
  return { kind, startLsn: 0n, endLsn: 1n, xid: 7, timeUs: BigInt(atMs) * 1000n }
}

/** An archive with one chunk for each list of commits; `read` counts the indexes that were read. */
function archiveOf(chunks: readonly { readonly modifiedMs: number; readonly commits: readonly CommitEntry[] }[]) {
  const read: string[] = []
  const infos = chunks.map(({ modifiedMs }, index) => ({ object: `wal/${index}`, modifiedMs }) as WalChunkInfo)
  const source: CommitSource = {
    wal: {
      list: () => Promise.resolve(infos),
      readIndex: (info) => {
        read.push(info.object)
        const { commits } = chunks[Number(info.object.slice(4))]!
        return Promise.resolve({ changeMap: undefined, commits, problem: undefined })
      },
    },
  }
  return { source, read }
}

const span = { systemIdentifier: 1n, fromMs: NOW_MS - 3_600_000, toMs: NOW_MS, buckets: 60 }

test('every commit of the span is in the stretch of its second, and nothing else is counted', async () => {
  const moments = fc.array(fc.integer({ min: -600, max: 3599 }), { maxLength: 200 })
  await fc.assert(
    fc.asyncProperty(moments, async (seconds) => {
      const commits = seconds.map((second) => entry('commit', span.fromMs + second * 1000 + 999))
      const noise = seconds.map((second) => entry('abort', span.fromMs + second * 1000))
      const { source } = archiveOf([{ modifiedMs: NOW_MS, commits: [...noise, ...commits] }])
      const found = await countCommits(source, span, signal)
      const truth = Array.from({ length: 60 }, () => 0)
      for (const second of seconds) if (second >= 0) truth[Math.floor(second / 60)]!++
      assert.deepEqual(found.commits, truth)
      assert.equal(found.completeFromMs, span.fromMs)
    }),
  )
})

test('chunks are read once, those from before the span not at all, and what is not read yet is said', async () => {
  const many = Array.from({ length: 1500 }, (_, index) => ({
    modifiedMs: NOW_MS - index * 2000,
    commits: [entry('commit', NOW_MS - index * 2000 - 1000)],
  }))
  const { source, read } = archiveOf([...many, { modifiedMs: span.fromMs - 3_600_000, commits: [] }])
  const first = await countCommits(source, span, signal)
  assert.equal(read.length, 1000)
  assert.ok(first.completeFromMs > span.fromMs)
  const second = await countCommits(source, span, signal)
  assert.equal(read.length, 1500)
  assert.equal(second.completeFromMs, span.fromMs)
  assert.equal(
    second.commits.reduce((sum, one) => sum + one, 0),
    1500,
  )
  assert.ok(!read.includes('wal/1500'))
})
