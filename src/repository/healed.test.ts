import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Notice, Notices } from './contract.ts'
import { copyHealed, HEALED_AHEAD_BYTES, healedSince, noteHealed } from './healed.ts'

const signal = new AbortController().signal
const of = { warehouse: 'retail', systemIdentifier: 7n }

function noticeBoard(): Pick<Notices, 'list' | 'put'> & { readonly all: Notice[] } {
  const all: Notice[] = []
  return {
    all,
    put: (notice) => {
      all.push(notice)
      return Promise.resolve()
    },
    list: () => Promise.resolve(all.map((notice, index) => ({ ...notice, object: `notices/${index}` }))),
  }
}

const healed = { file: 'base/5/16384', block: 3, lsn: 1000n }

test('a backup that began after the notice and read before the write knows of the block; a much later one need not', async () => {
  const notices = noticeBoard()
  await noteHealed(notices, { ...of, atMs: 1, healed }, signal)
  const since = async (sinceLsn: bigint): Promise<number> =>
    (await healedSince(notices, { ...of, sinceLsn }, signal)).length
  assert.equal(await since(999n), 1)
  assert.equal(await since(1000n + 16n * 1024n * 1024n), 1)
  assert.equal(await since(1000n + HEALED_AHEAD_BYTES), 0)
  assert.deepEqual(await healedSince(notices, { ...of, systemIdentifier: 8n, sinceLsn: 0n }, signal), [])
})

test('with a copied backup goes what was healed since it began, once', async () => {
  const [from, to] = [noticeBoard(), noticeBoard()]
  await from.put({ warehouse: 'retail', reason: 'other', atMs: 1, data: {} }, signal)
  await noteHealed(from, { ...of, atMs: 1, healed }, signal)
  await copyHealed({ from, to }, { ...of, sinceLsn: 1000n + HEALED_AHEAD_BYTES }, signal)
  assert.deepEqual(to.all, [])
  for (let n = 0; n < 2; n++) await copyHealed({ from, to }, { ...of, sinceLsn: 5n }, signal)
  assert.deepEqual(to.all, [from.all[1]])
})
