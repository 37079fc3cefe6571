// The end of WAL as `wal get` and followers see it, while chunks come, are missing, or have gone: what is short is never taken for the end, and what grows meanwhile is no hole.
import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { fetchFile, type FetchPlan } from '../../src/recovery/get/fetch.ts'
import type { WalChunk } from '../../src/repository/contract.ts'
import { pageMagics } from '../../src/wal/layouts.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { reopen, scratchRepository } from '../support/scratch-repository.ts'

const signal = new AbortController().signal
const SYSTEM = 7_423_000_000_000_000_001n
const SEGMENT = 1 << 20
const START = 3n * BigInt(SEGMENT)
const NAME = '000000010000000000000003'

/** Some of one segment, whose first page says which it is. */
function chunk(from: number, to: number): WalChunk {
  const bytes = Buffer.alloc(to - from, 7)
  if (from === 0) {
    bytes.writeUInt16LE(pageMagics[18]!, 0)
    bytes.writeBigUInt64LE(START, 8)
    bytes.writeBigUInt64LE(SYSTEM, 24)
  }
  return {
    systemIdentifier: SYSTEM,
    timeline: 1,
    startLsn: START + BigInt(from),
    walSegmentBytes: SEGMENT,
    postgresVersion: 180_004,
    bytes,
    changeMap: undefined,
    commits: [],
    problem: undefined,
  }
}

const planTo = (end: bigint): FetchPlan => ({
  systemIdentifier: String(SYSTEM),
  postgresVersion: 180_004,
  walSegmentBytes: SEGMENT,
  rewrite: false,
  switches: [],
  known: [{ timeline: 1, from: String(START), to: String(end) }],
})

async function removeChunk(path: string, ending: string): Promise<void> {
  const names = await readdir(path, { recursive: true })
  const found = names.filter((one) => one.endsWith(ending))
  assert.equal(found.length, 1)
  await rm(join(path, found[0]!))
}

test('a segment that has become shorter since recovery was planned is no end of WAL', async (t) => {
  const { repository, path } = await scratchRepository(t)
  await repository.wal.put(chunk(0, 1000), signal)
  const info = await repository.wal.put(chunk(1000, 3000), signal)
  const plan = planTo(START + 3000n)
  const found = await fetchFile(repository.wal, NAME, plan)
  assert.deepEqual([found?.partial, found?.bytes[2999], found?.bytes[3000]], [true, 7, 0])
  await removeChunk(path, info.object.split('/').at(-1)!)
  await assert.rejects(fetchFile(repository.wal, NAME, plan), {
    code: 'recovery.wal-unavailable',
    message: `cannot get WAL ${NAME}: it reached up to 0/300BB8 in the repository when recovery was planned, and to 0/3003E8 now`,
  })
})

test('a hole within a segment ends a recovery to before it, and is refused to every other', async (t) => {
  const { repository } = await scratchRepository(t)
  await repository.wal.put(chunk(0, 1000), signal)
  await repository.wal.put(chunk(2000, 3000), signal)
  const found = await fetchFile(repository.wal, NAME, planTo(START + 1000n))
  assert.deepEqual([found?.partial, found?.bytes[999], found?.bytes[1000], found?.bytes[2500]], [true, 7, 0, 0])
  await assert.rejects(fetchFile(repository.wal, NAME, planTo(START + 3000n)), { code: 'repository.wal-gap' })
  await assert.rejects(fetchFile(repository.wal, NAME, { ...planTo(START), known: [] }), { code: 'repository.wal-gap' })
})

test('chunks that come while a segment is read are no hole', async (t) => {
  const { repository, path } = await scratchRepository(t)
  await repository.wal.put(chunk(0, 1000), signal)
  let comes = 2
  const slow = await reopen(path, {
    wrap: (store) => {
      const wrapped = new FaultyStore(store, () => undefined)
      const list = wrapped.list.bind(wrapped)
      wrapped.list = async function* (...given: Parameters<typeof list>) {
        // The first list has been read; more comes before the one that looks for what lies behind.
        for await (const one of list(...given)) yield one
        if (!given[0].includes('/00000001')) return
        for (let count = 0; count < 2 && comes < 8; count++, comes++)
          await repository.wal.put(chunk((comes - 1) * 1000, comes * 1000), signal)
      }
      return wrapped
    },
  })
  t.after(() => slow.close())
  const found = await fetchFile(slow.wal, NAME, planTo(START + 1000n))
  const open = { ...planTo(START), known: [] }
  const whole = await fetchFile(slow.wal, NAME, open)
  assert.deepEqual([found?.partial, whole?.partial, whole?.bytes[6999], whole?.bytes[7000]], [true, true, 7, 0])
})
