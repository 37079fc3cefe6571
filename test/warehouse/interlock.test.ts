// The interlock of backups and loads that are not logged, with sessions of a real server (P6).
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import type { Warehouse } from '../../src/warehouse/contract.ts'
import { enterBackup, enterUnloggedLoad, holdInterlock, type HeldInterlock } from '../../src/warehouse/interlock.ts'
import { startServer } from '../support/postgres.ts'
import { warehouseFor } from '../support/warehouse.ts'

const never = new AbortController().signal

interface Entering {
  readonly label: string
  readonly waitMs?: number
  readonly onWait?: (holders: readonly string[]) => void
}

function enterAs(warehouse: Warehouse, enter: typeof enterBackup, options: Entering): Promise<HeldInterlock> {
  return holdInterlock(warehouse, enter, { clock: systemClock, signal: never, onWait: () => {}, ...options })
}

void test('loads share, backups share, and the two never overlap; a waiting backup holds off new loads', async () => {
  await using server = await startServer({ major: 18 })
  await server.psql('create database other')
  const warehouse = warehouseFor({ url: server.url })
  const elsewhere = warehouseFor({ url: server.urlFor({ database: 'other' }) })

  // Two loads at once, in different databases of the server.
  const first = await enterAs(warehouse, enterUnloggedLoad, { label: 'load nightly' })
  const second = await enterAs(elsewhere, enterUnloggedLoad, { label: 'load hourly' })

  const waits: string[][] = []
  const order: string[] = []
  const { promise: waiting, resolve: waitsNow } = Promise.withResolvers<void>()
  const backup = enterAs(warehouse, enterBackup, {
    label: 'backup',
    onWait: (holders) => {
      waits.push([...holders])
      waitsNow()
    },
  }).then((held) => {
    order.push('backup')
    return held
  })
  await waiting
  assert.deepEqual(waits, [['load hourly', 'load nightly']])

  // A load that comes while the backup waits does not slip in.
  const { promise: lateWaits, resolve: lateWaitsNow } = Promise.withResolvers<readonly string[]>()
  const late = enterAs(elsewhere, enterUnloggedLoad, { label: 'load late', onWait: lateWaitsNow }).then((held) => {
    order.push('late')
    return held
  })
  assert.deepEqual(await lateWaits, ['backup'])
  await first[Symbol.asyncDispose]()
  await setImmediate()
  assert.deepEqual(order, [])
  await second[Symbol.asyncDispose]()

  const held = await backup
  const another = await enterAs(elsewhere, enterBackup, { label: 'backup of the second repository' })
  await held[Symbol.asyncDispose]()
  assert.deepEqual(order, ['backup'])
  await another[Symbol.asyncDispose]()
  await (await late)[Symbol.asyncDispose]()
  assert.deepEqual(order, ['backup', 'late'])
})

void test('who waits too long, or loses the session, is told so', async () => {
  await using server = await startServer({ major: 15 })
  const warehouse = warehouseFor({ url: server.url })
  await using load = await enterAs(warehouse, enterUnloggedLoad, { label: 'load nightly' })
  const refused = await enterAs(warehouse, enterBackup, { label: 'backup', waitMs: 1000 }).catch(
    (error: unknown) => error,
  )
  assert.ok(isWharfError(refused))
  assert.deepEqual(
    [refused.code, refused.message, refused.hint, refused.passing],
    [
      'warehouse.interlock-busy',
      'a load that is not logged of warehouse retail was still running after 1 s: load nightly',
      'backups and loads that are not logged never overlap: try again when it has ended',
      true,
    ],
  )
  // What it announced while it waited is gone with it: loads go on.
  await using other = await enterAs(warehouse, enterUnloggedLoad, { label: 'load hourly', waitMs: 0 })
  assert.equal(other.lost.aborted, false)

  const lost = new Promise<unknown>((resolve) => {
    load.lost.addEventListener('abort', () => resolve(load.lost.reason), { once: true })
  })
  await server.psql(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'wharf load nightly'`,
  )
  const reason = await lost
  assert.ok(isWharfError(reason))
  assert.equal(reason.code, 'warehouse.interlock-lost')
  assert.match(reason.message, /^the session that keeps backups and unlogged loads of warehouse retail apart ended: /)
})
