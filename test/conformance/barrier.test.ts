// A barrier of the file store also waits for what another barrier, begun just before, has taken in hand.
import assert from 'node:assert/strict'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test } from 'node:test'

import { openStore } from '../../src/repository/stores.ts'

const signal = new AbortController().signal

void test('a second barrier does not overtake the first', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'wharf-barrier-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  const store = await openStore({ kind: 'file', path })
  await store.put('a', [Buffer.from('one')], { signal })
  const handle = await open(path)
  const prototype = Object.getPrototypeOf(handle) as { sync: () => Promise<void> }
  await handle.close()
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const sync = mock.method(prototype, 'sync', () => held)
  t.after(() => sync.mock.restore())
  const ended: string[] = []
  const first = store.barrier({ signal }).then(() => ended.push('first'))
  const second = store.barrier({ signal }).then(() => ended.push('second'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(ended, [])
  release()
  await Promise.all([first, second])
  assert.equal(sync.mock.callCount(), 1)
})

void test('a barrier that fails fails those that waited for it', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'wharf-barrier-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  const store = await openStore({ kind: 'file', path })
  await store.put('a', [Buffer.from('one')], { signal })
  const handle = await open(path)
  const prototype = Object.getPrototypeOf(handle) as { sync: () => Promise<void> }
  await handle.close()
  const sync = mock.method(prototype, 'sync', () => Promise.reject(new Error('input/output error')))
  t.after(() => sync.mock.restore())
  const both = await Promise.allSettled([store.barrier({ signal }), store.barrier({ signal })])
  assert.deepEqual(
    both.map((one) => (one.status === 'rejected' ? (one.reason as { code: string }).code : one.status)),
    ['repository.sync-failed', 'repository.sync-failed'],
  )
})
