// P2 with several repositories: WAL counts as durable only where every required one holds it; one that was away is caught up, and holds nobody up.
import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'

import type { Receiver } from '../../src/backup/receiver/receiver.ts'
import type { Member } from '../../src/backup/receiver/members.ts'
import type { Repository } from '../../src/repository/contract.ts'
import { parseLsn, type Lsn } from '../../src/wal/lsn.ts'
import { makeRepository } from '../backup/world.ts'
import { currentLsn } from '../wal/pg-wal.ts'
import { compareWithServer, never, openReceiverWorld, receiving, type ReceiverWorld } from './receiver-world.ts'

interface Two {
  readonly world: ReceiverWorld
  readonly receiver: Receiver
  readonly offsite: Repository
  /** Takes the folder of the second repository away, or brings it back. */
  readonly take: (away: boolean) => Promise<void>
}

async function open(t: TestContext, required: boolean): Promise<Two> {
  const world = await openReceiverWorld({ major: 18 })
  t.after(() => world[Symbol.asyncDispose]())
  const path = join(dirname(world.repositoryPath), 'offsite')
  const made = await makeRepository(path)
  const offsite = Object.assign(made, { name: 'offsite' })
  const members: Member[] = [{ name: 'offsite', required, open: () => Promise.resolve(offsite) }]
  const receiver = world.receiver({ members })
  const take = (away: boolean) => (away ? rename(path, `${path}.away`) : rename(`${path}.away`, path))
  return { world, receiver, offsite, take }
}

async function write({ world }: Two): Promise<Lsn> {
  const { server } = world
  await server.psql(
    `CREATE TABLE IF NOT EXISTS t (a text); INSERT INTO t SELECT repeat('x', 900) FROM generate_series(1, 3000)`,
  )
  return await currentLsn(server)
}

const slotLsn = async ({ world }: Two): Promise<Lsn> => {
  const [row] = await world.server.psql<{ lsn: string }>(
    `SELECT coalesce(restart_lsn, '0/0')::text AS lsn FROM pg_replication_slots`,
  )
  return parseLsn(row!.lsn)
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await holds()) return
    await delay(50)
  }
  assert.fail(`not within 30 s: ${what}`)
}

const statusOf = (two: Two, name: string) => two.receiver.status().find((one) => one.repository === name)!

void test('a required repository that is away: the other goes on, nothing is confirmed, then it is caught up', async (t) => {
  const two = await open(t, true)
  const { world, receiver, offsite, take } = two
  await receiving(receiver, async () => {
    await receiver.waitDurable(await write(two), never)
    await take(true)
    const lsn = await write(two)
    await receiver.waitDurable(lsn, never, 'r')
    await until('it is told', () => world.alerts.some((one) => one['repository'] === 'offsite'))
    assert.equal(statusOf(two, 'offsite').state, 'failing')
    assert.equal(statusOf(two, 'offsite').error?.code, 'repository.unreachable')
    assert.ok((await slotLsn(two)) < lsn, 'the server still keeps what only one repository has')
    await take(false)
    await receiver.waitDurable(lsn, never)
    await until('the server hears of it', async () => (await slotLsn(two)) >= lsn)
    // And it takes part again.
    await receiver.waitDurable(await write(two), never)
    assert.equal(statusOf(two, 'offsite').error, undefined)
  })
  const to = parseLsn(statusOf(two, 'offsite').durableLsn!)
  await compareWithServer(world, { to })
  await compareWithServer({ ...world, repository: offsite }, { to })
  const behind = world.alerts.filter((one) => one['reason'] === 'repository-behind')
  assert.deepEqual(
    behind.map((one) => [one['repository'], one['required']]),
    [['offsite', true]],
    'told once',
  )
})

void test('a required repository that is away when receiving begins does not keep the other one waiting', async (t) => {
  const two = await open(t, true)
  const { receiver, world, offsite, take } = two
  await take(true)
  await receiving(receiver, async () => {
    const lsn = await write(two)
    await receiver.waitDurable(lsn, never, 'r')
    assert.ok((await slotLsn(two)) < lsn)
    await take(false)
    await receiver.waitDurable(lsn, never)
  })
  await compareWithServer({ ...world, repository: offsite }, { to: parseLsn(statusOf(two, 'offsite').durableLsn!) })
})

void test('a repository that is not required lags, holds nobody up, and is caught up', async (t) => {
  const two = await open(t, false)
  const { world, receiver, offsite, take } = two
  await receiving(receiver, async () => {
    await receiver.waitDurable(await write(two), never, 'offsite')
    await take(true)
    const lsn = await write(two)
    await receiver.waitDurable(lsn, never)
    await until('the server hears of it', async () => (await slotLsn(two)) >= lsn)
    await until('it is told', () => statusOf(two, 'offsite').state === 'failing')
    assert.deepEqual(
      receiver.status().map((one) => [one.repository, one.required]),
      [
        ['r', true],
        ['offsite', false],
      ],
    )
    await take(false)
    await receiver.waitDurable(lsn, never, 'offsite')
  })
  await compareWithServer({ ...world, repository: offsite }, { to: parseLsn(statusOf(two, 'offsite').durableLsn!) })
})
