import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import fc from 'fast-check'

import { reopen, scratchRepository } from '../../../test/support/scratch-repository.ts'
import { isWharfError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import type { ChangeMap } from '../../wal/contract.ts'
import { minimalDoubt } from '../../wal/minimal.ts'
import type { WalChunk } from '../contract.ts'
import { decodeContents } from './contents.ts'

const signal = new AbortController().signal
const SYSTEM = 7_423_000_000_000_000_001n
const SEGMENT = 1 << 20
const START = 3n * BigInt(SEGMENT)

function chunk(startLsn: bigint, bytes: Buffer, more: Partial<WalChunk> = {}): WalChunk {
  return {
    systemIdentifier: SYSTEM,
    timeline: 1,
    startLsn,
    walSegmentBytes: SEGMENT,
    postgresVersion: 180_004,
    bytes,
    changeMap: undefined,
    commits: [{ kind: 'load', name: 'day 1', startLsn, endLsn: startLsn + 30n, xid: 0xffff_ffff, timeUs: -5n }],
    problem: undefined,
    ...more,
  }
}

/** The bytes that this test says are WAL at `lsn`: a function of the position. */
function walAt(from: bigint, to: bigint): Buffer {
  const bytes = Buffer.alloc(Number(to - from))
  for (let at = 0; at < bytes.length; at++) bytes[at] = (Number(from) + at) * 31 + ((Number(from) + at) >> 8)
  return bytes
}

test('a chunk comes back with its bytes and index; the index alone as well; names tell the range', async (t) => {
  const { repository } = await scratchRepository(t)
  const put = chunk(START, randomBytes(300_000), { problem: 'unknown resource manager 200 at 0/300100' })
  const info = await repository.wal.put(put, signal)
  assert.deepEqual(await repository.wal.read(info, signal), put)
  assert.deepEqual(await repository.wal.readIndex(info, signal), {
    changeMap: undefined,
    commits: put.commits,
    problem: put.problem,
  })
  assert.equal(info.object, `wal/${SYSTEM}/00000001/00000000/0000000000300000-00000000003493e0`)
  assert.deepEqual(await repository.wal.list(SYSTEM, signal), [info])
  assert.deepEqual(await repository.wal.list(SYSTEM, signal, 2), [])
  assert.deepEqual(await repository.wal.list(SYSTEM + 1n, signal), [])
  assert.deepEqual(await repository.wal.ranges(SYSTEM, signal), [
    { timeline: 1, startLsn: START, endLsn: START + 300_000n },
  ])
})

test('a chunk tells what its WAL consists of; one that an older version stored does not', async (t) => {
  const { repository } = await scratchRepository(t)
  const contents = { records: 7, imageBytes: 0, voidBytes: 5, reads: 3 }
  const counted = chunk(START, randomBytes(1000), { contents })
  const info = await repository.wal.put(counted, signal)
  assert.deepEqual(await repository.wal.read(info, signal), counted)
  assert.deepEqual((await repository.wal.readIndex(info, signal)).contents, contents)
  const older = await repository.wal.put(chunk(START + 1000n, randomBytes(1000)), signal)
  assert.equal((await repository.wal.readIndex(older, signal)).contents, undefined)
  // A newer version may count otherwise.
  for (const label of ['{', '7', '{"records": -1, "imageBytes": 0, "voidBytes": 0, "reads": 0}', '{"records": 1}'])
    assert.equal(decodeContents(Buffer.from(label)), undefined)
})

test('the same range with the same bytes is no error, with others it is a conflict; so is an overlap', async (t) => {
  const { repository } = await scratchRepository(t)
  const bytes = walAt(START, START + 100_000n)
  const info = await repository.wal.put(chunk(START, bytes), signal)
  assert.deepEqual(await repository.wal.put(chunk(START, bytes), signal), info)
  const other = Buffer.from(bytes)
  other[99_999]! ^= 1
  await assert.rejects(repository.wal.put(chunk(START, other), signal), (error) => {
    assert.ok(isWharfError(error, 'repository.wal-conflict'))
    assert.equal(error.message, `${info.object} already holds other bytes for WAL 0/300000 to 0/3186A0 of timeline 1`)
    return (
      error.exit === 'damaged' && error.hint?.startsWith('two servers with one system identifier write here') === true
    )
  })
  await assert.rejects(
    repository.wal.put(chunk(START + 99_000n, Buffer.concat([other.subarray(99_000), Buffer.alloc(10)])), signal),
    (error) => {
      return (
        isWharfError(error, 'repository.wal-conflict') &&
        error.message.endsWith('for WAL 0/3182B8 to 0/3186A0 of timeline 1')
      )
    },
  )
  await repository.wal.put(chunk(START + 99_000n, Buffer.concat([bytes.subarray(99_000), Buffer.alloc(10)])), signal)
  // Another timeline and another system are other WAL.
  await repository.wal.put(chunk(START, other, { timeline: 2 }), signal)
  await repository.wal.put(chunk(START, other, { systemIdentifier: SYSTEM + 1n }), signal)
})

test('two receivers that put the same range at once are both content, with other bytes one is not', async (t) => {
  const { repository, path } = await scratchRepository(t)
  const second = await reopen(path)
  const bytes = walAt(START, START + 10_000n)
  await Promise.all([repository.wal.put(chunk(START, bytes), signal), second.wal.put(chunk(START, bytes), signal)])
  const results = await Promise.allSettled([
    repository.wal.put(chunk(START + 10_000n, Buffer.alloc(10, 1)), signal),
    second.wal.put(chunk(START + 10_000n, Buffer.alloc(10, 2)), signal),
  ])
  assert.equal(results.filter((one) => one.status === 'fulfilled').length, 1)
})

test('a chunk that is damaged in the repository may be put again, and is passed over', async (t) => {
  const { repository, path } = await scratchRepository(t)
  const bytes = walAt(START, START + BigInt(SEGMENT))
  const info = await repository.wal.put(chunk(START, bytes), signal)
  const stored = await readFile(join(path, info.object))
  stored[stored.length >> 1]! ^= 1
  await writeFile(join(path, info.object), stored)
  await assert.rejects(repository.wal.segment(SYSTEM, '000000010000000000000003', signal), (error) =>
    isWharfError(error, 'repository.damaged-object'),
  )
  const again = await repository.wal.put(chunk(START, bytes), signal)
  assert.equal(again.object, `${info.object}-2`)
  // Whoever found the first in a list gets what the second holds.
  assert.deepEqual((await repository.wal.read(info, signal)).bytes, bytes)
  await writeFile(join(path, info.object), '')
  assert.deepEqual((await repository.wal.readIndex(info, signal)).commits, chunk(START, bytes).commits)
  assert.deepEqual(await repository.wal.segment(SYSTEM, '000000010000000000000003', signal), {
    bytes,
    partial: false,
    endLsn: START + BigInt(SEGMENT),
  })
})

test('a chunk must lie within one segment and have bytes', async (t) => {
  const { repository } = await scratchRepository(t)
  for (const [start, length] of [
    [START - 1n, 2],
    [START, SEGMENT + 1],
    [START, 0],
  ] as const) {
    await assert.rejects(repository.wal.put(chunk(start, Buffer.alloc(length)), signal), (error) =>
      isWharfError(error, 'repository.wal-chunk-bounds'),
    )
  }
  await repository.wal.put(chunk(START, Buffer.alloc(SEGMENT)), signal)
})

test('whatever the chunks, a segment is whole, padded at its end, refused, or not there: never wrong', async (t) => {
  const { path } = await scratchRepository(t)
  const size = 4096
  let timeline = 10
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(size - 1), fc.integer({ min: 1, max: size })), { maxLength: 6 }),
      async (cuts) => {
        const repository = await reopen(path)
        timeline++
        const held = new Uint8Array(size)
        for (const [from, length] of cuts) {
          const to = Math.min(size, from + length)
          await repository.wal.put(
            chunk(BigInt(size + from), walAt(BigInt(size + from), BigInt(size + to)), {
              timeline,
              walSegmentBytes: size,
              commits: [],
            }),
            signal,
          )
          held.fill(1, from, to)
        }
        const first = held.indexOf(0)
        const end = first < 0 ? size : first
        const hasMore = held.indexOf(1, end) >= 0
        const name = `${timeline.toString(16).toUpperCase().padStart(8, '0')}0000000000000001`
        const reading = repository.wal.segment(SYSTEM, name, signal)
        if (end < size && hasMore) {
          await assert.rejects(reading, (error) => isWharfError(error, 'repository.wal-gap'))
        } else if (end === 0) assert.equal(await reading, undefined)
        else {
          const expected = Buffer.alloc(size)
          walAt(BigInt(size), BigInt(size + end)).copy(expected)
          assert.deepEqual(await reading, { bytes: expected, partial: end < size, endLsn: BigInt(size + end) })
        }
        const joined = (await repository.wal.ranges(SYSTEM, signal)).filter((one) => one.timeline === timeline)
        const bytes = joined.reduce((sum, one) => sum + Number(one.endLsn - one.startLsn), 0)
        assert.equal(
          bytes,
          held.reduce((sum, one) => sum + one, 0),
        )
      },
    ),
    { numRuns: 40 },
  )
})

