import assert from 'node:assert/strict'
import { test } from 'node:test'

import { systemClock } from '../../base/clock.ts'
import { systemRandom } from '../../base/random.ts'
import { isRefusal, loadTransaction, type LoadIntent } from './transaction.ts'

test('a commit is refused only where the server says so: a connection that broke says nothing', () => {
  const coded = (code: string): Error => Object.assign(new Error(code), { code })
  for (const code of ['40001', '23505', '25P02', 'P0001']) assert.ok(isRefusal(coded(code)), code)
  for (const code of ['EPIPE', 'EBADF', 'ECONNRESET', '08006', '57P01', '58030', 'XX000', 'warehouse.gone'])
    assert.ok(!isRefusal(coded(code)), code)
  assert.ok(!isRefusal(new Error('Connection terminated unexpectedly')))
})

test('a load that fails withdraws what is kept of itself, and nothing else', async () => {
  const withdrawn: string[] = []
  const asked: string[] = []
  const query = async (sql: string) => {
    asked.push(sql)
    return sql.includes('load_fence') ? [{ token: '1' }] : sql.includes('pg_current_xact_id') ? [{ xid: '7' }] : []
  }
  const task = {
    context: { clock: systemClock, random: systemRandom },
    run: { id: 'r', pipeline: 'p' },
    task: { name: 't' },
    token: 1n,
  }
  const intent = {
    task,
    session: { query },
    item: 'b.csv',
    businessDate: undefined,
    logged: true,
    keep: { withdraw: async (id: string) => void withdrawn.push(id) },
  } as unknown as LoadIntent
  let own = ''
  const failing = loadTransaction(intent, async (id) => {
    own = id
    throw new Error('the file is bad')
  })
  await assert.rejects(failing, { message: 'the file is bad' })
  assert.deepEqual([asked.at(-1), withdrawn], ['rollback', [own]])
})
