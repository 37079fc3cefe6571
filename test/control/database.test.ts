// The control database's service on the embedded server, and on one by URL.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import type { Context } from '../../src/base/room.ts'
import { findBrokenAudit } from '../../src/control/audit.ts'
import { controlDatabase, type ControlDatabase, type StoredEvent } from '../../src/control/contract.ts'
import { room } from '../../src/control/room.ts'
import { serverRuns } from '../../src/warehouse/servers.ts'
import { testContext } from '../support/context.ts'
import { scratchFolder, startServer } from '../support/postgres.ts'

async function opened(
  home: string,
  scope: AsyncDisposableStack,
  config: Record<string, unknown> = {},
): Promise<{ database: ControlDatabase; context: Context }> {
  const context = testContext({ home, rooms: [room], config }, scope)
  return { database: await context.use(controlDatabase), context }
}

test('the embedded server starts with the first user and stops with the last', async () => {
  await using scratch = await scratchFolder()
  const home = join(scratch.path, 'home')
  const data = join(home, 'control', 'data')
  {
    await using first = new AsyncDisposableStack()
    const { database } = await opened(home, first)
    {
      await using second = new AsyncDisposableStack()
      const other = await opened(home, second)
      assert.deepEqual(await other.database.query('select 1::bigint as one'), [{ one: 1n }])
    }
    assert.equal(await serverRuns(data), true)
    assert.deepEqual(await database.query(`select '2026-11-20'::date as day`), [{ day: '2026-11-20' }])
  }
  assert.equal(await serverRuns(data), false)
  assert.equal(existsSync(join(data, 'postmaster.pid')), false)
})

test('two contexts that start at once share one server and one set of tables', async () => {
  await using scratch = await scratchFolder()
  const home = join(scratch.path, 'home')
  await using scope = new AsyncDisposableStack()
  const all = await Promise.all([1, 2, 3, 4].map(() => opened(home, scope)))
  const starts = await Promise.all(
    all.map(({ database }) => database.query<{ start: Date }>('select pg_postmaster_start_time() as start')),
  )
  assert.equal(new Set(starts.map(([row]) => row?.start.getTime())).size, 1)
  assert.deepEqual(await all[0]!.database.query('select room, name from control.migration'), [
    { room: 'control', name: '0001-control' },
  ])
})

test('any PostgreSQL by URL serves as well, and a newer one is refused', async () => {
  await using server = await startServer({ major: 15, authentication: 'scram-sha-256' })
  await using scratch = await scratchFolder()
  await mkdir(join(scratch.path, 'home'))
  const config = { control: { url: server.url } }
  {
    await using scope = new AsyncDisposableStack()
    const { database } = await opened(join(scratch.path, 'home'), scope, config)
    await database.query(`insert into control.migration (room, name, sha256) values ('control', '0099-future', 'x')`)
  }
  assert.notEqual(await server.pid(), 0)
  await using scope = new AsyncDisposableStack()
  await assert.rejects(opened(join(scratch.path, 'home'), scope, config), {
    code: 'control.newer',
    message:
      'the control database was made by a newer wharf (it has "0099-future" of room control, which this version does not know)',
  })
})

void test('on one database', async (t) => {
  await using scratch = await scratchFolder()
  await using scope = new AsyncDisposableStack()
  const home = join(scratch.path, 'home')
  const { database } = await opened(home, scope)
  const { database: other } = await opened(home, scope)

  await t.test('events reach other processes in order, also those of a transaction', async () => {
    const stop = new AbortController()
    const seen: StoredEvent[] = []
    const reading = (async () => {
      for await (const event of other.events({ kinds: ['test.one'], afterId: 0n, signal: stop.signal })) {
        seen.push(event)
        if (seen.length === 41) stop.abort()
      }
    })()
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => database.emit({ kind: 'test.one', subject: 's', data: { n } })),
    )
    await database.emit({ kind: 'test.other', subject: 's', data: {} })
    await assert.rejects(
      database.transaction(async (client) => {
        await database.emit({ kind: 'test.one', subject: 'undone', data: {} }, client)
        throw new Error('no')
      }),
      /no/,
    )
    await database.transaction((client) => database.emit({ kind: 'test.one', subject: 'last', data: {} }, client))
    await reading
    assert.equal(new Set(seen.map((event) => event.id)).size, 41)
    assert.deepEqual(
      seen.map((event) => event.id),
      seen.map((event) => event.id).toSorted((left, right) => (left < right ? -1 : 1)),
    )
    assert.deepEqual(
      seen
        .slice(0, 40)
        .map((event) => event.data['n'] as number)
        .toSorted((l, r) => l - r),
      Array.from({ length: 40 }, (_, n) => n),
    )
    assert.equal(seen.at(-1)?.subject, 'last')
  })

  await t.test('a lease has one holder, growing tokens, and is lost when it is taken away', async () => {
    const signal = new AbortController().signal
    const first = await database.tryLease('one', { ttlMs: 3000, owner: 'a', signal })
    assert.ok(first)
    assert.equal(await other.tryLease('one', { ttlMs: 3000, owner: 'b', signal }), undefined)
    await systemClock.sleep(3500)
    assert.equal(await other.tryLease('one', { ttlMs: 3000, owner: 'b', signal }), undefined, 'it renews itself')
    await first.release()
    const second = await other.tryLease('one', { ttlMs: 600, owner: 'b', signal })
    assert.ok(second && second.token > first.token)
    await database.query(`update control.lease set token = token + 1 where name = 'one'`)
    await new Promise((resolve) => second.lost.addEventListener('abort', resolve, { once: true }))
    assert.match(String(second.lost.reason), /the lease "one" is lost: somebody else holds it/)
    await second.release()
  })

  await t.test('an aborted signal gives the lease back', async () => {
    const stop = new AbortController()
    assert.ok(await database.tryLease('two', { ttlMs: 60_000, owner: 'a', signal: stop.signal }))
    stop.abort()
    let next
    while (!next) next = await other.tryLease('two', { ttlMs: 1000, owner: 'b', signal: new AbortController().signal })
    await next.release()
  })

  await t.test('holds are in force until released or over', async () => {
    const hold = { id: 'h1', kind: 'backup', subject: 'b1', reason: 'damaged block', by: 'test', until: undefined }
    await database.placeHold(hold)
    await database.placeHold({ ...hold, reason: 'again' })
    await database.placeHold({ ...hold, id: 'h2', until: new Date(Date.now() - 1000) })
    assert.deepEqual(await other.holds({ kind: 'backup' }), [hold])
    assert.deepEqual(await other.holds({ kind: 'wal' }), [])
    await other.releaseHold('h1', 'test')
    assert.deepEqual(await database.holds({}), [])
  })

  await t.test('the audit chain shows a changed and a missing entry', async () => {
    const entry = { actor: 'a', action: 'x y', subject: 's', detail: { b: 1, a: { d: [1, 2], c: null } } }
    await Promise.all([1, 2, 3, 4].map(() => database.audit(entry)))
    assert.equal(await findBrokenAudit(database), undefined)
    await database.query(`update control.audit set actor = 'mallory' where id = 3`)
    assert.equal(await findBrokenAudit(database), 3n)
    await database.query(`update control.audit set actor = 'a' where id = 3`)
    assert.equal(await findBrokenAudit(database), undefined)
    await database.query(`delete from control.audit where id = 2`)
    assert.equal(await findBrokenAudit(database), 2n)
  })
})