test('a segment that is only begun is padded, but not where later WAL of its timeline is there', async (t) => {
  const { repository } = await scratchRepository(t)
  const begun = walAt(START, START + 5000n)
  await repository.wal.put(chunk(START, begun), signal)
  const read = await repository.wal.segment(SYSTEM, '000000010000000000000003', signal)
  assert.deepEqual(read, {
    bytes: Buffer.concat([begun, Buffer.alloc(SEGMENT - 5000)]),
    partial: true,
    endLsn: START + 5000n,
  })
  assert.equal(await repository.wal.segment(SYSTEM, '000000010000000000000004', signal), undefined)
  await repository.wal.put(chunk(START + BigInt(SEGMENT), Buffer.alloc(10)), signal)
  await assert.rejects(repository.wal.segment(SYSTEM, '000000010000000000000003', signal), (error) => {
    assert.ok(isWharfError(error, 'repository.wal-gap'))
    return (
      error.message ===
      `WAL from 0/301388 on is missing on timeline 1 in ${repository.store.location}, although later WAL is there`
    )
  })
})

test('history files are kept once and by content', async (t) => {
  const { repository } = await scratchRepository(t)
  const content = '1\t0/3000000\tno recovery target specified\n'
  await repository.wal.putHistory(SYSTEM, 2, content, signal)
  await repository.wal.putHistory(SYSTEM, 2, content, signal)
  await assert.rejects(repository.wal.putHistory(SYSTEM, 2, 'other', signal), (error) =>
    isWharfError(error, 'repository.wal-conflict'),
  )
  assert.equal(await repository.wal.history(SYSTEM, 2, signal), content)
  assert.equal(await repository.wal.history(SYSTEM, 3, signal), undefined)
  assert.deepEqual(await repository.wal.segment(SYSTEM, '00000002.history', signal), {
    bytes: Buffer.from(content),
    partial: false,
  })
  assert.equal(await repository.wal.segment(SYSTEM, '00000003.history', signal), undefined)
  await assert.rejects(repository.wal.segment(SYSTEM, 'passwd', signal), (error) =>
    isWharfError(error, 'repository.bad-wal-name'),
  )
})

