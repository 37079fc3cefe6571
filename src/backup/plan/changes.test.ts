import assert from 'node:assert/strict'
import { test } from 'node:test'

import { defineErrors } from '../../base/errors.ts'
import type { WalArchive, WalChunkInfo } from '../../repository/contract.ts'
import { ChangeMapBuilder } from '../../wal/change-map.ts'
import type { TimelineSpan } from '../../wal/timelines.ts'
import { chooseChunks, collectChanges } from './changes.ts'

const chunk = (startLsn: bigint, endLsn: bigint, timeline = 1): WalChunkInfo => ({
  object: `${timeline}/${startLsn}-${endLsn}`,
  systemIdentifier: 7n,
  timeline,
  startLsn,
  endLsn,
  storedBytes: 1,
  modifiedMs: 0,
})
const one: readonly TimelineSpan[] = [{ timeline: 1, startLsn: 0n, endLsn: undefined }]
const choose = (infos: readonly WalChunkInfo[], fromLsn: bigint, untilLsn: bigint, spans = one) => {
  const chosen = chooseChunks(infos, { systemIdentifier: 7n, spans, fromLsn, untilLsn })
  return 'doubt' in chosen ? chosen.doubt : chosen.chunks.map((info) => info.object)
}

void test('the chunks that cover the way, in order, without those outside', () => {
  const infos = [chunk(30n, 40n), chunk(0n, 10n), chunk(10n, 20n), chunk(20n, 30n)]
  assert.deepEqual(choose(infos, 12n, 25n), ['1/10-20', '1/20-30'])
  assert.deepEqual(choose(infos, 10n, 20n), ['1/10-20'])
  assert.deepEqual(choose(infos, 20n, 20n), [])
})

void test('a hole at either end or in the middle is named', () => {
  const infos = [chunk(0x10n, 0x20n), chunk(0x30n, 0x40n)]
  assert.equal(choose(infos, 0x10n, 0x40n), 'WAL of timeline 1 from 0/20 to 0/40 is not complete in the repository')
  assert.equal(choose(infos, 0x8n, 0x20n), 'WAL of timeline 1 from 0/8 to 0/20 is not complete in the repository')
  assert.equal(choose(infos, 0x30n, 0x41n), 'WAL of timeline 1 from 0/40 to 0/41 is not complete in the repository')
  assert.equal(choose([], 1n, 2n), 'WAL of timeline 1 from 0/1 to 0/2 is not complete in the repository')
})

void test('what was received twice is looked at twice, since each may know a record that the other does not; copies count once', () => {
  const infos = [chunk(0n, 10n), chunk(0n, 15n), chunk(0n, 15n), chunk(5n, 12n), chunk(12n, 20n)]
  assert.deepEqual(choose(infos, 0n, 20n), ['1/0-15', '1/0-10', '1/5-12', '1/12-20'])
})

void test('a record that only one of two overlapping chunks knows is in the map; a damaged or unread chunk is a doubt', async () => {
  const file = { tablespace: 1663, database: 5, relfilenode: 16_384 }
  const mapOf = (info: WalChunkInfo, block?: number) => {
    const builder = new ChangeMapBuilder(info.startLsn)
    if (block !== undefined) builder.fork(file.tablespace, file.database, file.relfilenode, 0).add(block)
    return builder.finish(info.endLsn)
  }
  const infos = [chunk(0n, 10n), chunk(0n, 15n), chunk(15n, 20n)]
  const collect = (broken: () => never | { changeMap: undefined; problem: string }) =>
    collectChanges(
      {
        list: async () => infos,
        readIndex: async (info: WalChunkInfo) =>
          info === infos[2] ? broken() : { changeMap: mapOf(info, info === infos[0] ? 7 : undefined) },
      } as unknown as WalArchive,
      { systemIdentifier: 7n, spans: one, fromLsn: 0n, untilLsn: 20n },
      new AbortController().signal,
    )
  const good = await collect(() => ({ changeMap: mapOf(infos[2]!), problem: undefined }) as never)
  assert.deepEqual(good.map?.fork(file, 'main')?.blocks, Uint32Array.of(7))
  const damaged = defineErrors('repository', { bad: { exit: 'damaged', message: () => 'it is damaged' } })
  const doubt = await collect(() => {
    throw damaged.bad(undefined)
  })
  assert.equal(doubt.doubt, 'WAL at 0/F could not be decoded: it is damaged')
  assert.equal(
    (await collect(() => ({ changeMap: undefined, problem: 'odd' }))).doubt,
    'WAL at 0/F could not be decoded: odd',
  )
  await assert.rejects(
    collect(() => {
      throw new Error('no network')
    }),
    /no network/,
  )
})

void test('the way follows the history across timelines', () => {
  const spans: readonly TimelineSpan[] = [
    { timeline: 1, startLsn: 0n, endLsn: 25n },
    { timeline: 3, startLsn: 25n, endLsn: undefined },
  ]
  const infos = [
    chunk(0n, 10n),
    chunk(10n, 20n),
    chunk(20n, 40n),
    chunk(20n, 30n, 2),
    chunk(20n, 35n, 3),
    chunk(35n, 50n, 3),
  ]
  assert.deepEqual(choose(infos, 12n, 45n, spans), ['1/10-20', '1/20-40', '3/20-35', '3/20-35', '3/35-50'])
  assert.deepEqual(choose(infos, 26n, 35n, spans), ['3/20-35'])
  // The old timeline's last segment was never archived: the new one's begins with a copy of it.
  assert.deepEqual(choose([chunk(10n, 20n), chunk(20n, 35n, 3), chunk(35n, 50n, 3)], 12n, 45n, spans), [
    '1/10-20',
    '3/20-35',
    '3/20-35',
    '3/35-50',
  ])
  assert.equal(
    choose(infos.slice(0, 2), 12n, 45n, spans),
    'WAL of timeline 1 from 0/14 to 0/19 is not complete in the repository',
  )
})
