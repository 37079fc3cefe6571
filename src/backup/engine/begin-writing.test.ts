// WAL and the lease begin side by side: whichever fails, nothing of the other stays behind, and the cause is what is told.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { systemClock } from '../../base/clock.ts'
import type { BackupWriter, Repository } from '../../repository/contract.ts'
import { errors as repositoryErrors } from '../../repository/errors.ts'
import { receiveAndBegin } from './begin-writing.ts'
import type { Receiving, TakeOptions } from './options.ts'

const receiving: Receiving = { waitUntilDurable: async () => {} }
const denied = new Error('may not receive')

function options(receive: TakeOptions['receive']): TakeOptions {
  const warehouse = { declaration: { name: 'retail' } }
  const { signal } = new AbortController()
  return { warehouse, receive, clock: systemClock, signal, report: () => {} } as unknown as TakeOptions
}

const lease = { warehouse: 'retail', backup: 'B1', holder: 'nobody', since: 'then', until: 'the end of time' }

class Writer {
  abandoned = 0
  async abandon(): Promise<void> {
    this.abandoned++
  }
}

void test('both are given when both have begun, and neither waits for the other', async () => {
  const order: string[] = []
  const leased = Promise.withResolvers<void>()
  const writer = new Writer() as unknown as BackupWriter
  const beginBackup = async (): Promise<BackupWriter> => {
    order.push('lease')
    leased.resolve()
    return writer
  }
  await using scope = new AsyncDisposableStack()
  const begun = await receiveAndBegin(
    { beginBackup } as unknown as Repository,
    // Would wait for ever if the lease came behind it.
    options(async () => {
      await leased.promise
      order.push('wal')
      return receiving
    }),
    scope,
  )
  assert.equal(begun.writer, writer)
  assert.equal(begun.receiving, receiving)
  assert.deepEqual(order, ['lease', 'wal'])
})

void test('where no WAL can be received the lease is given back', async () => {
  const writer = new Writer()
  await using scope = new AsyncDisposableStack()
  const repository = { beginBackup: async () => writer } as unknown as Repository
  await assert.rejects(
    receiveAndBegin(
      repository,
      options(() => Promise.reject(denied)),
      scope,
    ),
    denied,
  )
  assert.equal(writer.abandoned, 1)
})

void test('a lease that is waited for does not hide that no WAL can be received', async () => {
  const repository = {
    // The lease of a backup that was killed: it would be waited out.
    beginBackup: () => Promise.reject(repositoryErrors.busy(lease)),
    listUnfinished: async () => [
      { id: 'B1', warehouse: 'retail', startedMs: 0, leaseUntilMs: Number.MAX_SAFE_INTEGER },
    ],
  } as unknown as Repository
  const waited = Promise.withResolvers<never>()
  const report: TakeOptions['report'] = ({ phase }) => {
    if (phase === 'waiting') waited.reject(denied)
  }
  await using scope = new AsyncDisposableStack()
  await assert.rejects(receiveAndBegin(repository, { ...options(() => waited.promise), report }, scope), denied)
})