test('positions above 2^53 and folders of 4 GB are no matter', async (t) => {
  const { repository } = await scratchRepository(t)
  const random = seededRandom(5)
  for (const start of [0xffff_ffff_fff0_0000n, 0x1_0000_0000n, 0xfff0_0000n]) {
    const bytes = random.bytes(1000)
    await repository.wal.put(chunk(start, bytes), signal)
    const name =
      `00000001${(start >> 32n).toString(16).padStart(8, '0')}${((start & 0xffff_ffffn) / BigInt(SEGMENT)).toString(16).padStart(8, '0')}`.toUpperCase()
    // The last of its timeline is padded; the others have later WAL behind them.
    if (start === 0xffff_ffff_fff0_0000n)
      assert.ok((await repository.wal.segment(SYSTEM, name, signal))!.bytes.subarray(0, 1000).equals(bytes))
    else
      await assert.rejects(repository.wal.segment(SYSTEM, name, signal), (error) =>
        isWharfError(error, 'repository.wal-gap'),
      )
  }
  assert.equal((await repository.wal.ranges(SYSTEM, signal)).length, 3)
})

test('a damaged chunk elsewhere keeps no segment away', async (t) => {
  const { repository, path } = await scratchRepository(t)
  const size = BigInt(SEGMENT)
  const names: string[] = []
  for (const at of [START, START + size])
    names.push((await repository.wal.put(chunk(at, walAt(at, at + size)), signal)).object)
  for (const name of names) {
    const file = join(path, name)
    const whole = await readFile(file)
    await writeFile(file, 'x')
    const fresh = (await reopen(path)).wal
    const other = name === names[0] ? '000000010000000000000004' : '000000010000000000000003'
    assert.equal((await fresh.segment(SYSTEM, other, signal))!.partial, false)
    const damaged = name === names[0] ? '000000010000000000000003' : '000000010000000000000004'
    await assert.rejects(fresh.segment(SYSTEM, damaged, signal), (error) =>
      isWharfError(error, 'repository.damaged-object'),
    )
    await writeFile(file, whole)
  }
  for (const name of names) await writeFile(join(path, name), 'x')
  await assert.rejects((await reopen(path)).wal.segment(SYSTEM, '000000010000000000000005', signal), (error) =>
    isWharfError(error, 'repository.damaged-object'),
  )
})

function minimalMap(startLsn: bigint, endLsn: bigint): ChangeMap {
  const doubts = [minimalDoubt({ startLsn: startLsn + 128n, endLsn: startLsn + 160n })]
  const nothing = {
    fork: () => undefined,
    isDatabaseDoubtful: () => false,
    entries: () => [],
    doubtfulDatabases: () => [],
  }
  return { startLsn, endLsn, doubts, ...nothing }
}

test('a mark in the name of a chunk does not hide that another has other bytes', async (t) => {
  const { wal } = (await scratchRepository(t)).repository
  const length = 65_536n
  const [first, second] = [START, START + length]
  const mapOf = (at: bigint) => ({ changeMap: minimalMap(at, at + length) })
  const conflicts = (error: unknown): boolean => isWharfError(error, 'repository.wal-conflict')
  await wal.put(chunk(first, Buffer.alloc(65_536, 7)), signal)
  await assert.rejects(wal.put(chunk(first, walAt(first, second), mapOf(first)), signal), conflicts)
  // The same bytes, not decoded at first, are taken; then other ones without a mark are refused.
  const bytes = walAt(second, second + length)
  assert.equal((await wal.put(chunk(second, bytes), signal)).minimal, undefined)
  assert.equal((await wal.put(chunk(second, bytes, mapOf(second)), signal)).minimal, true)
  const third = second + length
  await wal.put(chunk(third, walAt(third, third + length), mapOf(third)), signal)
  await assert.rejects(wal.put(chunk(third, Buffer.alloc(65_536, 9)), signal), conflicts)
})
