import assert from 'node:assert/strict'
import { test } from 'node:test'

import { scratchRepository } from '../../../test/support/scratch-repository.ts'
import { isWharfError } from '../../base/errors.ts'
import type { Repository } from '../../repository/contract.ts'
import type { ReplicationSession, Warehouse } from '../../warehouse/contract.ts'
import { openedMember } from './members.ts'
import { open } from './opening.ts'

const signal = new AbortController().signal

/** A server that switches to a new segment while we connect, as the first backup of an idle one makes it do. */
function switchingServer(): ReplicationSession {
  let flushLsn = 0x174b370n
  return {
    identify: () => Promise.resolve({ systemIdentifier: 7n, timeline: 1, flushLsn }),
    timelineHistory: () => Promise.resolve(undefined),
    ensureSlot: () => {
      flushLsn = 0x2000060n
      return Promise.resolve({ restartLsn: 0x2000028n })
    },
  } as unknown as ReplicationSession
}

const warehouse = {
  declaration: { name: 'sales' },
  connect: () =>
    Promise.resolve({
      query: () => Promise.resolve([{ version: 180_004, segment: 16_777_216 }]),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
} as unknown as Warehouse

function repositoryUpTo(endLsn: bigint | undefined): Repository {
  const ranges = endLsn === undefined ? [] : [{ timeline: 1, startLsn: 0x1000000n, endLsn }]
  return { name: 'main', wal: { ranges: () => Promise.resolve(ranges), list: () => Promise.resolve([]) } } as never
}

test('a server that switches segments while we connect is not taken for one that lost WAL', async () => {
  const members = [openedMember(repositoryUpTo(undefined))]
  const opening = await open(switchingServer(), { warehouse, members, slot: 'wharf_sales', signal })
  assert.deepEqual(opening.start, { timeline: 1, lsn: 0x2000000n })
  assert.equal(opening.slotLsn, 0x2000028n)
})

test('a server that has less than the repository is refused', async () => {
  const members = [openedMember(repositoryUpTo(0x5000000n))]
  await assert.rejects(open(switchingServer(), { warehouse, members, slot: 'wharf_sales', signal }), (error) => {
    assert.ok(isWharfError(error, 'backup.repository-ahead'))
    assert.equal(
      error.message,
      'the repository holds WAL of warehouse sales up to 0/5000000, its server has only 0/2000060',
    )
    assert.equal(
      error.hint,
      'the server lost its newest WAL, or this is another server with the same system identifier: find out which before going on',
    )
    return true
  })
})

test('a timeline that branched off elsewhere than the one of this number in the repository is refused', async (t) => {
  const { repository } = await scratchRepository(t)
  const served = (history: string) =>
    ({
      identify: () => Promise.resolve({ systemIdentifier: 7n, timeline: 2, flushLsn: 0x4000000n }),
      timelineHistory: () => Promise.resolve(history),
      ensureSlot: () => Promise.resolve({ restartLsn: 0x3000028n }),
    }) as unknown as ReplicationSession
  const parts = { warehouse, members: [openedMember(repository)], slot: 'wharf_sales', signal }
  await open(served('1\t0/3000000\tno recovery target specified\n'), parts)
  await open(served('1\t0/3000000\tno recovery target specified\n'), parts)
  await assert.rejects(open(served('1\t0/2800000\tno recovery target specified\n'), parts), (error) =>
    isWharfError(error, 'repository.wal-conflict'),
  )
})
