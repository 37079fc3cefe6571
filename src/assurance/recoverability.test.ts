import assert from 'node:assert/strict'
import { test } from 'node:test'

import { protection, type Protection } from '../backup/contract.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { createContext } from '../base/context.ts'
import { processEnvironment } from '../base/environment.ts'
import { silentLog } from '../base/log.ts'
import { systemRandom } from '../base/random.ts'
import { provide, type Room } from '../base/room.ts'
import { recoverability } from './contract.ts'
import { room } from './room.ts'

/** Time-outs end at once: no test waits for a repository that never answers. */
const hasty: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 30), signal) }

function contextOf(one: Partial<Protection>, scope: AsyncDisposableStack) {
  const service: Protection = {
    warehouses: () => [{ name: 'retail', repositories: ['local'] }],
    walStatus: async () => [],
    backups: async () => [],
    recoverableWindow: async () => [],
    walRanges: async () => [],
    overdueChecks: async () => [],
    unlogged: async () => ({ relations: 0, bytes: 0 }),
    ...one,
  }
  const below: Room = { name: 'below', summary: '', services: [provide(protection, () => service)] }
  const sections = { targets: room.config![0]!.schema.parse(undefined) }
  const parts = {
    clock: hasty,
    random: systemRandom,
    environment: processEnvironment(),
    log: silentLog,
    home: '/nowhere',
    configFile: '/nowhere/wharf.yaml',
  }
  return createContext({ ...parts, rooms: [below, room], sections }, scope)
}

test('one question that never answers does not keep the others from being answered', async () => {
  await using scope = new AsyncDisposableStack()
  const context = contextOf({ backups: () => new Promise(() => {}) }, scope)
  const service = await context.use(recoverability)
  const status = await service.status({ signal: new AbortController().signal })
  const [retail] = status.warehouses
  assert.equal(status.verdict, 'unprotected', 'that nobody receives is known and worse')
  assert.ok(retail?.unknown.includes('backups'))
  assert.ok(!retail?.unknown.includes('window'))
  assert.ok(
    retail?.problems.some(
      (one) => one.message === 'cannot tell backups of retail: backups of retail did not answer within 15 s',
    ),
  )
})

test('services that are missing altogether are named, not hidden', async () => {
  await using scope = new AsyncDisposableStack()
  const context = contextOf({}, scope)
  const status = await (await context.use(recoverability)).status({ signal: new AbortController().signal })
  assert.deepEqual(status.warehouses[0]?.unknown, ['estimate', 'proof', 'loads'])
  assert.equal(status.warehouses[0]?.loads, null)
})

test('nothing declared is none, and an unknown warehouse is an error with the nearest name', async () => {
  await using scope = new AsyncDisposableStack()
  const signal = new AbortController().signal
  const empty = await (await contextOf({ warehouses: () => [] }, scope).use(recoverability)).status({ signal })
  assert.equal(empty.verdict, 'none')
  const service = await contextOf({}, scope).use(recoverability)
  await assert.rejects(service.status({ warehouse: 'retial', signal }), {
    code: 'assurance.unknown-warehouse',
    message: 'no warehouse is called "retial"',
    hint: 'did you mean "retail"?',
  })
})
