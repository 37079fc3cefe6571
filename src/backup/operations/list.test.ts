import assert from 'node:assert/strict'
import { test } from 'node:test'

import { WharfError } from '../../base/errors.ts'
import type { OperationContext } from '../../base/operation.ts'
import { list } from './list.ts'

const signal = new AbortController().signal

function contextOf(names: readonly string[]): OperationContext {
  const gone = new WharfError({
    code: 'repository.unreachable',
    message: 'cannot reach b',
    exit: 'unreachable',
    hint: 'mount it',
  })
  const empty = {
    name: 'a',
    listBackups: () => Promise.resolve([]),
    listUnfinished: () => Promise.resolve([]),
    store: { now: () => Promise.resolve(0) },
  }
  const service = {
    list: () => names.map((name) => ({ name })),
    open: (name: string) => (name === 'b' ? Promise.reject(gone) : Promise.resolve(empty)),
  }
  return { use: () => Promise.resolve(service) } as unknown as OperationContext
}

test('a repository that is away is named and hides no other', async () => {
  const done = await list.run({ all: false }, contextOf(['b', 'a']), signal)
  const away = [{ repository: 'b', code: 'repository.unreachable', problem: 'cannot reach b', hint: 'mount it' }]
  assert.deepEqual(done, { backups: [], away })
  assert.equal(list.exit?.(done), 'findings')
  assert.equal(list.text(done), 'no backups\nrepository b could not be asked: cannot reach b\n  hint: mount it')
})

test('the only one, and one asked for by name, fail as they are', async () => {
  await assert.rejects(list.run({ all: false }, contextOf(['b']), signal), { code: 'repository.unreachable' })
  await assert.rejects(list.run({ repository: 'b', all: false }, contextOf(['a', 'b']), signal), {
    code: 'repository.unreachable',
  })
})
